"""Which frames each row of a stream sees. NumPy alone.

A maker is given all samples of a video, one by one in time order, and gives the network's input of
each row as soon as it is complete, so that a video of any length needs the memory of one input.
"""

import collections
import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np


class RowInputs(Protocol):
    """What the makers have in common."""

    def add(self, frame: np.ndarray) -> Iterator[np.ndarray]:
        """Takes the next sample and yields the inputs that it completes.

        Args:
          frame: uint8 [H, W, 3].
        """

    def finish(self) -> Iterator[np.ndarray]:
        """Yields the remaining inputs, after the last sample."""


def central_square(frame: np.ndarray, side: int) -> np.ndarray:
    """Returns the square in the middle of a frame.

    Args:
      frame: uint8 [H, W, 3], H and W at least `side`.
      side: pixels, S.

    Returns:
      uint8 [S, S, 3], a view.
    """
    top, left = (frame.shape[0] - side) // 2, (frame.shape[1] - side) // 2
    return frame[top : top + side, left : left + side]


class EachFrame:
    """A row sees one sample, uncropped: the 2D features (facts/protocols.md, section 8)."""

    def add(self, frame: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the sample, uint8 [H, W, 3].

        Args:
          frame: the sample.
        """
        yield frame

    def finish(self) -> Iterator[np.ndarray]:
        """Yields nothing."""
        return iter(())


class Chunks:
    """A row sees the next T samples: the 3D features (facts/protocols.md, section 8).

    The last chunk is filled up with zeros, which are black before normalisation.
    """

    def __init__(self, num_frames: int, side: int):
        """Starts before the first sample.

        Args:
          num_frames: samples in a chunk, T.
          side: pixels of the central square, S.
        """
        self._num_frames = num_frames
        self._side = side
        self._frames: list[np.ndarray] = []

    def add(self, frame: np.ndarray) -> Iterator[np.ndarray]:
        """Yields a chunk, uint8 [T, S, S, 3], after each T samples.

        Args:
          frame: uint8 [H, W, 3], H and W at least S.
        """
        self._frames.append(central_square(frame, self._side))
        if len(self._frames) == self._num_frames:
            yield self._take()

    def finish(self) -> Iterator[np.ndarray]:
        """Yields the last chunk, uint8 [T, S, S, 3], if there are samples left."""
        if self._frames:
            yield self._take()

    def _take(self) -> np.ndarray:
        chunk = _filled(self._frames, self._num_frames)
        self._frames = []
        return chunk


class CentredWindows:
    """Row n sees T samples around the middle of its time, (n + 0.5) / rate, within the video.

    Near an end of the video the window is shifted into it, so that the last rows may see the same
    samples. There is a row for each begun 1 / rate seconds. In a video of fewer than T samples the
    rest of each window is black, as in a clip record that is too short.
    """

    def __init__(self, num_frames: int, frame_rate: float, rate: float, side: int):
        """Starts before the first sample.

        Args:
          num_frames: samples in a window, T.
          frame_rate: samples for each second.
          rate: rows for each second.
          side: pixels of the central square, S.
        """
        self._num_frames = num_frames
        self._step = frame_rate / rate
        self._side = side
        self._latest: collections.deque[np.ndarray] = collections.deque(maxlen=num_frames)
        self._num_samples = 0
        self._num_rows = 0

    def add(self, frame: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the windows, uint8 [T, S, S, 3], that end with this sample.

        Args:
          frame: uint8 [H, W, 3], H and W at least S.
        """
        self._latest.append(central_square(frame, self._side))
        self._num_samples += 1
        while self._first(self._num_rows) + self._num_frames <= self._num_samples:
            yield self._window()

    def finish(self) -> Iterator[np.ndarray]:
        """Yields the windows of the remaining rows, uint8 [T, S, S, 3]."""
        num_rows = math.ceil(round(self._num_samples / self._step, 6))
        while self._num_rows < num_rows:
            yield self._window()

    def _first(self, row: int) -> int:
        """Returns the first sample of a row's window, if the video does not end before."""
        middle = (row + 0.5) * self._step
        return max(0, math.floor(middle - self._num_frames / 2 + 0.5))

    def _window(self) -> np.ndarray:
        self._num_rows += 1
        return _filled(self._latest, self._num_frames)


def _filled(frames, num_frames: int) -> np.ndarray:
    """Returns frames as one array, with black ones at its end up to the number asked for."""
    stacked = np.stack(list(frames))
    missing = num_frames - len(stacked)
    return np.pad(stacked, [(0, missing), (0, 0), (0, 0), (0, 0)]) if missing else stacked
