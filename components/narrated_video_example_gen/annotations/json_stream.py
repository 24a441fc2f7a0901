"""JSON files of any size, read an item at a time."""

import pathlib
from collections.abc import Iterator
from typing import Any

from components.narrated_video_example_gen.manifest import ManifestError


def is_json(path: pathlib.Path) -> bool:
    """Tells whether a file begins like a JSON object.

    Args:
      path: the file.

    Raises:
      ManifestError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror or error}") from error


def json_items(path: pathlib.Path, prefix: str) -> Iterator[Any]:
    """Yields the items of a list inside a JSON file.

    Args:
      path: the file.
      prefix: where the list is, as ijson counts, such as "sentences.item".

    Raises:
      ManifestError: the file cannot be read or is malformed; what came before has been yielded.
    """
    return _read(path, "items", prefix)


def json_members(path: pathlib.Path, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yields the names and values of an object inside a JSON file.

    Args:
      path: the file.
      prefix: where the object is, as ijson counts, such as "database".

    Raises:
      ManifestError: the file cannot be read or is malformed; what came before has been yielded.
    """
    return _read(path, "kvitems", prefix)


def _read(path: pathlib.Path, method: str, prefix: str) -> Iterator[Any]:
    import ijson

    try:
        with path.open("rb") as stream:
            yield from getattr(ijson, method)(stream, prefix, use_float=True)
    except ijson.JSONError as error:
        message = " ".join(str(error).split())
        raise ManifestError(f"{path} is not well-formed JSON: {message}") from error
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror or error}") from error
