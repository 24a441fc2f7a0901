"""Where a pushed model lies: `<hub>/<publisher>/<model>/<version>`."""

import os
import re
from collections.abc import Callable, Iterable

from models import files

SAVED_MODEL_FILE = "saved_model.pb"
CARD_FILE = "MODEL_CARD.md"
ARCHIVE_SUFFIX = ".tar.gz"

# They are parts of a URL as they are, and no folder that a program keeps for itself (.git).
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)
# TensorFlow Serving reads a version into 64 bits, and leaves what is no number alone.
_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)


def is_name(name: str) -> bool:
    """Tells whether a publisher or a model may be called so in a hub folder that is served.

    Args:
      name: letters, digits and any of `._-`, at most 100, the first one no dot or dash.
    """
    return _NAME.fullmatch(name) is not None


def is_version(name: str) -> bool:
    """Tells whether a folder of a model is called as a version: by a number.

    Args:
      name: the name of the folder.
    """
    return _VERSION.fullmatch(name) is not None


def check_names(publisher: str, model_name: str) -> None:
    """Checks the two levels of a hub folder above the versions.

    Args:
      publisher: the first level.
      model_name: the second one.

    Raises:
      ValueError: a name is not one that a hub folder may have.
    """
    for what, name in (("publisher", publisher), ("model", model_name)):
        if not is_name(name):
            raise ValueError(
                f"{name!r} cannot be the name of a {what} in a hub folder: give at most 100 "
                f"letters, digits and any of ._- that do not start with a dot or a dash"
            )


def newest(names: Iterable[str], is_whole: Callable[[str], bool]) -> str | None:
    """Returns the highest version that is whole, or None.

    Args:
      names: what is in the folder of a model.
      is_whole: tells whether the version of that name is all there.
    """
    versions = filter(is_version, (name.rstrip("/") for name in names))
    return next(filter(is_whole, sorted(versions, key=int, reverse=True)), None)


def version_folder(path: str) -> str:
    """Returns the folder of a SavedModel, given that or the folder of all its versions.

    Args:
      path: a folder with a `saved_model.pb`, or one whose numbered subfolders are versions: then
        the highest is taken. An address of the web, https://…, is returned as it is.

    Raises:
      ValueError: there is no SavedModel.
      OSError: the file system that it is on does not answer.
    """
    is_of_the_web = files.is_address(path) and not files.is_remote(path)
    if is_of_the_web or files.is_file(os.path.join(path, SAVED_MODEL_FILE)):
        return path
    if files.is_folder(path):
        version = newest(
            files.names(path),
            lambda name: files.is_file(os.path.join(path, name, SAVED_MODEL_FILE)),
        )
        if version:
            return os.path.join(path, version)
    raise ValueError(
        f"{path} holds no pushed model: give the folder of a version, with its saved_model.pb, or "
        f"the folder whose numbered subfolders are versions"
    )
