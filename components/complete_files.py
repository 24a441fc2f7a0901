"""Files that are there whole or not at all, on any file system that TensorFlow knows."""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator

import tensorflow as tf

from models import files


@contextlib.contextmanager
def replacing(path: str, folder: str = "") -> Iterator[str]:
    """Gives a temporary path whose file takes the place of `path` once it is complete.

    That of an address is a file of this machine: a store of objects shows an object only once it is
    whole, while to rename one is to copy it, and some cannot rename an empty one.

    Args:
      path: the file to make.
      folder: where the temporary file of a local path lies, on the same file system; beside `path`
        if empty. What a killed process leaves stays there, so where whole folders are read it must
        be another.
    """
    files.make_known(path)
    if files.is_remote(path):
        with tempfile.TemporaryDirectory(prefix="howto100m-") as local_folder:
            temporary = os.path.join(local_folder, os.path.basename(path))
            yield temporary
            tf.io.gfile.copy(temporary, path, overwrite=True)
        return
    name = f"{os.path.basename(path)}.{uuid.uuid4().hex}.tmp"
    temporary = os.path.join(folder or os.path.dirname(path), name)
    try:
        yield temporary
        tf.io.gfile.rename(temporary, path, overwrite=True)
    except BaseException:
        if tf.io.gfile.exists(temporary):
            tf.io.gfile.remove(temporary)
        raise


@contextlib.contextmanager
def written(path: str) -> Iterator[tf.io.gfile.GFile]:
    """Opens a text file that appears at `path` once it is complete.

    Args:
      path: the file to make.
    """
    with replacing(path) as temporary, tf.io.gfile.GFile(temporary, "w") as stream:
        stream.write("")  # Without this, a file to which nothing is written would not exist.
        yield stream
