"""Where an imported model is written."""

import os
import pathlib


def check_new(output: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the folder to write, which must not exist or be empty.

    Raises:
      ValueError: it is in use.
    """
    output = pathlib.Path(output)
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ValueError(f"{output} is already there; give the name of a new folder")
    return output
