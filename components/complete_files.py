"""Files that are there whole or not at all, on any file system that TensorFlow knows."""

import contextlib
import uuid
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """Gives a temporary path whose file takes the place of `path` once it is complete.

    Args:
      path: the file to make.
    """
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
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
