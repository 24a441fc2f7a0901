"""Where a pushed model lies: `<hub>/<publisher>/<model>/<version>`."""

import os

from models import files


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
    if is_of_the_web or files.is_file(os.path.join(path, "saved_model.pb")):
        return path
    if files.is_folder(path):
        versions = [
            name
            for name in files.names(path)
            if name.isascii()
            and name.isdigit()
            and files.is_file(os.path.join(path, name, "saved_model.pb"))
        ]
        if versions:
            return os.path.join(path, max(versions, key=int))
    raise ValueError(
        f"{path} holds no pushed model: give the folder of a version, with its saved_model.pb, or "
        f"the folder whose numbered subfolders are versions"
    )
