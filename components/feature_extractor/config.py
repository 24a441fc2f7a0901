"""What the feature extraction can be told."""

import dataclasses
import json
import os

from models import files, hub_folder

_HUB = "hub:"


@dataclasses.dataclass(frozen=True)
class FeaturesConfig:
    """Settings of a feature extraction; the defaults are the HowTo100M paper's networks and rates.

    Attributes:
      source: where the features come from. Empty: ResNet-152 and ResNeXt-101 with the weights
        below. "hub:PATH": the output mixed_5c of a SavedModel with the signature of the public
        module deepmind/mil-nce/s3d/1; PATH is its folder, the folder of its versions, of which the
        newest is taken, or an address that `hub.load` takes. Otherwise a folder of features in the
        HowTo100M layout: a subfolder for each stream, such as "2d" and "3d", with <video id>.npy
        [rows, size] anywhere in it.
      weights_2d: weights of ResNet-152: a Keras file.
      weights_3d: weights of ResNeXt-101: a Keras file or the public PyTorch checkpoint.
      rate_2d: rows of the stream "2d" for each second.
      rate_3d: rows of the stream "3d" for each second; a row sees 16 frames.
      hub_rate: rows of any other stream for each second.
      hub_num_frames: frames that a row of a hub model sees, T.
      hub_frame_rate: frames for each second of them.
      hub_image_size: height and width of them, in pixels.
      batch_size: inputs that a network computes at once, of one or more videos.
      duration_tolerance: seconds by which the rows of existing features may miss the duration of
        their video.
      max_failed_fraction: share of the videos that may fail before the run ends with an error.
    """

    source: str = ""
    weights_2d: str = ""
    weights_3d: str = ""
    rate_2d: float = 1.0
    rate_3d: float = 1.5
    hub_rate: float = 1.0
    hub_num_frames: int = 32
    hub_frame_rate: float = 10.0
    hub_image_size: int = 224
    batch_size: int = 16
    duration_tolerance: float = 2.0
    max_failed_fraction: float = 0.5

    def __post_init__(self):
        for name in ("rate_2d", "rate_3d", "hub_rate", "hub_frame_rate"):
            self._check(name, getattr(self, name) > 0, "greater than 0")
        for name in ("hub_num_frames", "hub_image_size", "batch_size"):
            self._check(name, getattr(self, name) >= 1, "at least 1")
        self._check("duration_tolerance", self.duration_tolerance >= 0, "at least 0")
        self._check("max_failed_fraction", 0 <= self.max_failed_fraction <= 1, "from 0 to 1")

    def _check(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueError(f"features.{name} is {getattr(self, name)!r}; it must be {rule}")

    @property
    def hub_path(self) -> str:
        """The PATH of "hub:PATH", or an empty string."""
        return self.source.removeprefix(_HUB) if self.source.startswith(_HUB) else ""

    @property
    def folder(self) -> str:
        """The folder of existing features, or an empty string."""
        return "" if self.source.startswith(_HUB) else self.source

    def check_source(self) -> None:
        """Checks that there is something to take features from, before a long run begins.

        Raises:
          ValueError: there are no weights, or the source or a file of weights is missing.
        """
        if self.source.startswith(_HUB):
            hub_folder.version_folder(self.hub_path)
        elif self.source:
            if not files.is_remote(self.source) and not os.path.isdir(self.source):
                raise ValueError(
                    f"features.source is {self.source!r}; it must be hub:PATH or a folder with a "
                    f"subfolder of .npy files for each stream"
                )
        elif not (self.weights_2d and self.weights_3d):
            raise ValueError(
                "features of ResNet-152 and ResNeXt-101 need their weights: give them by --set "
                "features.weights_2d=FILE and --set features.weights_3d=FILE, or take the features "
                "of a pushed model by --features hub:PATH, or existing ones by --features FOLDER"
            )
        else:
            for path in (self.weights_2d, self.weights_3d):
                if not files.is_remote(path) and not os.path.isfile(path):
                    raise ValueError(f"there is no file of weights {path}")

    def to_json(self) -> str:
        """Returns the settings as one line of JSON, the same for equal settings."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "FeaturesConfig":
        """Returns the settings that `to_json` wrote.

        Args:
          text: one JSON object.

        Raises:
          ValueError: the text names an unknown setting, or a value is out of range.
        """
        values = json.loads(text)
        unknown = set(values) - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown features settings: {', '.join(sorted(unknown))}")
        return cls(**values)
