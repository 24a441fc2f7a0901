"""Computed rows on their way to their record, in files.

A long video has many megabytes of them, and a runner may hold in memory what passes through a
shuffle; so the rows go to a file and only their place goes through Beam.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from models import files
from models.clip_features import l2_normalize

_STORED = np.dtype("<f2")


@dataclasses.dataclass(frozen=True)
class Segment:
    """Consecutive rows of one stream of a video, in a file.

    Attributes:
      video_id: the video.
      stream: name of the stream.
      first_row: number of the first row in the stream.
      num_rows: how many there are.
      size: values of a row, D.
      path: the file.
      offset: bytes before the first row.
    """

    video_id: str
    stream: str
    first_row: int
    num_rows: int
    size: int
    path: str
    offset: int


class RowWriter:
    """Appends rows of any videos to one file."""

    def __init__(self, path: str, stream: str):
        """Creates the file.

        Args:
          path: a file that nothing else writes.
          stream: name of the stream.
        """
        self._path = path
        self._stream = stream
        files.make_known(path)
        self._file = tf.io.gfile.GFile(path, "wb")
        self._written = 0
        self._segments: list[Segment] = []

    def append(self, video_id: str, row: int, values: np.ndarray) -> None:
        """Writes one row at length 1, in half precision, as the reference's features are stored.

        Args:
          video_id: the video.
          row: number of the row in the stream.
          values: float [D].
        """
        data = l2_normalize(values.astype(np.float32)).astype(_STORED).tobytes()
        last = self._segments[-1] if self._segments else None
        if last and last.video_id == video_id and last.first_row + last.num_rows == row:
            self._segments[-1] = dataclasses.replace(last, num_rows=last.num_rows + 1)
        else:
            self._segments.append(
                Segment(video_id, self._stream, row, 1, len(values), self._path, self._written)
            )
        self._file.write(data)
        self._written += len(data)

    def close(self) -> list[Segment]:
        """Completes the file and returns what it holds."""
        self._file.close()
        return self._segments


def read_rows(segments: Iterable[Segment], num_rows: int) -> np.ndarray:
    """Returns all rows of one stream of a video, float16 [R, D].

    Args:
      segments: where they are, in any order.
      num_rows: how many there are, R, at least 1.

    Raises:
      RuntimeError: the segments are not all R rows.
    """
    ordered: Sequence[Segment] = sorted(segments, key=lambda segment: segment.first_row)
    if sum(segment.num_rows for segment in ordered) != num_rows:
        raise RuntimeError(f"of {num_rows} rows only these are there: {ordered}")
    matrix = np.empty([num_rows, ordered[0].size], _STORED)
    for segment in ordered:
        with tf.io.gfile.GFile(segment.path, "rb") as stream:
            stream.seek(segment.offset)
            data = stream.read(segment.num_rows * segment.size * _STORED.itemsize)
        last = segment.first_row + segment.num_rows
        matrix[segment.first_row : last] = np.frombuffer(data, _STORED).reshape(-1, segment.size)
    return matrix
