"""The ClipIndexGen: what text search looks through."""

import json

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.clip_index import executor
from components.retrieval_evaluator.config import EvaluatorConfig


class ClipIndexGenSpec(ComponentSpec):
    """The ClipIndexGen's specification."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.SAMPLING_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        executor.CLIPS_KEY: ChannelParameter(type=standard_artifacts.Examples),
        executor.ANNOTATED_CLIPS_KEY: ChannelParameter(
            type=standard_artifacts.Examples, optional=True
        ),
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
        clips: BaseChannel,
        pushed_model: BaseChannel,
        annotated_clips: BaseChannel | None = None,
        config: EvaluatorConfig | None = None,
    ):
        """Construct a ClipIndexGen.

        Args:
          clips: Channel of type `Examples` with clip records.
          pushed_model: Channel of type `PushedModel`, of the TFX Pusher.
          annotated_clips: Channel of type `Examples` with more clip records.
          config: windows and batch size are taken from it, so that search sees what the metrics
            measured.
        """
        config = config or EvaluatorConfig()
        sampling = {
            name: getattr(config, name)
            for name in ("num_frames", "frame_rate", "image_size", "num_windows", "batch_size")
        }
        super().__init__(
            spec=ClipIndexGenSpec(
                **{
                    executor.CLIPS_KEY: clips,
                    executor.ANNOTATED_CLIPS_KEY: annotated_clips,
                    executor.PUSHED_MODEL_KEY: pushed_model,
                    executor.SAMPLING_KEY: json.dumps(sampling),
                    executor.INDEX_KEY: Channel(type=artifacts.ClipIndex),
                }
            )
        )
