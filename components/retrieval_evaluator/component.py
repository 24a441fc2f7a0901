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
        executor.CLIPS_KEY: ChannelParameter(type=standard_artifacts.Examples),
        executor.ANNOTATED_CLIPS_KEY: ChannelParameter(
            type=standard_artifacts.Examples, optional=True
        ),
        executor.MODEL_RUN_KEY: ChannelParameter(type=standard_artifacts.ModelRun, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012
        executor.EVALUATION_KEY: ChannelParameter(type=artifacts.RetrievalEvaluation),
        executor.BLESSING_KEY: ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class RetrievalEvaluator(base_component.BaseComponent):
    """Measures how well text finds video, and video text, on clips never trained on.

    The headline metrics are of the split `eval` of the annotated clips where they are given, with
    the eval split of the narrated clips as a second section; otherwise of the latter alone.

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
        clips: BaseChannel,
        annotated_clips: BaseChannel | None = None,
        model_run: BaseChannel | None = None,
        config: EvaluatorConfig | None = None,
    ):
        """Construct a RetrievalEvaluator.

        Args:
          model: Channel of type `Model`, with signatures `video` and `text`.
          clips: Channel of type `Examples` with clip records, split `eval`.
          annotated_clips: Channel of type `Examples` with clip records of annotated segments.
          model_run: Channel of type `ModelRun`, for the report's training curves.
          config: protocol and bar; the full-size protocol by default.
        """
        super().__init__(
            spec=RetrievalEvaluatorSpec(
                **{
                    executor.MODEL_KEY: model,
                    executor.CLIPS_KEY: clips,
                    executor.ANNOTATED_CLIPS_KEY: annotated_clips,
                    executor.MODEL_RUN_KEY: model_run,
                    executor.CONFIG_KEY: json.dumps(
                        dataclasses.asdict(config or EvaluatorConfig())
                    ),
                    executor.EVALUATION_KEY: Channel(type=artifacts.RetrievalEvaluation),
                    executor.BLESSING_KEY: Channel(type=standard_artifacts.ModelBlessing),
                }
            )
        )
