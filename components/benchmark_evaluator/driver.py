"""The driver of BenchmarkEvaluator: makes a change of the benchmark's files a cache miss."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from components import fingerprint_driver
from components.benchmark_evaluator import executor
from components.benchmark_evaluator.config import GateConfig
from components.files_fingerprint import files_fingerprint
from components.narrated_video_example_gen.annotations.files import annotation_files


class Driver(fingerprint_driver.FingerprintDriver):
    """Adds a fingerprint of annotations and videos to the execution properties."""

    def fingerprint(self, properties: Mapping[str, Any]) -> str:
        """Returns the fingerprint.

        Args:
          properties: the execution's own.

        Raises:
          ManifestError: the annotations are named in a wrong way.
        """
        config = GateConfig.from_json(properties[executor.CONFIG_KEY])
        return files_fingerprint(_files(config))


def _files(config: GateConfig) -> Iterator[str]:
    for _, path in annotation_files(config.annotations):
        yield from _below(path)
    for folder in filter(None, (config.videos, config.features)):
        yield from _below(folder)


def _below(path: str) -> Iterator[str]:
    """Yields a file, or the files of a folder and its subfolders in a fixed order."""
    if not os.path.isdir(path):
        yield path
        return
    for parent, folders, names in os.walk(path, followlinks=True):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(parent, name)
