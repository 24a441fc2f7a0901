"""The driver of FeatureExtractor: makes a change of the files that it reads a cache miss."""

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils, metadata
from tfx.orchestration.portable import base_driver as ir_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2

from components.feature_extractor import executor
from components.feature_extractor.config import FeaturesConfig
from components.feature_extractor.fingerprint import features_fingerprint


class Driver(base_driver.BaseDriver, ir_base_driver.BaseDriver):
    """Adds a fingerprint of videos, weights and features to the execution properties.

    TFX looks up its cache by the artifacts and properties that go into an execution, and the path
    of a folder says nothing of what is in it.
    """

    def __init__(self, metadata_handle: metadata.Metadata):
        base_driver.BaseDriver.__init__(self, metadata_handle)
        ir_base_driver.BaseDriver.__init__(self, metadata_handle)

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Returns the execution's properties with the fingerprint.

        Args:
          execution_info: the execution that is being prepared.

        Raises:
          ManifestError: the videos cannot be listed.
          ValueError: there are no features or no model where the settings say.
        """
        properties = dict(execution_info.exec_properties)
        properties[executor.FINGERPRINT_KEY] = features_fingerprint(
            properties[executor.VIDEOS_KEY],
            FeaturesConfig.from_json(properties[executor.CONFIG_KEY]),
        )
        output = driver_output_pb2.DriverOutput()
        for name, value in properties.items():
            if value is not None:
                data_types_utils.set_metadata_value(output.exec_properties[name], value)
        return output
