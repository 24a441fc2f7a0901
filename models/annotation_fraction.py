"""Which captions a run on a fraction of the annotations trains on (HowTo100M paper, figure 4)."""

import hashlib

_HASH_RANGE = 2**64


def is_kept(video_id: str, caption_start: float, fraction: float) -> bool:
    """Returns whether a caption is among the given fraction.

    A hash of the video and of the caption's start decides, so that a smaller fraction is a subset
    of a larger one and both roads keep the same captions. Captions of one video that start
    together, such as the 20 of each MSR-VTT clip, are kept or left out together.

    Args:
      video_id: the video's identifier.
      caption_start: start of the caption in seconds; milliseconds count.
      fraction: expected share of the captions that are kept; 1 keeps all.
    """
    # The slash keeps the ids' hashes for the train and eval splits out of it.
    key = f"{video_id}/{caption_start:.3f}"
    digest = hashlib.md5(key.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") < fraction * _HASH_RANGE
