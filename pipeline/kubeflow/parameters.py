"""The runtime parameters of the compiled pipeline: what each run on the cluster may say anew."""

import dataclasses
import posixpath

from components.benchmark_evaluator.config import FILE_SETTINGS
from components.narrated_video_example_gen.annotations.files import annotation_files
from models import files
from pipeline.configs import PRESETS, RunOptions

_PATHS = (
    "videos",
    "test_videos",
    "test_annotations",
    "init_from",
    "benchmark_videos",
    "benchmark_features",
)
# The settings that name files, as --set and --benchmark-set change them.
_FILE_SETTINGS = frozenset(
    {
        *(f"protocol.{name}" for name in FILE_SETTINGS),
        "ingest.caption_json",
        "ingest.exclude_videos",
        "words.path",
        "words.extra_words",
        "features.source",
        "features.weights_2d",
        "features.weights_3d",
    }
)
_ANNOTATIONS_SETTING = "ingest.annotations"
_HUB = "hub:"


@dataclasses.dataclass(frozen=True)
class RunParameters:
    """What a run of the compiled pipeline may say; the fields are the parameters' names.

    Attributes:
      data_root: folder or address where the relative paths of the options' data begin.
      preset: name of a preset with the nodes of the compiled one.
      steps: steps of the training; 0 for the preset's.
      hub: the hub folder that a model is pushed to; empty for `hub` in the output folder.
    """

    data_root: str
    preset: str
    steps: int
    hub: str

    def apply(self, options: RunOptions) -> RunOptions:
        """Returns the options of a run with the parameters in their place.

        Args:
          options: what was compiled.

        Raises:
          ValueError: there is no such preset, or it has other nodes than the compiled one; a path
            is relative and there is no data root; the hub is relative; or the steps are negative.
        """
        if self.steps < 0:
            raise ValueError(f"steps is {self.steps}; give 1 or more, or 0 for the preset's")
        hub = self.hub or options.hub
        if hub and not is_absolute(hub):
            raise ValueError(f"hub is {hub!r}; it must be an absolute path or an address")
        self._check_preset(options.preset)
        overrides = self._settings(options.overrides)
        if self.steps:
            overrides += (f"training.steps={self.steps}",)
        return dataclasses.replace(
            options,
            **{name: self._below_root(getattr(options, name)) for name in _PATHS},
            benchmark_annotations=self._files_below_root(options.benchmark_annotations),
            benchmark_settings=self._settings(options.benchmark_settings),
            overrides=overrides,
            preset=self.preset,
            hub=hub,
        )

    def _check_preset(self, compiled: str) -> None:
        for name in (self.preset, compiled):
            if name not in PRESETS:
                raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
        kind, expected = PRESETS[self.preset].kind, PRESETS[compiled].kind
        if kind != expected:
            raise ValueError(
                f"preset {self.preset} trains a {kind} model, but the pipeline was compiled for a "
                f"{expected} one; compile it with that preset"
            )

    def _settings(self, assignments: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._setting(assignment) for assignment in assignments)

    def _setting(self, assignment: str) -> str:
        name, separator, value = assignment.partition("=")
        if name.strip() == _ANNOTATIONS_SETTING:
            return f"{name}{separator}{self._files_below_root(value)}"
        if name.strip() in _FILE_SETTINGS:
            return f"{name}{separator}{self._below_root(value.strip())}"
        return assignment

    def _files_below_root(self, paths: str) -> str:
        if not paths:
            return paths
        return ",".join(
            f"{split}={self._below_root(path)}" if split else self._below_root(path)
            for split, path in annotation_files(paths)
        )

    def _below_root(self, path: str) -> str:
        if path.startswith(_HUB):
            return _HUB + self._below_root(path.removeprefix(_HUB))
        if not path or is_absolute(path):
            return path
        if not self.data_root:
            raise ValueError(
                f"{path} is a relative path and data_root is empty; give the parameter data_root"
            )
        return posixpath.join(self.data_root, path)


def is_absolute(path: str) -> bool:
    """Returns whether a path means the same on every machine: an absolute one, or an address.

    Args:
      path: the path.
    """
    return path.startswith("/") or files.is_address(path)
