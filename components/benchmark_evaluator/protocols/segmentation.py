"""COIN's action segmentation: features of clips, labels of frames, frame accuracy.

The MIL-NCE paper (section 4.4) cuts videos into clips of 1.5 s and gives a logistic regression the
clip's own features, their mean over the video and where in the video the clip is. What it leaves
out, and other codes do in different ways, is a setting here.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

BACKGROUND = 0

# Of the frequencies that tell a clip's place, by the lowest.
_HIGHEST = 64.0


def frame_labels(
    segments: Iterable[tuple[int, float, float]], duration: float, frame_rate: float
) -> np.ndarray:
    """Returns the label of each frame; where segments overlap, that of the later in the list.

    Args:
      segments: label, start and end in seconds, as annotated.
      duration: of the video, in seconds.
      frame_rate: frames a second: frame n is at n / frame_rate.

    Returns:
      int64 [F], BACKGROUND where nothing is annotated.
    """
    times = np.arange(max(1, math.ceil(round(duration * frame_rate, 6)))) / frame_rate
    labels = np.full(len(times), BACKGROUND, np.int64)
    for label, start, end in segments:
        labels[(start <= times) & (times < end)] = label
    return labels


def clip_of_frames(num_frames: int, frame_rate: float, clip_seconds: float) -> np.ndarray:
    """Returns which clip each frame is in, int64 [num_frames].

    Args:
      num_frames: frames of the video.
      frame_rate: frames a second.
      clip_seconds: length of a clip.
    """
    times = np.round(np.arange(num_frames) / frame_rate / clip_seconds, 6)
    return times.astype(np.int64)


def clip_labels(labels: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """Returns the label that most frames of each clip have; of equally many the smallest.

    Args:
      labels: int [F], the label of each frame.
      clips: int [F], the clip of each frame; every clip has a frame.

    Returns:
      int64 [clips].
    """
    return np.array(
        [np.bincount(labels[clips == clip]).argmax() for clip in range(clips[-1] + 1)], np.int64
    )


def position_embedding(count: int, size: int) -> np.ndarray:
    """Returns what tells a clip its place in the video: sines and cosines of it.

    The paper says "relative positional embedding" and no more. Here the centre of clip n, as a
    share of the video, p = (n + 0.5) / count, becomes sin and cos of f p, for size / 2 frequencies
    f spaced geometrically from pi, half a turn over the video, to 64 pi. Neighbours in a video of
    three minutes, 120 clips, are then about a quarter of a turn apart at the highest; higher ones
    would tell clips apart by chance.

    Args:
      count: clips of the video, N.
      size: entries for each clip; even. The lowest frequency comes first, its sine before all
        cosines.

    Returns:
      float32 [N, size].

    Raises:
      ValueError: the size is odd.
    """
    if size % 2:
        raise ValueError(f"a position has an even number of entries, not {size}")
    place = (np.arange(count) + 0.5)[:, None] / count
    angles = np.pi * np.geomspace(1.0, _HIGHEST, size // 2) * place
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def clip_features(local: np.ndarray, position_size: int) -> np.ndarray:
    """Returns what the classifier sees: each clip's features, their mean, and its place.

    Args:
      local: float32 [N, D], the features of a video's clips.
      position_size: entries of the place, P.

    Returns:
      float32 [N, 2 D + P].
    """
    mean = np.broadcast_to(local.mean(axis=0), local.shape)
    return np.concatenate(
        [local, mean, position_embedding(len(local), position_size)], axis=1
    ).astype(np.float32)


def frame_accuracy(predicted: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> float:
    """Returns the share of all videos' frames whose label is right, background among them.

    Args:
      predicted: for each video int [F].
      labels: for each video int [F].

    Raises:
      ValueError: there are no frames.
    """
    num_right = sum(int((a == b).sum()) for a, b in zip(predicted, labels, strict=True))
    num_frames = sum(len(frames) for frames in labels)
    if not num_frames:
        raise ValueError("there are no frames to label")
    return num_right / num_frames


def majority_label(labels: Iterable[np.ndarray]) -> int:
    """Returns the label that most frames have, what a classifier without eyes would say.

    A frame accuracy means something only beside that of this label: one published figure, 58.9 %,
    was that of saying "background" throughout (facts/protocols.md, section 10).

    Args:
      labels: for each video int [F].

    Raises:
      ValueError: there are no frames.
    """
    counts = np.zeros(1, np.int64)
    for frames in labels:
        found = np.bincount(frames, minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    if not counts.any():
        raise ValueError("there are no frames to label")
    return int(counts.argmax())
