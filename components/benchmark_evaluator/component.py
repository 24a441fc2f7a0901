"""The BenchmarkEvaluator: one of the papers' benchmarks as a gate before the Pusher."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import artifacts, fingerprint_driver
from components.benchmark_evaluator import driver, executor
from components.benchmark_evaluator.config import GateConfig


class BenchmarkEvaluatorSpec(types.ComponentSpec):
    """The BenchmarkEvaluator's specification."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.CONFIG_KEY: component_spec.ExecutionParameter(type=str),
        fingerprint_driver.FINGERPRINT_KEY: component_spec.ExecutionParameter(
            type=str, optional=True
        ),
    }
    INPUTS = {  # noqa: RUF012
        executor.MODEL_KEY: component_spec.ChannelParameter(type=standard_artifacts.Model),
        executor.PRIOR_BLESSING_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.ModelBlessing, optional=True
        ),
    }
    OUTPUTS = {  # noqa: RUF012
        executor.EVALUATION_KEY: component_spec.ChannelParameter(
            type=artifacts.BenchmarkEvaluation
        ),
        executor.BLESSING_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.ModelBlessing
        ),
    }


class BenchmarkEvaluator(base_beam_component.BaseBeamComponent):
    """Scores a model on a benchmark by its published protocol, and blesses what reaches a bar.

    It is what `howto100m evaluate` does, on the same Beam as the other components. Several gates
    are put in a row: each passes on the refusal of the one before it, and the Pusher takes the
    last one's blessing.

    Component `outputs` contains:
     - `evaluation`: Channel of type `artifacts.BenchmarkEvaluation`.
     - `blessing`: Channel of type `standard_artifacts.ModelBlessing`.

    Example:
      gate = BenchmarkEvaluator(
          model=trainer.outputs["model"],
          prior_blessing=evaluator.outputs["blessing"],
          config=GateConfig("youcook2", "validation_youcook.csv", videos="youcook2", minimum=0.3),
      )
    """

    SPEC_CLASS = BenchmarkEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
    DRIVER_CLASS = driver.Driver

    def __init__(
        self,
        model: types.BaseChannel,
        config: GateConfig,
        prior_blessing: types.BaseChannel | None = None,
    ):
        """Construct a BenchmarkEvaluator.

        Args:
          model: Channel of type `Model`, with signatures `video` and `text`.
          config: the benchmark and the bar.
          prior_blessing: Channel of type `ModelBlessing` of another evaluator; a model that it
            refuses is not blessed here either.
        """
        super().__init__(
            spec=BenchmarkEvaluatorSpec(
                model=model,
                config=config.to_json(),
                prior_blessing=prior_blessing,
                evaluation=types.Channel(type=artifacts.BenchmarkEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
            )
        )
