"""Windows of frames cut out of a stream of frames."""

import collections
import itertools
from collections.abc import Iterator, Sequence

import numpy as np


def cut_windows(
    frames: Iterator[np.ndarray], first_samples: Sequence[int], num_frames: int
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yields windows as soon as their last frame has come.

    A window that the stream ends in is filled up with black frames, as in the reference code; one
    that would begin after the end of the stream has no frame at all and is not yielded. Held are
    the frames of the windows that are open. A clip shorter than a window has the same one many
    times, which is yielded once.

    Args:
      frames: uint8 [H, W, 3] each, in order, all of one size.
      first_samples: the frame at which each window begins, in any order.
      num_frames: frames of a window, T.

    Yields:
      Positions in `first_samples`, and the window that begins there, uint8 [T, H, W, 3].
    """
    waiting = collections.deque(np.argsort(first_samples, kind="stable").tolist())
    held: collections.deque[np.ndarray] = collections.deque()
    number = -1
    for number, frame in enumerate(frames):
        if not waiting:
            return
        if number >= first_samples[waiting[0]]:
            held.append(frame)
        yield from _complete(waiting, held, first_samples, number + 1, num_frames)
    if not held:
        return
    black = np.zeros_like(held[-1])
    stop = number + 1
    while waiting and first_samples[waiting[0]] <= number:
        stop += 1
        held.append(black)
        yield from _complete(waiting, held, first_samples, stop, num_frames)


def _complete(
    waiting: collections.deque[int],
    held: collections.deque[np.ndarray],
    first_samples: Sequence[int],
    stop: int,
    num_frames: int,
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yields the window that ends at `stop`, and lets go of frames that no other one needs.

    `held` are the frames before `stop` from the first open window's on.
    """
    positions = []
    while waiting and first_samples[waiting[0]] + num_frames == stop:
        positions.append(waiting.popleft())
    if not positions:
        return
    yield positions, np.stack(list(itertools.islice(held, num_frames)))
    next_first = first_samples[waiting[0]] if waiting else stop
    while held and stop - len(held) < next_first:
        held.popleft()


def centre_crop(frame: np.ndarray, size: int) -> np.ndarray:
    """Returns the middle square of a frame.

    Args:
      frame: uint8 [H, W, 3], neither side shorter than `size`.
      size: height and width of the square, in pixels.

    Returns:
      uint8 [size, size, 3].
    """
    top, left = ((side - size) // 2 for side in frame.shape[:2])
    return frame[top : top + size, left : left + size]
