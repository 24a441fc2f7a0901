"""The ModelCardGen: a model with its card, ready for the Pusher."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import BaseChannel, Channel, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components import artifacts
from components.model_card import executor


class ModelCardGenSpec(ComponentSpec):
    """The ModelCardGen's specification."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.PUBLISHER_KEY: ExecutionParameter(type=str),
        executor.MODEL_NAME_KEY: ExecutionParameter(type=str),
        executor.SETTINGS_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {  # noqa: RUF012
        executor.TRAINED_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        executor.EVALUATION_KEY: ChannelParameter(type=artifacts.RetrievalEvaluation),
        executor.LEDGER_KEY: ChannelParameter(type=artifacts.Ledger, optional=True),
    }
    OUTPUTS = {  # noqa: RUF012
        executor.MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
    }


class ModelCardGen(base_component.BaseComponent):
    """Copies a model and writes MODEL_CARD.md beside its saved_model.pb.

    A pusher copies one folder as it is, so what should lie beside a pushed model must lie
    beside it before.

    Outputs `model`.
    """

    SPEC_CLASS = ModelCardGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: BaseChannel,
        evaluation: BaseChannel,
        publisher: str,
        model_name: str,
        settings: str = "{}",
        ledger: BaseChannel | None = None,
    ):
        """Construct a ModelCardGen.

        Args:
          model: Channel of type `Model`.
          evaluation: Channel of type `RetrievalEvaluation`, for the metrics.
          publisher: who publishes the model.
          model_name: its name.
          settings: JSON of sections of settings: any of `ingest`, `features`, `words`, `model`,
            `training` and `evaluation`.
          ledger: Channel of type `Ledger`, for the counts of the data.
        """
        super().__init__(
            spec=ModelCardGenSpec(
                **{
                    executor.PUBLISHER_KEY: publisher,
                    executor.MODEL_NAME_KEY: model_name,
                    executor.SETTINGS_KEY: settings,
                    executor.TRAINED_MODEL_KEY: model,
                    executor.EVALUATION_KEY: evaluation,
                    executor.LEDGER_KEY: ledger,
                    executor.MODEL_KEY: Channel(type=standard_artifacts.Model),
                }
            )
        )
