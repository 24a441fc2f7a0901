"""Confidence intervals by the bootstrap: what another draw of the same size might have given."""

from collections.abc import Callable, Sequence

import numpy as np

LEVEL = 0.95
REPETITIONS = 1000


def interval(
    statistic: Callable[[np.ndarray], float],
    num_items: int | Sequence[int],
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the central 95 % of a statistic over draws of the items with replacement.

    See `intervals`, which this is of one statistic.

    Args:
      statistic: takes the positions of the drawn items, int64 [N], and returns a number, or NaN.
      num_items: N, or the sizes of groups.
      repetitions: number of draws.
      seed: of the draws.

    Returns:
      Lower and upper end.

    Raises:
      ValueError: there are no items, or no draw has a number.
    """
    (ends,) = intervals(lambda drawn: [statistic(drawn)], num_items, repetitions, seed)
    return ends


def intervals(
    statistics: Callable[[np.ndarray], Sequence[float]],
    num_items: int | Sequence[int],
    repetitions: int = REPETITIONS,
    seed: int = 0,
) -> list[tuple[float, float]]:
    """Returns the central 95 % of statistics over draws of the items with replacement.

    The percentile bootstrap. What is an item decides what the interval is about: queries of one
    video are not independent of one another, so callers draw videos where a set has several for
    each.

    Args:
      statistics: takes the positions of the drawn items, int64 [N], and returns F numbers; a draw
        in which one is NaN is left out.
      num_items: N, at least 1; or the sizes of groups that follow one another and are each drawn
        from on their own, so that every draw has as many items of each.
      repetitions: number of draws.
      seed: of the draws; the same seed gives the same interval.

    Returns:
      Lower and upper end of each of the F statistics.

    Raises:
      ValueError: there are no items, or no draw has numbers.
    """
    sizes = np.atleast_1d(num_items)
    if not len(sizes) or sizes.min() < 1:
        raise ValueError("there is nothing to draw from")
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    counts = np.repeat(sizes, sizes)
    rng = np.random.default_rng(seed)
    values = np.array([statistics(first + rng.integers(counts)) for _ in range(repetitions)])
    values = values[~np.isnan(values).any(axis=1)]
    if not len(values):
        raise ValueError("no draw has a value")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))
