"""Which windows of a video make which rows: a clip, a second, a whole file."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from components.benchmark_evaluator.protocols import windows


@dataclasses.dataclass(frozen=True)
class Windows:
    """The windows of one video.

    Attributes:
      first_samples: int64 [W], the sample at which each window begins, at the protocol's rate.
      rows: int64 [W], the row that each window is a part of: the row is the mean of its windows.
      num_rows: R.
    """

    first_samples: np.ndarray
    rows: np.ndarray
    num_rows: int


class RowRule(Protocol):
    """How the rows of a video come about. Rules are dataclasses, so that they can be compared."""

    def windows(self, duration: float, frame_rate: float, num_frames: int) -> Windows:
        """Returns the windows of a video.

        Args:
          duration: of the video in seconds; its number of frames where each frame of the file is a
            sample, as if they came one a second.
          frame_rate: samples a second.
          num_frames: samples of a window.
        """

    def stretches(self, duration: float) -> Sequence[tuple[float, float]] | None:
        """Returns start and end of each row in seconds, for videos that are features already.

        Args:
          duration: of the video, in seconds.

        Returns:
          A pair for each row; None where each row of the features is a row.
        """

    def cut_off(self, duration: float, tolerance: float) -> tuple[int, ...]:
        """Returns the rows whose stretch of the video ends after the video.

        Args:
          duration: of the video, in seconds.
          tolerance: seconds by which it may, as times are rounded.
        """


@dataclasses.dataclass(frozen=True)
class ClipRows:
    """A row for each clip, the mean of windows spread over it: text-to-video retrieval.

    Attributes:
      clips: start and end of each clip in seconds; an infinite end is that of the video.
      num_windows: windows of a clip.
    """

    clips: tuple[tuple[float, float], ...]
    num_windows: int

    def windows(self, duration: float, frame_rate: float, num_frames: int) -> Windows:
        """Returns the windows of a video, see `RowRule`."""
        starts = [
            windows.clip_windows(
                start,
                # A clip to the end of a video that ends before it has no frames, and no row then.
                max(duration, math.nextafter(start, math.inf)) if math.isinf(end) else end,
                num_frames / frame_rate,
                self.num_windows,
            )
            for start, end in self.clips
        ]
        return Windows(
            _samples(np.concatenate(starts), frame_rate),
            np.repeat(np.arange(len(self.clips)), self.num_windows),
            len(self.clips),
        )

    def stretches(self, duration: float) -> Sequence[tuple[float, float]]:
        """Returns start and end of each row, see `RowRule`."""
        return [(start, duration if math.isinf(end) else end) for start, end in self.clips]

    def cut_off(self, duration: float, tolerance: float) -> tuple[int, ...]:
        """Returns the clips that end after the video, see `RowRule`."""
        return tuple(
            row for row, (_, end) in enumerate(self.clips) if duration + tolerance < end < math.inf
        )


@dataclasses.dataclass(frozen=True)
class RegularRows:
    """A row for each step of a video, of one window around its centre: localisation.

    Attributes:
      step: in seconds.
    """

    step: float

    def windows(self, duration: float, frame_rate: float, num_frames: int) -> Windows:
        """Returns the windows of a video, see `RowRule`."""
        starts = windows.regular_windows(duration, self.step, num_frames / frame_rate)
        return Windows(_samples(starts, frame_rate), np.arange(len(starts)), len(starts))

    def stretches(self, duration: float) -> Sequence[tuple[float, float]]:
        """Returns start and end of each row, see `RowRule`."""
        count = len(windows.regular_windows(duration, self.step, 0.0))
        # A row of features that begins where the next second does belongs to that one.
        ends = np.nextafter(np.arange(1, count + 1) * self.step, 0.0)
        return list(zip((np.arange(count) * self.step).tolist(), ends.tolist(), strict=True))

    def cut_off(self, duration: float, tolerance: float) -> tuple[int, ...]:
        """Returns nothing: there are as many steps as the video has."""
        return ()


@dataclasses.dataclass(frozen=True)
class SpreadRows:
    """A row for each of some windows spread over the whole file: linear probes.

    Attributes:
      num_windows: windows of the file.
    """

    num_windows: int

    def windows(self, duration: float, frame_rate: float, num_frames: int) -> Windows:
        """Returns the windows of a video, see `RowRule`."""
        # The first frame is a sample, however short the video.
        num_samples = max(1, round(duration * frame_rate))
        first = windows.spread_windows(num_samples, num_frames, self.num_windows)
        return Windows(first, np.arange(self.num_windows), self.num_windows)

    def stretches(self, duration: float) -> None:
        """Returns None: features are windows of the whole file."""

    def cut_off(self, duration: float, tolerance: float) -> tuple[int, ...]:
        """Returns nothing: the windows lie in the file."""
        return ()


def _samples(starts: np.ndarray, frame_rate: float) -> np.ndarray:
    """Returns the sample nearest to each time, int64."""
    return np.rint(starts * frame_rate).astype(np.int64)
