"""What tells one model from another without reading it."""

import os

from components.files_fingerprint import files_fingerprint
from models import files


def model_fingerprint(path: str) -> str:
    """Returns a hash that changes when a SavedModel does: path, sizes and times of its files.

    Args:
      path: the folder of the SavedModel.
    """
    names = ("saved_model.pb", "variables/variables.index")
    return files_fingerprint(os.path.join(files.absolute(path), name) for name in names)
