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


def downloaded(module: str) -> str:
    """Returns the folder of a hub module, downloaded if an address names it.

    Args:
      module: a folder, or an address such as https://tfhub.dev/deepmind/mil-nce/s3d/1.

    Raises:
      ValueError: it cannot be downloaded.
    """
    if "://" not in module:
        return module
    import tensorflow_hub

    try:
        return tensorflow_hub.resolve(module)
    # An address fails in whatever its protocol trips over.
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ValueError(
            f"{module} cannot be downloaded: {reason}; download the module by hand and give its "
            f"folder"
        ) from error
