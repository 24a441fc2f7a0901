"""The HubPusher: the blessed model to the hub folder, and to Kaggle."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import BaseChannel, Channel, standard_artifacts, system_executions
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.hub_pusher import executor, kaggle
from models import hub_folder


class HubPusherSpec(ComponentSpec):
    """The HubPusher's specification."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.HUB_KEY: ExecutionParameter(type=str),
        executor.PUBLISHER_KEY: ExecutionParameter(type=str),
        executor.MODEL_NAME_KEY: ExecutionParameter(type=str),
        executor.KAGGLE_HANDLE_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        executor.MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        executor.MODEL_BLESSING_KEY: ChannelParameter(
            type=standard_artifacts.ModelBlessing, optional=True
        ),
    }
    OUTPUTS = {  # noqa: RUF012
        executor.PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel),
    }
    TYPE_ANNOTATION = system_executions.Deploy


class HubPusher(base_component.BaseComponent):
    """Pushes a model as the TFX Pusher does, in the layout that TF Hub serves.

    Only a blessed model is pushed, to `<hub>/<publisher>/<model name>/`. Its version is the Unix
    time, or higher where there is a higher one; no version is ever overwritten, and a model that is
    the newest version already gets no second one. `<version>/` holds the SavedModel and its model
    card as they come, and `<version>.tar.gz` beside it is the archive that `hub.load` downloads. No
    part of a push can be seen before all of it is there.

    Outputs `pushed_model`, with the custom properties that the TFX Pusher gives.
    """

    SPEC_CLASS = HubPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: BaseChannel,
        hub: str | RuntimeParameter,
        publisher: str,
        model_name: str,
        model_blessing: BaseChannel | None = None,
        kaggle_handle: str = "",
    ):
        """Construct a HubPusher.

        Args:
          model: Channel of type `Model`, with its card beside the SavedModel.
          hub: the hub folder, on any file system that TensorFlow knows.
          publisher: its first level.
          model_name: its second level.
          model_blessing: Channel of type `ModelBlessing`; without it every model is pushed.
          kaggle_handle: `<owner>/<model>/<framework>/<variation>` to upload the version to as well.

        Raises:
          ValueError: a name is not one that a hub folder may have, or the handle has another form.
        """
        hub_folder.check_names(publisher, model_name)
        if kaggle_handle:
            kaggle.check_handle(kaggle_handle)
        super().__init__(
            spec=HubPusherSpec(
                **{
                    executor.HUB_KEY: hub,
                    executor.PUBLISHER_KEY: publisher,
                    executor.MODEL_NAME_KEY: model_name,
                    executor.KAGGLE_HANDLE_KEY: kaggle_handle,
                    executor.MODEL_KEY: model,
                    executor.MODEL_BLESSING_KEY: model_blessing,
                    executor.PUSHED_MODEL_KEY: Channel(type=standard_artifacts.PushedModel),
                }
            )
        )
