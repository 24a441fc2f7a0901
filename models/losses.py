"""The losses that a text-video model can be trained with.

Miech et al., "End-to-End Learning of Visual Representations from Uncurated Instructional Videos":
equation 1, the choices of section 4.3 and appendix A. Each loss is a function of the scores of the
clips' own pairs and of their negatives, which `score_pairs` computes, and gives a value per clip.
With s(i, j, k) the dot product of clip i and candidate caption k of clip j, s(i, i, k) are the own
scores of clip i, and N_i are the scores of its negatives. Nothing is normalised and there is no
temperature. All is computed in float32, whatever the type of the embeddings.
"""

import math
from typing import Any, NamedTuple

from keras import ops

from models.fan_out import copies

NEGATIVES = ("symmetric", "captions", "videos")
POSITIVES = ("once", "twice")


class Scores(NamedTuple):
    """What the losses are functions of.

    Attributes:
      own: float32 [b, K], s(i, i, k).
      negatives: float32 [b, M], the scores N_i, and minus infinity where a pair is no negative.
      num_negatives: how many of each row are negatives; an int or a scalar tensor.
    """

    own: Any
    negatives: Any
    num_negatives: Any


def check_num_negatives(negatives: str, num_negatives: int | None) -> None:
    """Checks what can be known without a batch (see `score_pairs`).

    Args:
      negatives: one of `NEGATIVES`.
      num_negatives: negatives of each clip, or None.

    Raises:
      ValueError: there is none, or an odd number cannot be halved.
    """
    if num_negatives is None:
        return
    if num_negatives < 1:
        raise ValueError(
            f"num_negatives is {num_negatives}; it must be at least 1, or None, which takes all"
        )
    if negatives == "symmetric" and num_negatives % 2:
        raise ValueError(
            f"num_negatives is {num_negatives}; symmetric negatives need an even number, half of "
            f"them captions and half of them clips"
        )


def own_scores(video: Any, text: Any) -> Any:
    """Computes the scores of clips with their own candidates.

    Args:
      video: [b, E], the embeddings of the clips.
      text: [b*K, E], those of their candidates: all of the first clip, then all of the second.

    Returns:
      float32 [b, K].
    """
    video = ops.cast(video, "float32")
    return ops.einsum("id,ikd->ik", video, _by_clip(text, ops.shape(video)))


def score_pairs(
    video: Any,
    text: Any,
    all_video: Any = None,
    all_text: Any = None,
    *,
    offset: Any = 0,
    negatives: str = "symmetric",
    num_negatives: int | None = None,
) -> Scores:
    """Computes the scores of a batch's positive and negative pairs (section 4.1).

    The negatives of clip i are, over all other clips j of the batch and all k,

    - "symmetric": s(i, j, k), the clip with the captions of others, and s(j, i, k), its captions
      with other clips: table 2e's (x, y);
    - "captions": s(i, j, k) alone, (y|x);
    - "videos": s(j, i, k) alone, (x|y).

    A number of negatives is split evenly over the sides. Each side takes its share in a fixed
    order: those of clip j = i + 1, k by k, then of i + 2, and so on, round the batch. As batches
    are shuffled this is a random draw; it needs no random state and is the same on any number of
    replicas. With all negatives, permuting the clips permutes their losses; with fewer, another
    order of the clips is another draw.

    Where the batch is spread over replicas, each one passes its own part as `video` and `text` and
    the whole batch as `all_video` and `all_text`.

    Args:
      video: [b, E], the embeddings of the clips.
      text: [b*K, E], those of their candidates: all of the first clip, then all of the second.
      all_video: [B, E], the clips of the whole batch; None if `video` is the whole batch.
      all_text: [B*K, E], the candidates of the whole batch in the same order; None likewise.
      offset: position of the first clip of `video` in `all_video`; an int or a scalar tensor.
      negatives: one of `NEGATIVES`.
      num_negatives: negatives of each clip; None takes all.

    Returns:
      The scores. In a batch of a size unknown until it runs that turns out to be one clip, no pair
      is a negative: the NCE losses are 0 there, and the others, which are means, NaN.

    Raises:
      ValueError: `negatives` is none of the choices, the number of negatives is not possible, the
        batch is one clip, which has no negatives, or only one of `all_video` and `all_text` is
        given.
    """
    if negatives not in NEGATIVES:
        raise ValueError(f"negatives is {negatives!r}; it must be one of {', '.join(NEGATIVES)}")
    check_num_negatives(negatives, num_negatives)
    if (all_video is None) != (all_text is None):
        raise ValueError("all_video and all_text belong together: give both or neither")
    own_video, video, whole_video = copies(ops.cast(video, "float32"), 3)
    own_text, text, whole_text = copies(ops.cast(text, "float32"), 3)
    all_video = whole_video if all_video is None else ops.cast(all_video, "float32")
    all_text = whole_text if all_text is None else ops.cast(all_text, "float32")

    own = own_scores(own_video, own_text)
    local, candidates = ops.shape(own)
    batch = ops.shape(all_video)[0]
    sides = []
    if negatives != "videos":
        sides.append(ops.einsum("id,jkd->ijk", video, _by_clip(all_text, ops.shape(all_video))))
    if negatives != "captions":
        sides.append(ops.einsum("jd,ikd->ijk", all_video, _by_clip(text, ops.shape(video))))

    available = (batch - 1) * candidates
    share = available if num_negatives is None else num_negatives // len(sides)
    _check_batch(batch, available * len(sides), num_negatives)
    # The clip itself comes last in its own order, at `available` and after.
    positions = ops.arange(local) + ops.cast(offset, "int32")
    distance = (ops.arange(batch)[None, :] - positions[:, None] - 1) % batch
    order = distance[:, :, None] * candidates + ops.arange(candidates)
    masked = [
        ops.reshape(ops.where(order < share, side, float("-inf")), (local, batch * candidates))
        for side in sides
    ]
    return Scores(own, ops.concatenate(masked, axis=1), share * len(sides))


def binary_classification(scores: Scores) -> Any:
    """Computes the sigmoid cross entropy of telling pairs that match from others (table 2a).

    -log sigmoid(s(i, i)) - mean over n in N_i of log(1 - sigmoid(n)). The paper does not say how
    the two kinds weigh; here the positive weighs as much as all negatives together.

    Args:
      scores: of one candidate per clip.

    Returns:
      float32 [b].

    Raises:
      ValueError: there are more candidates.
    """
    # The softplus of minus infinity is 0.
    costs = ops.softplus(scores.negatives)
    return ops.softplus(-_single(scores.own)) + _mean_of_negatives(costs, scores)


def max_margin(scores: Scores, margin: float = 0.1) -> Any:
    """Computes the max-margin ranking loss (table 2a).

    The mean over n in N_i of max(0, margin + n - s(i, i)).

    Args:
      scores: of one candidate per clip.
      margin: how much a negative must score below the positive.

    Returns:
      float32 [b].

    Raises:
      ValueError: there are more candidates.
    """
    threshold = _single(scores.own)[:, None] - margin
    return _mean_of_negatives(ops.relu(scores.negatives - threshold), scores)


def nce(scores: Scores) -> Any:
    """Computes the softmax NCE loss (equation 4).

    -log(exp s(i, i) / (exp s(i, i) + sum over n in N_i of exp n)). Perfect separation gives 0, and
    B equal embeddings log(2B - 1) with symmetric negatives.

    Args:
      scores: of one candidate per clip.

    Returns:
      float32 [b].

    Raises:
      ValueError: there are more candidates.
    """
    return _nce(_single(scores.own), scores.negatives)


def mil_nce(scores: Scores, positives: str = "once") -> Any:
    """Computes the MIL-NCE loss (equation 1).

    log(P_i + sum over n in N_i of exp n) - log(P_i), with P_i the sum over k of exp s(i, i, k).
    With K = 1 it is `nce`.

    Args:
      scores: of K candidates per clip.
      positives: how often the first term counts P_i. "once" is the paper's definition: perfect
        separation gives 0 and B equal embeddings log(2B - 1). "twice" is that of the authors'
        PyTorch code, where each of the two sides of symmetric negatives includes the own
        candidates (facts/protocols.md, section 5): log(2) and log(2B).

    Returns:
      float32 [b].

    Raises:
      ValueError: `positives` is neither.
    """
    if positives not in POSITIVES:
        raise ValueError(f"positives is {positives!r}; it must be one of {', '.join(POSITIVES)}")
    times = 1 if positives == "once" else 2
    return _nce(ops.logsumexp(scores.own, axis=1), scores.negatives, times)


def max_nce(scores: Scores) -> Any:
    """Computes the NCE loss of each clip's best candidate (equations 5 and 6).

    log(P_i + sum over n in N_i of exp n) - log(P_i), with P_i the maximum over k of exp s(i, i, k).

    Args:
      scores: of K candidates per clip.

    Returns:
      float32 [b].
    """
    return _nce(ops.max(scores.own, axis=1), scores.negatives)


def attention_nce(scores: Scores, attention: Any) -> Any:
    """Computes the NCE loss of the attention-weighted score of the candidates (equations 7 to 9).

    log(exp p_i + sum over n in N_i of exp n) - p_i, with p_i the sum over k of a(i, k) s(i, i, k),
    and a(i, k) the softmax over k of clip i's attention scores. The numerator is taken as exp p_i,
    as in the denominator.

    Args:
      scores: of K candidates per clip.
      attention: [b, K], the `own_scores` of the attention embeddings f_a and g_a.

    Returns:
      float32 [b].
    """
    weights = ops.softmax(ops.cast(attention, "float32"), axis=1)
    return _nce(ops.sum(weights * scores.own, axis=1), scores.negatives)


def _by_clip(text: Any, shape_of_video: tuple) -> Any:
    local, size = shape_of_video
    return ops.reshape(ops.cast(text, "float32"), (local, -1, size))


def _check_batch(batch: Any, available: Any, num_negatives: int | None) -> None:
    """Refuses what the static shapes already tell."""
    if isinstance(batch, int) and batch == 1:
        raise ValueError("a batch of one clip has no negatives: give it more clips")
    if num_negatives is not None and isinstance(available, int) and num_negatives > available:
        raise ValueError(
            f"num_negatives is {num_negatives}, but a batch of {batch} clips has {available}; "
            f"enlarge the batch"
        )


def _single(own: Any) -> Any:
    candidates = own.shape[1]
    if candidates is not None and candidates != 1:
        raise ValueError(
            f"this loss takes one candidate per clip, not {candidates}; give it one, or take a "
            f"loss of several"
        )
    # Where K is not known before it runs, this fails on another than 1.
    return ops.reshape(own, (ops.shape(own)[0],))


def _mean_of_negatives(costs: Any, scores: Scores) -> Any:
    return ops.sum(costs, axis=1) / ops.cast(scores.num_negatives, "float32")


def _nce(positive: Any, negatives: Any, times: int = 1) -> Any:
    """Computes log(times exp(p) + sum exp(n)) - p.

    Args:
      positive: [b], p.
      negatives: [b, M], n.
      times: how often the positive is counted.

    Returns:
      float32 [b].
    """
    # Unnormalised scores grow into the hundreds: their differences keep the digits of a small loss.
    differences = negatives - positive[:, None]
    counted = ops.full_like(positive[:, None], math.log(times))
    return ops.logsumexp(ops.concatenate([counted, differences], axis=1), axis=1)
