"""The executor of RunSettings."""

from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from pipeline import pipeline as pipeline_lib
from pipeline.configs import RunOptions
from pipeline.kubeflow import node_settings
from pipeline.kubeflow.parameters import RunParameters

OPTIONS_KEY = "options"


class Executor(base_executor.BaseExecutor):
    """Makes the nodes of the run that the parameters describe, and writes what they are told."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes each node's properties.

        Args:
          input_dict: empty.
          output_dict: a String for each property, by its full name.
          exec_properties: `options`, RunOptions as JSON, and the fields of RunParameters.

        Raises:
          ValueError: the parameters do not fit the options, a file that a node needs is missing, or
            this is another version of the project than the pipeline was compiled with.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        parameters = dict(exec_properties)
        options = RunOptions.from_json(parameters.pop(OPTIONS_KEY))
        config = RunParameters(**parameters).apply(options).resolve()
        settings = node_settings.settings_of(pipeline_lib.create_nodes(config))
        if differing := sorted(settings.keys() ^ output_dict.keys()):
            raise ValueError(
                f"the image's nodes are not those of the compiled pipeline: they differ in "
                f"{', '.join(differing)}; compile it with the image's version of the project"
            )
        for name, value in settings.items():
            artifact_utils.get_single_instance(output_dict[name]).value = value
            logging.info("%s: %s", name, value)
