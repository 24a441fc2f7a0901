"""YouTube-8M Segments: mean average precision as the challenge's evaluation computes it.

`segment_eval_inference.py` and `average_precision_calculator.py` of google/youtube-8m; see
facts/protocols.md, section 11.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

TOP_N = 100_000


def best_first(scores: np.ndarray) -> np.ndarray:
    """Returns the order of a list, int64 [N]: the highest score first.

    Equal scores are ordered by chance with a fixed seed, as in the challenge, so that the order of
    the input decides nothing in a class's favour.

    Args:
      scores: [N].

    Raises:
      ValueError: a score is not finite.
    """
    scores = np.asarray(scores, np.float64)
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} of the scores are not finite")
    shuffled = np.random.default_rng(0).permutation(len(scores))
    return shuffled[np.argsort(-scores[shuffled], kind="stable")]


def average_precision(positive: np.ndarray, num_positives: int) -> float:
    """Returns the average precision of one class, not interpolated.

    The mean over all positives of the precision at their place in the list; a positive that is not
    in the list counts 0. How long the list might be does not matter: the calculator of the
    challenge can limit the number of positives to an n, but its evaluation sets none.

    Args:
      positive: bool [N], of the rated segments in the list, the best first.
      num_positives: positives of the class in the truth, listed or not.

    Raises:
      ValueError: the class has no positive.
    """
    if num_positives < 1:
        raise ValueError("a class without a positive has no average precision")
    precision = np.cumsum(positive) / np.arange(1, len(positive) + 1)
    return float(precision[positive].sum() / num_positives)


@dataclasses.dataclass(frozen=True)
class RankedClass:
    """The rated segments of one class, as its list orders them.

    Attributes:
      positive: bool [N], of those in the list, the best first.
      groups: int64 [N], the group that each is of, such as its video.
      lost: int64 [L], the group of each positive that is not in the list.
    """

    positive: np.ndarray
    groups: np.ndarray
    lost: np.ndarray

    def average_precision(self, copies: np.ndarray | None = None) -> float:
        """Returns the average precision, NaN without a positive.

        Args:
          copies: int [groups], how many times each group is there; without it each is once.
        """
        positive, num_lost = self.positive, len(self.lost)
        if copies is not None:
            positive = np.repeat(positive, copies[self.groups])
            num_lost = int(copies[self.lost].sum())
        num_positives = int(np.count_nonzero(positive)) + num_lost
        return average_precision(positive, num_positives) if num_positives else np.nan


def ranked_classes(
    segments: Sequence[str],
    scores: np.ndarray,
    truth: Mapping[int, Mapping[str, bool]],
    groups: Mapping[str, int],
    top_n: int = TOP_N,
) -> dict[int, RankedClass]:
    """Returns the list of each class: it is cut first, then the segments not rated for it go.

    The challenge takes the mean over the classes that were submitted, so that leaving a class out
    does not cost anything. Here every class of the truth that has a positive is there, also where
    none of its positives has a score.

    Args:
      segments: the scored segments, N of them, as `<video id>:<start>`.
      scores: [N, C], a column for each class of `truth` in its order.
      truth: for each class all rated segments, scored or not, and whether they show it.
      groups: the group of each rated segment, such as the number of its video.
      top_n: the greatest length of a class's list.

    Raises:
      ValueError: the shapes do not fit, or a score is not finite.
    """
    scores = np.asarray(scores)
    if scores.shape != (len(segments), len(truth)):
        raise ValueError(
            f"{len(segments)} segments and {len(truth)} classes, but scores of shape {scores.shape}"
        )
    place_of = {name: place for place, name in enumerate(segments)}
    ranked = {}
    for column, (label, rated) in enumerate(truth.items()):
        if not any(rated.values()):
            continue
        places = best_first(scores[:, column])[:top_n]
        places = places[np.isin(places, [place_of[name] for name in rated if name in place_of])]
        listed = dict.fromkeys(segments[place] for place in places)
        lost = [name for name, positive in rated.items() if positive and name not in listed]
        ranked[label] = RankedClass(
            np.array([rated[name] for name in listed], bool),
            np.array([groups[name] for name in listed], np.int64),
            np.array([groups[name] for name in lost], np.int64),
        )
    return ranked
