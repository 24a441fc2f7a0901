"""The driver of NarratedVideoExampleGen: makes a change of the input files a cache miss."""

from collections.abc import Mapping
from typing import Any

from components import fingerprint_driver
from components.narrated_video_example_gen import executor
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.fingerprint import input_fingerprint


class Driver(fingerprint_driver.FingerprintDriver):
    """Adds a fingerprint of the input files to the execution properties."""

    def fingerprint(self, properties: Mapping[str, Any]) -> str:
        """Returns the fingerprint.

        Args:
          properties: the execution's own.

        Raises:
          ManifestError: the videos cannot be listed.
        """
        return input_fingerprint(
            properties[executor.VIDEOS_KEY], IngestConfig.from_json(properties[executor.CONFIG_KEY])
        )
