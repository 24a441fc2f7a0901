"""Makes a change of the files that a component reads a miss of TFX's cache."""

import abc
from collections.abc import Mapping
from typing import Any

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.portable import base_driver as ir_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

FINGERPRINT_KEY = "input_fingerprint"


class FingerprintDriver(base_driver.BaseDriver, ir_base_driver.BaseDriver, abc.ABC):
    """Adds a fingerprint of what a component reads to the execution properties.

    TFX looks up its cache by the artifacts and properties that go into an execution, and the path
    of a folder says nothing of what is in it.
    """

    def __init__(self, metadata_handle: metadata.Metadata):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        ir_base_driver.BaseDriver.__init__(self, metadata_handle)

    @abc.abstractmethod
    def fingerprint(self, properties: Mapping[str, Any]) -> str:
        """Returns the fingerprint.

        Args:
          properties: the execution's own.
        """

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Returns the execution's properties with the fingerprint.

        Args:
          execution_info: the execution that is being prepared.
        """
        properties = dict(execution_info.exec_properties)
        properties[FINGERPRINT_KEY] = self.fingerprint(properties)
        output = driver_output_pb2.DriverOutput()
        for name, value in properties.items():
            if value is not None:
                data_types_utils.set_metadata_value(output.exec_properties[name], value)
        return output
