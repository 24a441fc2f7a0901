"""Confidence intervals by the bootstrap: what another draw of the same size might have given."""

import itertools
from collections.abc import Callable, Hashable, Sequence

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


def split_accuracies(
    groups: Sequence[Sequence[Hashable]], right: Sequence[Sequence[bool]]
) -> tuple[Callable[[np.ndarray], float], int]:
    """Returns the mean accuracy of several splits of one set as a statistic of drawn groups.

    The test parts of official splits share videos, or have some of the same source, so the splits
    are no independent samples: what is drawn is a group, with its videos in all splits.

    Args:
      groups: for each split the group of each test video.
      right: for each split whether the class of each test video was found.

    Returns:
      The statistic, for `interval`: the mean over the splits of the share of right videos among
      those of the drawn groups, NaN where a split has none of them. And the number of groups.
    """
    number = {group: place for place, group in enumerate(dict.fromkeys(itertools.chain(*groups)))}
    counts, hits = np.zeros([2, len(number), len(groups)])
    for split, (of_split, found) in enumerate(zip(groups, right, strict=True)):
        places = [number[group] for group in of_split]
        np.add.at(counts[:, split], places, 1.0)
        np.add.at(hits[:, split], places, np.asarray(found, np.float64))

    def mean_accuracy(drawn: np.ndarray) -> float:
        of_splits = counts[drawn].sum(axis=0)
        if not of_splits.all():
            return np.nan
        return float((hits[drawn].sum(axis=0) / of_splits).mean())

    return mean_accuracy, len(number)
