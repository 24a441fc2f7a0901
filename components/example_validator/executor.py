"""Validates the caption records and stops the pipeline where they are wrong."""

import os
from collections.abc import Mapping
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator import executor
from tfx.dsl.io import fileio
from tfx.proto.orchestration import execution_result_pb2
from tfx.types import artifact_utils, standard_component_specs


class Executor(executor.Executor):
    """TFX's ExampleValidator, whose anomalies are an error."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> execution_result_pb2.ExecutorOutput:
        """Writes the anomalies, as TFX's executor does, and fails if there are any.

        The message says all that the anomalies say, as TFX's launcher removes the outputs of a
        component that fails.

        Args:
          input_dict: `statistics` and `schema`.
          output_dict: `anomalies`.
          exec_properties: those of TFX's ExampleValidator.

        Raises:
          RuntimeError: a split has anomalies; the message names each feature and what is wrong.
        """
        output = super().Do(input_dict, output_dict, exec_properties)
        (artifact,) = output_dict[standard_component_specs.ANOMALIES_KEY]
        found = {}
        for split in artifact_utils.decode_split_names(artifact.split_names):
            folder = artifact_utils.get_split_uri([artifact], split)
            with fileio.open(os.path.join(folder, executor.DEFAULT_FILE_NAME), "rb") as file:
                found[split] = anomalies_pb2.Anomalies.FromString(file.read())
        message = describe_anomalies(found)
        if message:
            raise RuntimeError(message)
        return output


def describe_anomalies(anomalies: Mapping[str, anomalies_pb2.Anomalies]) -> str:
    """Returns one line that names each feature with anomalies, or an empty string.

    Args:
      anomalies: the anomalies of each split.
    """
    findings = []
    for split, found in anomalies.items():
        for name in sorted(found.anomaly_info):
            reasons = [reason.description for reason in found.anomaly_info[name].reason]
            findings.append(f"{split}: feature {name}: {' '.join(reasons)}")
        if found.HasField("dataset_anomaly_info"):
            findings.append(f"{split}: {found.dataset_anomaly_info.description}")
    if not findings:
        return ""
    return f"the caption records do not match their schema: {'; '.join(findings)}".rstrip(".")
