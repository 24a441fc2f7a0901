"""Which files a pattern of TFRecord shards names."""

from collections.abc import Sequence

import tensorflow as tf


def matching_files(file_pattern: str | Sequence[str], kind: str) -> list[str]:
    """Returns the files that match, sorted.

    Args:
      file_pattern: one or more patterns, on any file system that TensorFlow knows.
      kind: what the files hold, for the error, such as "clip records".

    Raises:
      FileNotFoundError: no file matches.
    """
    patterns = [file_pattern] if isinstance(file_pattern, str) else list(file_pattern)
    files = sorted({path for pattern in patterns for path in tf.io.gfile.glob(pattern)})
    if not files:
        raise FileNotFoundError(f"no {kind} match {', '.join(patterns) or 'an empty list'}")
    return files
