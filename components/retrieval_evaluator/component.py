"""The RetrievalEvaluator: metrics, a report, and a blessing for the Pusher."""

import dataclasses
import json

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.retrieval_evaluator import executor
from components.retrieval_evaluator.config import EvaluatorConfig


class RetrievalEvaluatorSpec(ComponentSpec):
    """The RetrievalEvaluator's specification."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.CONFIG_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        executor.MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        **{
            key: ChannelParameter(type=standard_artifacts.Examples, optional=True)
            for key in (
                executor.CLIPS_KEY,
                executor.FEATURES_KEY,
                executor.ANNOTATED_CLIPS_KEY,
                executor.ANNOTATED_FEATURES_KEY,
            )
        },
        executor.MODEL_RUN_KEY: ChannelParameter(type=standard_artifacts.ModelRun, optional=True),
        executor.TARGET_ONLY_MODEL_KEY: ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
    }
    OUTPUTS = {  # noqa: RUF012
        executor.EVALUATION_KEY: ChannelParameter(type=artifacts.RetrievalEvaluation),
        executor.BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class RetrievalEvaluator(base_component.BaseComponent):
    """Measures how well text finds video, and video text, on clips never trained on.

    The headline metrics are of the split `eval` of the annotated clips where they are given, with
    the eval split of the narrated clips as a second section; otherwise of the latter alone. A model
    that takes frozen features is scored on feature records; the frames of the clip records then
    only illustrate the report, and may be missing.

    Only a model that beats random guessing by a margin, and is no worse than the last blessed one,
    is blessed. The last blessed model is the newest version in the hub folder and not the answer
    of a Resolver: an artifact that changes with every run would keep this node from its cache.

    Outputs `evaluation`, with metrics.json and report.html, and `blessing`, for the Pusher.
    """

    SPEC_CLASS = RetrievalEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: BaseChannel,
        clips: BaseChannel | None = None,
        annotated_clips: BaseChannel | None = None,
        model_run: BaseChannel | None = None,
        config: EvaluatorConfig | None = None,
        features: BaseChannel | None = None,
        annotated_features: BaseChannel | None = None,
        target_only_model: BaseChannel | None = None,
    ):
        """Construct a RetrievalEvaluator.

        Args:
          model: Channel of type `Model`, with signatures `video` and `text`.
          clips: Channel of type `Examples` with clip records, split `eval`.
          annotated_clips: Channel of type `Examples` with clip records of annotated segments.
          model_run: Channel of type `ModelRun`, for the report's training curves.
          config: protocol and bar; the full-size protocol by default.
          features: Channel of type `Examples` with feature records, split `eval`, to score in place
            of `clips`.
          annotated_features: Channel of type `Examples` with feature records of annotated segments,
            to score in place of `annotated_clips`.
          target_only_model: Channel of type `Model`, trained from scratch on the data on which
            `model` was fine-tuned; a row of the fine-tuning table.

        Raises:
          ValueError: there is nothing to score, features and clips are mixed, or there is a
            `target_only_model` without `config.pretrained_model`.
        """
        config = config or EvaluatorConfig()
        if clips is None and features is None:
            raise ValueError("RetrievalEvaluator needs clips or features to score")
        annotated = annotated_clips is not None or annotated_features is not None
        if annotated and (features is None) != (annotated_features is None):
            raise ValueError(
                "RetrievalEvaluator scores features of both the narrated and the annotated clips, "
                "or of neither: give features and annotated_features together"
            )
        if target_only_model is not None and not config.pretrained_model:
            raise ValueError(
                "target_only_model is a row of the fine-tuning table, which needs "
                "evaluation.pretrained_model"
            )
        super().__init__(
            spec=RetrievalEvaluatorSpec(
                **{
                    executor.MODEL_KEY: model,
                    executor.CLIPS_KEY: clips,
                    executor.FEATURES_KEY: features,
                    executor.ANNOTATED_CLIPS_KEY: annotated_clips,
                    executor.ANNOTATED_FEATURES_KEY: annotated_features,
                    executor.MODEL_RUN_KEY: model_run,
                    executor.TARGET_ONLY_MODEL_KEY: target_only_model,
                    executor.CONFIG_KEY: json.dumps(dataclasses.asdict(config)),
                    executor.EVALUATION_KEY: Channel(type=artifacts.RetrievalEvaluation),
                    executor.BLESSING_KEY: Channel(type=standard_artifacts.ModelBlessing),
                }
            )
        )
