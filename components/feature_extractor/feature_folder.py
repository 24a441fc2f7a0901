"""Existing features: a folder with a subfolder for each stream, and in it a .npy for each video.

It is the layout of HowTo100M's features: <stream>/<any subfolders>/<video id>.npy, [rows, size].
"""

import collections
import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from components.feature_extractor.config import FeaturesConfig
from components.narrated_video_example_gen.manifest import VIDEO_SUFFIXES
from models import files

_SUFFIX = ".npy"
_KNOWN_STREAM = re.compile(r"(?:^|[^a-z0-9])([23]d)(?:[^a-z0-9]|$)")
# Files whose headers are looked at to learn the size of a stream's rows.
_LOOKED_AT = 32


class FeatureFileError(Exception):
    """A file holds no features.

    Attributes:
      reason: a short fixed name.
      message: one line for people.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason
        self.message = message


def find_features(folder: str) -> dict[str, dict[str, str]]:
    """Returns the streams of a folder, in the order of their names, and each one's files.

    A subfolder whose name says 2d or 3d as a word, such as "resnet-2d", is the stream "2d" or "3d";
    any other is a stream of its own name.

    Args:
      folder: where to look.

    Returns:
      For each stream the path of the file of each video id.

    Raises:
      ValueError: there are no features, or two subfolders are the same stream.
    """
    streams: dict[str, dict[str, str]] = {}
    for subfolder in files.names(folder):
        path = files.join(folder, subfolder)
        if subfolder.startswith(".") or not files.is_folder(path):
            continue
        found = _find_files(path)
        if not found:
            continue
        known = _KNOWN_STREAM.search(subfolder.lower())
        name = known[1] if known else subfolder
        if name in streams:
            raise ValueError(f"{folder} has two subfolders with features of the stream {name!r}")
        streams[name] = found
    if not streams:
        raise ValueError(
            f"{folder} holds no features: it needs a subfolder for each stream, such as 2d, with "
            f"<video id>.npy in it"
        )
    return dict(sorted(streams.items()))


def stream_rate(name: str, config: FeaturesConfig) -> float:
    """Returns the rows for each second of a stream.

    Args:
      name: of the stream.
      config: the settings.
    """
    return {"2d": config.rate_2d, "3d": config.rate_3d}.get(name, config.hub_rate)


def usual_size(paths: Iterable[str]) -> int | None:
    """Returns how many values a row has in most of the first files; None where none is readable.

    Args:
      paths: files of one stream.
    """
    sizes: collections.Counter[int] = collections.Counter()
    for path in paths:
        try:
            with _opened(path) as stored:
                sizes[stored.shape[1]] += 1
        except FeatureFileError:
            continue
        if sizes.total() == _LOOKED_AT:
            break
    return sizes.most_common(1)[0][0] if sizes else None


def read_features(path: str, size: int | None) -> np.ndarray:
    """Returns the rows of a file as they are, in half precision.

    Nothing in the file is executed: pickled objects are refused.

    Args:
      path: the file.
      size: values that a row must have, D; None accepts any number.

    Returns:
      float16 [R, D].

    Raises:
      FeatureFileError: it is no finite real matrix of that size.
    """
    with _opened(path) as stored:
        if size is not None and stored.shape[1] != size:
            raise FeatureFileError(
                "wrong_size",
                f"a row has {stored.shape[1]} values, in the other files {size}: {path}",
            )
        # A number too large for half precision becomes infinite, and is then refused.
        with np.errstate(over="ignore", invalid="ignore"):
            values = stored.astype(np.float16)
    if not np.isfinite(values).all():
        raise FeatureFileError(
            "not_finite", f"holds values that are not finite in half precision: {path}"
        )
    return values


@contextlib.contextmanager
def _opened(path: str) -> Iterator[np.ndarray]:
    with contextlib.ExitStack() as stack:
        try:
            local = stack.enter_context(files.local_copy(path))
            stored = np.load(local, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise FeatureFileError("missing_features", f"there is no file {path}") from error
        # NumPy meets any bytes that people have; it names no fixed set of errors.
        except Exception as error:
            raise FeatureFileError("not_an_array", f"not a .npy file: {path}: {error}") from error
        if not isinstance(stored, np.ndarray) or stored.ndim != 2 or stored.dtype.kind not in "fiu":
            raise FeatureFileError("not_a_matrix", f"not a matrix of real numbers: {path}")
        yield stored


def _find_files(folder: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for parent, subfolders, names in files.walk(folder):
        subfolders.sort()
        for name in sorted(names):
            if name.endswith(_SUFFIX) and not name.startswith("."):
                found.setdefault(_video_id(name), os.path.join(parent, name))
    return found


def _video_id(name: str) -> str:
    """Returns the id in a name such as x.npy or x.mp4.npy."""
    stem = name.removesuffix(_SUFFIX)
    root, suffix = os.path.splitext(stem)
    return root if suffix.lower() in VIDEO_SUFFIXES else stem
