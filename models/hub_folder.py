"""Where a pushed model lies: `<hub>/<publisher>/<model>/<version>`. Nothing is imported for it."""

import os
import re

SAVED_MODEL_FILE = "saved_model.pb"
CARD_FILE = "MODEL_CARD.md"
ARCHIVE_SUFFIX = ".tar.gz"

# They are parts of a URL as they are, and no folder that a program keeps for itself (.git).
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)
_VERSION = re.compile(r"[0-9]{1,20}", re.ASCII)


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


def publisher_and_model(path: str) -> tuple[str, str]:
    """Returns the publisher and the name of the model whose versions are in a folder.

    Args:
      path: `<hub>/<publisher>/<model>`.

    Raises:
      ValueError: a name is not one that a hub folder may have.
    """
    names = path.rstrip("/").split("/")[-2:]
    if len(names) < 2 or not all(is_name(name) for name in names):
        raise ValueError(
            f"{path} does not end in publisher/model: a name has at most 100 letters, digits and "
            f"any of ._- and starts with none of .-"
        )
    return names[0], names[1]


def version_folder(path: str) -> str:
    """Returns the folder of a SavedModel, given that or the folder of all its versions.

    Args:
      path: a folder with a `saved_model.pb`, or one whose numbered subfolders are versions: then
        the highest is taken. An address such as https://… or gs://… is returned as it is.

    Raises:
      ValueError: there is no SavedModel.
    """
    if "://" in path or os.path.isfile(os.path.join(path, SAVED_MODEL_FILE)):
        return path
    if os.path.isdir(path):
        versions = [
            name
            for name in os.listdir(path)
            if is_version(name) and os.path.isfile(os.path.join(path, name, SAVED_MODEL_FILE))
        ]
        if versions:
            return os.path.join(path, max(versions, key=int))
    raise ValueError(
        f"{path} holds no pushed model: give the folder of a version, with its saved_model.pb, or "
        f"the folder whose numbered subfolders are versions"
    )
