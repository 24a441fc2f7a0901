"""Which videos are for training and which for evaluation."""

import functools
import hashlib
import itertools
from collections.abc import Callable, Sequence

# The names in schemas.records, without its import of TensorFlow.
TRAIN_SPLIT = "train"
EVAL_SPLIT = "eval"
_HASH_RANGE = 2**64


def hash_fraction(video_id: str) -> float:
    """Returns a number in [0, 1) that depends on the video id alone.

    Args:
      video_id: the video's identifier.
    """
    digest = hashlib.md5(video_id.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") / _HASH_RANGE


def assign_splits(
    video_ids: Sequence[str],
    fixed: Sequence[str | None],
    eval_fraction: float,
    is_usable: Callable[[int], bool],
) -> list[str]:
    """Returns the split of each video, so that no video has clips in both.

    A video's hash decides; its place in the list and the other videos do not, so that a growing
    collection keeps its split. The one exception makes small collections usable: where the hash
    leaves a split without a usable video, one moves there whose split is not fixed: to eval the one
    with the smallest hash, to train the one with the largest, if the other split keeps a usable
    video. With `eval_fraction` 0 or 1 none moves.

    Args:
      video_ids: distinct identifiers.
      fixed: for each video the split that the manifest asks for, or None.
      eval_fraction: expected share of eval videos.
      is_usable: tells of a position in `video_ids` whether the video will probably give clips. It
        is asked about as few videos as possible.
    """
    hashes = [hash_fraction(video_id) for video_id in video_ids]
    splits = [
        wanted or (EVAL_SPLIT if value < eval_fraction else TRAIN_SPLIT)
        for wanted, value in zip(fixed, hashes, strict=True)
    ]
    if not 0 < eval_fraction < 1:
        return splits
    is_usable = functools.cache(is_usable)
    by_hash = sorted(range(len(splits)), key=hashes.__getitem__)
    for empty, ordered in ((EVAL_SPLIT, by_hash), (TRAIN_SPLIT, by_hash[::-1])):
        if any(splits[i] == empty and is_usable(i) for i in ordered):
            continue
        others = (i for i in ordered if splits[i] != empty and is_usable(i))
        first_two = list(itertools.islice(others, 2))
        movable = [i for i in first_two if fixed[i] is None]
        if len(first_two) == 2 and movable:
            splits[movable[0]] = empty
    return splits
