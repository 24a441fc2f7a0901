"""Which stretch of the video belongs to a caption, and which captions are near it in time."""

from collections.abc import Sequence

from components.narrated_video_example_gen.subtitles.caption import Caption

# The end, in seconds, of a clip that lasts as long as its video, if nobody knows how long that is:
# records hold finite times. No video reaches it, and float32 holds it exactly.
OPEN_END = 1_000_000.0


def clip_window(
    start: float, end: float, duration: float, min_seconds: float
) -> tuple[float, float]:
    """Returns the window of the video that belongs to a caption.

    A caption shorter than `min_seconds` is widened by the same amount on both sides, as in the
    MIL-NCE reference code (`video_loader.py`). Unlike there, the window never leaves the video: at
    its ends the window is shifted, and a video shorter than `min_seconds` is one window.

    Args:
      start: start of the caption in seconds, before the end of the video.
      end: end of the caption in seconds, after `start`.
      duration: length of the video in seconds.
      min_seconds: least length of a window in seconds.

    Returns:
      Start and end of the window in seconds.
    """
    end = min(end, duration)
    missing = min_seconds - (end - start)
    if missing <= 0:
        return start, end
    if duration <= min_seconds:
        return 0.0, duration
    start = min(max(0.0, start - missing / 2), duration - min_seconds)
    return start, start + min_seconds


def positive_bag(captions: Sequence[Caption], index: int, size: int) -> list[int]:
    """Returns the positions of the `size` captions nearest in time to one caption.

    The rule of the MIL-NCE reference code (`video_loader.py`, `_find_nearest_candidates`): from the
    caption itself the bag grows one neighbour at a time, to the left if the bag then spans strictly
    less time than it would to the right. Once it touches an end of the transcript it grows to the
    other side alone; where that is used up, the caption at that end is repeated.

    Args:
      captions: the video's captions in time order, L of them.
      index: position of the clip's own caption.
      size: number of captions in the bag, K.

    Returns:
      K positions in the order in which they were added, `index` first: the first k of them are the
      bag of size k.
    """
    final = len(captions) - 1
    left = right = index
    bag = [index]
    while len(bag) < size:
        missing = size - len(bag)
        if left == 0:
            return bag + [min(right + step, final) for step in range(1, missing + 1)]
        if right == final:
            return bag + [max(left - step, 0) for step in range(1, missing + 1)]
        span_left = captions[right].end - captions[left - 1].start
        span_right = captions[right + 1].end - captions[left].start
        if span_left < span_right:
            left -= 1
            bag.append(left)
        else:
            right += 1
            bag.append(right)
    return bag
