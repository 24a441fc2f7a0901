"""The ClipIndexGen: what text search looks through."""

import json

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.clip_index import executor
from components.retrieval_evaluator.config import EvaluatorConfig
from components.retrieval_evaluator.frame_clips import sampling


class ClipIndexGenSpec(ComponentSpec):
    """The ClipIndexGen's specification."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.SAMPLING_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        **{
            key: ChannelParameter(type=standard_artifacts.Examples, optional=True)
            for key in (
                executor.CLIPS_KEY,
                executor.FEATURES_KEY,
                executor.ANNOTATED_CLIPS_KEY,
                executor.ANNOTATED_FEATURES_KEY,
            )
        },
        executor.PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel),
    }
    OUTPUTS = {  # noqa: RUF012
        executor.INDEX_KEY: ChannelParameter(type=artifacts.ClipIndex),
    }


class ClipIndexGen(base_component.BaseComponent):
    """Embeds all clips, of training and evaluation alike, with the model that was pushed.

    Outputs `index`. When the run pushed no model it is empty and says so.
    """

    SPEC_CLASS = ClipIndexGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        clips: BaseChannel | None,
        pushed_model: BaseChannel,
        annotated_clips: BaseChannel | None = None,
        config: EvaluatorConfig | None = None,
        features: BaseChannel | None = None,
        annotated_features: BaseChannel | None = None,
    ):
        """Construct a ClipIndexGen.

        Args:
          clips: Channel of type `Examples` with clip records; not read, and may be None, where
            `features` are given.
          pushed_model: Channel of type `PushedModel`, of a pusher.
          annotated_clips: Channel of type `Examples` with more clip records.
          config: windows and batch size are taken from it, so that search sees what the metrics
            measured.
          features: Channel of type `Examples` with feature records, of which the clips are embedded
            where the pushed model takes frozen features.
          annotated_features: Channel of type `Examples` with more feature records.

        Raises:
          ValueError: there is nothing to embed.
        """
        if features is None and clips is None:
            raise ValueError("ClipIndexGen needs clips or features to embed")
        of_frames = features is None
        # What is not read is left out, and so is no part of the cache key.
        inputs = (
            {executor.CLIPS_KEY: clips, executor.ANNOTATED_CLIPS_KEY: annotated_clips}
            if of_frames
            else {
                executor.FEATURES_KEY: features,
                executor.ANNOTATED_FEATURES_KEY: annotated_features,
            }
        )
        settings = sampling(config or EvaluatorConfig()) if of_frames else {}
        super().__init__(
            spec=ClipIndexGenSpec(
                **{
                    **inputs,
                    executor.PUSHED_MODEL_KEY: pushed_model,
                    executor.SAMPLING_KEY: json.dumps(settings),
                    executor.INDEX_KEY: Channel(type=artifacts.ClipIndex),
                }
            )
        )
