"""TFX's ExampleValidator, made to stop the pipeline."""

from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from components.example_validator import executor


class CaptionValidator(tfx.components.ExampleValidator):
    """Compares the statistics of the caption records with their schema; anomalies are an error.

    TFX's own component records anomalies and lets the pipeline go on. With this one, components
    that have it upstream do not run on records that do not match the schema.

    Component `outputs` contains:
     - `anomalies`: Channel of type `standard_artifacts.ExampleAnomalies`.

    Example:
      validator = CaptionValidator(
          statistics=statistics_gen.outputs["statistics"], schema=schema.outputs["schema"]
      )
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)
