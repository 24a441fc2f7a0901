"""Where a pushed model lies: `<hub>/<publisher>/<model>/<version>`. Nothing is imported for it."""

import os


def version_folder(path: str) -> str:
    """Returns the folder of a SavedModel, given that or the folder of all its versions.

    Args:
      path: a folder with a `saved_model.pb`, or one whose numbered subfolders are versions: then
        the highest is taken. An address such as https://… or gs://… is returned as it is.

    Raises:
      ValueError: there is no SavedModel.
    """
    if "://" in path or os.path.isfile(os.path.join(path, "saved_model.pb")):
        return path
    if os.path.isdir(path):
        versions = [
            name
            for name in os.listdir(path)
            if name.isascii()
            and name.isdigit()
            and os.path.isfile(os.path.join(path, name, "saved_model.pb"))
        ]
        if versions:
            return os.path.join(path, max(versions, key=int))
    raise ValueError(
        f"{path} holds no pushed model: give the folder of a version, with its saved_model.pb, or "
        f"the folder whose numbered subfolders are versions"
    )
