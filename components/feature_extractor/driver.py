"""The driver of FeatureExtractor: makes a change of the files that it reads a cache miss."""

from collections.abc import Mapping
from typing import Any

from components import fingerprint_driver
from components.feature_extractor import executor
from components.feature_extractor.config import FeaturesConfig
from components.feature_extractor.fingerprint import features_fingerprint


class Driver(fingerprint_driver.FingerprintDriver):
    """Adds a fingerprint of videos, weights and features to the execution properties."""

    def fingerprint(self, properties: Mapping[str, Any]) -> str:
        """Returns the fingerprint.

        Args:
          properties: the execution's own.

        Raises:
          ManifestError: the videos cannot be listed.
          ValueError: there are no features or no model where the settings say.
        """
        return features_fingerprint(
            properties[executor.VIDEOS_KEY],
            FeaturesConfig.from_json(properties[executor.CONFIG_KEY]),
        )
