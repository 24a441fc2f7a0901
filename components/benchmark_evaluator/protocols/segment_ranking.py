"""YouTube-8M Segments: mean average precision as the challenge's evaluation computes it.

`segment_eval_inference.py` and `average_precision_calculator.py` of google/youtube-8m; see
facts/protocols.md, section 11.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

TOP_N = 100_000


def average_precision(scores: np.ndarray, positive: np.ndarray, num_positives: int) -> float:
    """Returns the average precision of one class, not interpolated.

    The mean over all positives of the precision at their place in the list; a positive that is not
    in the list counts 0. Equal scores are ordered by chance with a fixed seed, as in the challenge,
    so that the order of the input decides nothing in a class's favour.

    Args:
      scores: [N], of the rated segments in the list.
      positive: bool [N].
      num_positives: positives of the class in the truth, listed or not.

    Raises:
      ValueError: the class has no positive, or a score is not finite.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if num_positives < 1:
        raise ValueError("a class without a positive has no average precision")
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} of the scores are not finite")
    shuffled = np.random.default_rng(0).permutation(len(scores))
    order = shuffled[np.argsort(-scores[shuffled], kind="stable")]
    ordered = positive[order]
    precision = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return float(precision[ordered].sum() / num_positives)


def rated_in_list(
    segments: Sequence[str], scores: np.ndarray, rated: Collection[str], top_n: int = TOP_N
) -> np.ndarray:
    """Returns which entries of a class's list count: the list is cut first, then unrated ones go.

    Args:
      segments: the scored segments, N of them, as `<video id>:<start>`.
      scores: [N].
      rated: the segments that people rated for the class.
      top_n: the list's greatest length.

    Returns:
      int64 [M], positions in `segments`.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")[:top_n]
    return np.array([place for place in order if segments[place] in rated], np.int64)


def average_precisions(
    segments: Sequence[str],
    scores: np.ndarray,
    truth: Mapping[int, Mapping[str, bool]],
    top_n: int = TOP_N,
) -> dict[int, float]:
    """Returns the average precision of each class; their mean is the challenge's figure.

    The challenge takes the mean over the classes that were submitted, so that leaving a class out
    does not cost anything. Here every class of the truth that has a positive counts.

    Args:
      segments: the scored segments, N of them, as `<video id>:<start>`.
      scores: [N, C], a column for each class of `truth` in its order.
      truth: for each class the rated segments, and whether they show it.
      top_n: the greatest length of a class's list.

    Raises:
      ValueError: the shapes do not fit, or a score is not finite.
    """
    scores = np.asarray(scores)
    if scores.shape != (len(segments), len(truth)):
        raise ValueError(
            f"{len(segments)} segments and {len(truth)} classes, but scores of shape {scores.shape}"
        )
    precisions = {}
    for column, (label, rated) in enumerate(truth.items()):
        num_positives = sum(rated.values())
        if not num_positives:
            continue
        listed = rated_in_list(segments, scores[:, column], rated, top_n)
        positive = np.array([rated[segments[place]] for place in listed], bool)
        precisions[label] = average_precision(scores[listed, column], positive, num_positives)
    return precisions
