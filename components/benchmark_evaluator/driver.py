"""The driver of BenchmarkEvaluator: makes a change of the benchmark's files a cache miss."""

import glob
import os
from collections.abc import Iterator, Mapping
from typing import Any

from components import fingerprint_driver
from components.benchmark_evaluator import executor
from components.benchmark_evaluator.config import FILE_SETTINGS, GateConfig
from components.files_fingerprint import files_fingerprint
from components.narrated_video_example_gen.annotations.files import annotation_files
from models import files


class Driver(fingerprint_driver.FingerprintDriver):
    """Adds a fingerprint of annotations, lists and videos to the execution properties."""

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
        # TFRecords are named by a pattern. What matches nothing counts as a missing file.
        matches = [path] if os.path.exists(path) else sorted(glob.glob(path)) or [path]
        for match in matches:
            yield from _below(match)
    yield from filter(None, map(config.settings.get("protocol", {}).get, FILE_SETTINGS))
    for folder in filter(None, (config.videos, config.features)):
        yield from _below(folder)


def _below(path: str) -> Iterator[str]:
    """Yields a file, or the files of a folder and its subfolders in a fixed order.

    Links to folders are followed, and each folder is visited once, as in `find_video_files`.
    """
    if not files.is_folder(path):
        yield path
        return
    visited = set()
    for parent, folders, names in files.walk(path, follow_links=True):
        real = parent if files.is_remote(parent) else os.path.realpath(parent)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders.sort()
        for name in sorted(names):
            yield os.path.join(parent, name)
