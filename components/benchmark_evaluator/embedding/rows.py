"""The rows of a video, and what makes them."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from components.benchmark_evaluator.embedding.row_rules import RowRule

# Of what the model answers; that a file of features is not finite has another name.
NOT_FINITE = "not_finite"


@dataclasses.dataclass(frozen=True)
class Rows:
    """What became of a video.

    Attributes:
      values: float32 [R, D]; a row that the video has nothing for is NaN throughout, one for which
        the model's answer is not finite is infinite throughout. None where no row could be made.
      problem: reason and message where the video could not be read, or not to its end; or None.
      cut_off: the rows of which the video does not have all that was asked for, see
        `RowRule.cut_off`.
    """

    values: np.ndarray | None
    problem: tuple[str, str] | None = None
    cut_off: tuple[int, ...] = ()

    def failure(self, row: int) -> tuple[str, str] | None:
        """Returns why there is no such row, as reason and message, or None where there is one.

        Args:
          row: its place.
        """
        if self.values is not None and row < len(self.values):
            if np.isfinite(self.values[row]).all():
                return None
            if np.isinf(self.values[row]).any():
                return NOT_FINITE, "the model's embedding of it is not finite"
            return self.problem or ("no_frames", "the video has no frames there")
        return self.problem or ("no_rows", "the video ends before that")

    def remark(self, row: int) -> tuple[str, str] | None:
        """Returns what a row that is there is lacking, as reason and message, or None.

        Args:
          row: its place.
        """
        if row in self.cut_off and self.failure(row) is None:
            return "cut_off", "the video ends before it does, so it was scored without its end"
        return None


class RowSource(Protocol):
    """Makes the rows of videos. Sources are sent to Beam's workers."""

    def described(self) -> dict[str, Any]:
        """Returns all but the video and the rule that decides what a row is, of JSON's types."""

    def rows(self, paths: Sequence[str], rule: RowRule) -> Rows:
        """Returns the rows of a video.

        Args:
          paths: its file, or of features one for each stream, in the order of their names.
          rule: which rows.

        Raises:
          ModelError: the model fails.
        """


def mean_rows(total: np.ndarray, seen: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns the mean of each row's parts as `Rows` holds them, float32 [R, D].

    Args:
      total: float64 [R, D], the sum of each row's parts.
      seen: int [R], how many parts were added up.
      wanted: int [R], how many a row needs, at least 1.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total / seen[:, None]
    means[~np.isfinite(means).all(axis=1)] = np.inf
    return np.where((seen >= wanted)[:, None], means, np.nan).astype(np.float32)
