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

    The percentile bootstrap. What is an item decides what the interval is about: queries of one
    video are not independent of one another, so callers draw videos where a set has several for
    each.

    Args:
      statistic: takes the positions of the drawn items, int64 [N], and returns a number; NaN where
        a draw has none, which is then left out.
      num_items: N, at least 1; or the sizes of groups that follow one another and are each drawn
        from on their own, so that every draw has as many items of each.
      repetitions: number of draws.
      seed: of the draws; the same seed gives the same interval.

    Returns:
      Lower and upper end.

    Raises:
      ValueError: there are no items, or no draw has a number.
    """
    sizes = np.atleast_1d(num_items)
    if not len(sizes) or sizes.min() < 1:
        raise ValueError("there is nothing to draw from")
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    counts = np.repeat(sizes, sizes)
    rng = np.random.default_rng(seed)
    values = np.array([statistic(first + rng.integers(counts)) for _ in range(repetitions)])
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError("no draw has a value")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
