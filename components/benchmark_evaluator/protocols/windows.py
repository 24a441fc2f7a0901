"""Which windows of a video stand for a clip, a second or a whole file."""

import numpy as np

# Seeking shortly before the end of a file finds no frames, so the reference code keeps this away.
END_GUARD_SECONDS = 0.4


def clip_windows(start: float, end: float, window_seconds: float, count: int) -> np.ndarray:
    """Returns the starts of the windows that stand for a clip in retrieval.

    linspace(start, max(start, end - window_seconds - 0.4), count): a clip shorter than a window
    gives windows that are all the same and run past its end (`youcook_loader.py`,
    `msrvtt_loader.py`; facts/protocols.md, section 6).

    Args:
      start: of the clip, in seconds.
      end: of the clip, in seconds, after `start`.
      window_seconds: length of a window: frames by frame rate.
      count: number of windows.

    Returns:
      float64 [count], in seconds.

    Raises:
      ValueError: the clip has no length, or there are no windows.
    """
    if not start < end:
        raise ValueError(f"{start:g} to {end:g} s is no clip")
    if count < 1:
        raise ValueError(f"a clip needs at least 1 window, not {count}")
    return np.linspace(start, max(start, end - window_seconds - END_GUARD_SECONDS), count)


def regular_windows(duration: float, step: float, window_seconds: float) -> np.ndarray:
    """Returns the starts of windows whose centres are those of the steps 0, 1, ... of a video.

    Row t stands for the stretch [t step, (t + 1) step) and looks around its centre, as far as the
    video goes: a window is shifted so that it lies in the video; a video shorter than a window has
    it run past the end.

    Args:
      duration: of the video, in seconds.
      step: of the rows, in seconds.
      window_seconds: length of a window.

    Returns:
      float64 [ceil(duration / step)], in seconds.

    Raises:
      ValueError: the video has no length.
    """
    if not duration > 0:
        raise ValueError(f"a video of {duration:g} s has no rows")
    # A duration that rounding put past a row's end makes no row of its own.
    count = int(np.ceil(round(duration / step, 6)))
    starts = (np.arange(count) + 0.5) * step - window_seconds / 2
    return np.clip(starts, 0.0, max(0.0, duration - window_seconds))


def spread_windows(num_frames: int, window_frames: int, count: int) -> np.ndarray:
    """Returns the first frames of windows spread over a whole file.

    int(linspace(0, frames - window, count)), of the file's own frames (`hmdb_loader.py`); a file
    shorter than a window gives windows that all begin at 0.

    Args:
      num_frames: of the file.
      window_frames: frames of a window.
      count: number of windows.

    Returns:
      int64 [count].

    Raises:
      ValueError: the file has no frames, or there are no windows.
    """
    if num_frames < 1 or count < 1:
        raise ValueError(f"{count} windows of {num_frames} frames are none")
    return np.linspace(0, max(0, num_frames - window_frames), count).astype(np.int64)
