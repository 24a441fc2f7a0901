"""The max-margin ranking loss of HowTo100M, and which pairs of a batch are its negatives.

Miech et al., "HowTo100M: Learning a Text-Video Embedding by Watching Hundred Million Narrated Video
Clips", section 4. A batch is V videos with P pairs of a clip and its caption each, video by video:
pair i belongs to video i // P, and B = V * P. The weights are made with NumPy, beside the input
pipeline; the loss is made of Keras's operations.
"""

from typing import Any

import numpy as np
from keras import ops

from models.fan_out import copies


def max_margin_ranking(scores: Any, weights: Any, margin: float = 0.1) -> Any:
    """Computes the max-margin ranking loss of a batch, in float32.

    The paper's loss of pair i is the sum over its negatives j of
    max(0, margin + s(i, j) - s(i, i)) + max(0, margin + s(j, i) - s(i, i)). Here its weighted mean
    over all pairs and negatives is taken, not the sum, so that the learning rate does not depend on
    the size of the batch.

    Args:
      scores: [B, B], s(i, j) of clip i and caption j.
      weights: [B, B], how much pair j counts as a negative of pair i: at least 0, with a sum above
        0. A pair that is its own negative adds 2 * margin and no gradient.
      margin: how much a negative must score below the positive.

    Returns:
      float32 [].
    """
    own, to_captions, to_clips = copies(ops.cast(scores, "float32"), 3)
    weights = ops.cast(weights, "float32")
    threshold = ops.diagonal(own)[:, None] - margin
    costs = ops.relu(to_captions - threshold) + ops.relu(ops.transpose(to_clips) - threshold)
    return ops.sum(weights * costs) / ops.sum(weights)


def sampled_negatives(
    rng: np.random.Generator, num_videos: int, pairs_per_video: int
) -> np.ndarray:
    """Draws the paper's negatives: half of each pair's from its own video, half from others.

    The negatives of a pair are all P - 1 other pairs of its video and as many distinct pairs of
    other videos, drawn uniformly and anew for each pair. Two cases leave no choice: with P = 1
    every other pair is a negative, as in the reference code's fine-tuning, and with V = 1 only
    those of the own video are.

    Args:
      rng: the source of the draws.
      num_videos: V.
      pairs_per_video: P.

    Returns:
      float32 [B, B]: 1 where pair j is a negative of pair i, else 0.

    Raises:
      ValueError: the batch is one pair, which has no negative.
    """
    same = _same_video(num_videos, pairs_per_video)
    if len(same) == 1:
        raise ValueError("a batch of one pair has no negatives: give it more videos or pairs")
    if pairs_per_video == 1:
        return (~same).astype(np.float32)
    weights = same.astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    if num_videos > 1:
        _draw_others(rng, same, pairs_per_video - 1, weights)
    return weights


def other_video_negatives(
    rng: np.random.Generator, num_videos: int, pairs_per_video: int
) -> np.ndarray:
    """Draws as many negatives as `sampled_negatives`, all of other videos.

    The row without intra-video negatives of the paper's table 3: each pair has 2 * (P - 1) of them,
    or all that other videos have where those are fewer or P = 1.

    Args:
      rng: the source of the draws.
      num_videos: V, at least 2.
      pairs_per_video: P.

    Returns:
      float32 [B, B]: 1 where pair j is a negative of pair i, else 0.

    Raises:
      ValueError: there is no other video.
    """
    _require_two_videos(num_videos)
    same = _same_video(num_videos, pairs_per_video)
    num_others = (num_videos - 1) * pairs_per_video
    count = 2 * (pairs_per_video - 1)
    if pairs_per_video == 1 or count >= num_others:
        return (~same).astype(np.float32)
    weights = np.zeros(same.shape, np.float32)
    _draw_others(rng, same, count, weights)
    return weights


def reference_weights(
    num_videos: int, pairs_per_video: int, hard_negative_rate: float = 0.5
) -> np.ndarray:
    """Returns the reference code's weights (facts/protocols.md, section 8).

    Pairs of the same video weigh V * h and those of other videos V * (1 - h) / (V - 1), whose mean
    is 1. The pair itself counts as a negative of its video, so perfect separation costs
    2 * margin * h / P, not 0. With P = 1 the reference code weighs nothing: all are 1.

    Args:
      num_videos: V, at least 2.
      pairs_per_video: P.
      hard_negative_rate: h, the share of the same video in the whole weight.

    Returns:
      float32 [B, B].

    Raises:
      ValueError: there is no other video.
    """
    _require_two_videos(num_videos)
    if pairs_per_video == 1:
        return np.ones((num_videos, num_videos), np.float32)
    inside = num_videos * hard_negative_rate
    outside = num_videos * (1.0 - hard_negative_rate) / (num_videos - 1)
    return np.where(_same_video(num_videos, pairs_per_video), inside, outside).astype(np.float32)


def _same_video(num_videos: int, pairs_per_video: int) -> np.ndarray:
    """Returns whether two pairs are of the same video, bool [B, B]."""
    video = np.repeat(np.arange(num_videos), pairs_per_video)
    return video[:, None] == video[None, :]


def _draw_others(
    rng: np.random.Generator, same: np.ndarray, count: int, weights: np.ndarray
) -> None:
    """Sets `count` random entries of each row, outside of the row's video, to 1.

    The pairs with the smallest of independent random keys are a uniform draw without repeats.
    """
    keys = rng.random(same.shape, np.float32)
    keys[same] = 2.0
    drawn = np.argpartition(keys, count - 1, axis=1)[:, :count]
    np.put_along_axis(weights, drawn, 1.0, axis=1)


def _require_two_videos(num_videos: int) -> None:
    if num_videos < 2:
        raise ValueError(
            f"a batch of {num_videos} video has no negatives of other videos: give it at least 2"
        )
