"""Which files a pattern of TFRecord shards names, and how many records they hold."""

from collections.abc import Sequence

import tensorflow as tf

_HEADER_SIZE = 12  # The record's length, uint64, and its checksum.
_FOOTER_SIZE = 4  # The checksum of the record's data.


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


def count_records(path: str) -> int:
    """Counts the records of an uncompressed TFRecord file by their lengths alone.

    Args:
      path: the file.

    Raises:
      ValueError: the file ends within a record.
    """
    with tf.io.gfile.GFile(path, "rb") as stream:
        size = stream.size()
        position = count = 0
        while position < size:
            header = stream.read(_HEADER_SIZE)
            position += _HEADER_SIZE + int.from_bytes(header[:8], "little") + _FOOTER_SIZE
            if len(header) < _HEADER_SIZE or position > size:
                raise ValueError(f"{path} ends within its record {count}; write it anew")
            stream.seek(position)
            count += 1
    return count
