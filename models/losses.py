"""The MIL-NCE loss.

Miech et al., "End-to-End Learning of Visual Representations from Uncurated Instructional Videos",
equation 1.
"""

from typing import Any, Literal

from keras import ops

Positives = Literal["once", "twice"]


def mil_nce_per_clip(
    video: Any,
    text: Any,
    all_video: Any = None,
    all_text: Any = None,
    *,
    offset: Any = 0,
    positives: Positives = "once",
) -> Any:
    """Computes the MIL-NCE loss of each clip.

    With s(i, j, k) the dot product of clip i and candidate caption k of clip j, the loss of clip i
    is log(P + N) - log(P), where P sums exp s(i, i, k) over its own K candidates and N sums
    exp s(i, j, k) and exp s(j, i, k) over all other clips j of the batch and all k. With K = 1
    it is the (symmetric) NCE loss. Nothing is normalised and there is no temperature. It is
    computed in float32 whatever the type of the embeddings.

    Where the batch is spread over replicas, each one passes its own part as `video` and `text` and
    the whole batch as `all_video` and `all_text`.

    Args:
      video: [b, D], the embeddings of the clips.
      text: [b*K, D], those of their candidates: all of the first clip, then all of the second.
      all_video: [B, D], the clips of the whole batch; None if `video` is the whole batch.
      all_text: [B*K, D], the candidates of the whole batch in the same order; None likewise.
      offset: position of the first clip of `video` in `all_video`; an int or a scalar tensor.
      positives: "once" is the paper's definition: perfect separation gives 0 and B equal
        embeddings give log(2B - 1). "twice" is that of the authors' PyTorch code, where the clip's
        own candidates occur in both sums of the denominator: log(2) and log(2B).

    Returns:
      float32 [b].

    Raises:
      ValueError: `positives` is neither, or only one of `all_video` and `all_text` is given.
    """
    if positives not in ("once", "twice"):
        raise ValueError(f"positives must be 'once' or 'twice', not {positives!r}")
    if (all_video is None) != (all_text is None):
        raise ValueError("all_video and all_text belong together: give both or neither")
    video = ops.cast(video, "float32")
    text = ops.cast(text, "float32")
    all_video = video if all_video is None else ops.cast(all_video, "float32")
    all_text = text if all_text is None else ops.cast(all_text, "float32")

    local, size = ops.shape(video)
    batch = ops.shape(all_video)[0]
    # scores[i, j, k]: clip i against candidate k of clip j; the reverse: clip j against those of i.
    scores = ops.reshape(ops.matmul(video, ops.transpose(all_text)), (local, batch, -1))
    candidates = ops.reshape(text, (local, -1, size))
    reverse = ops.einsum("jd,ikd->ijk", all_video, candidates)

    own = ops.arange(batch)[None, :] == (ops.arange(local) + offset)[:, None]
    own = own[:, :, None]
    own_scores = ops.einsum("id,ikd->ik", video, candidates)
    if positives == "once":
        reverse = ops.where(own, float("-inf"), reverse)
    flat = (local, -1)
    everything = ops.concatenate([ops.reshape(scores, flat), ops.reshape(reverse, flat)], axis=1)
    # Unnormalised scores grow into the hundreds. Taking the best own score off both terms keeps
    # the digits of a small loss.
    best = ops.stop_gradient(ops.max(own_scores, axis=1, keepdims=True))
    return ops.logsumexp(everything - best, axis=1) - ops.logsumexp(own_scores - best, axis=1)


def mil_nce(
    video: Any,
    text: Any,
    all_video: Any = None,
    all_text: Any = None,
    *,
    offset: Any = 0,
    positives: Positives = "once",
) -> Any:
    """Computes the mean of `mil_nce_per_clip`, whose arguments it takes.

    Returns:
      float32 [], the mean over the b clips of `video`.
    """
    return ops.mean(
        mil_nce_per_clip(video, text, all_video, all_text, offset=offset, positives=positives)
    )
