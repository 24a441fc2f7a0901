"""Training clips of labelled videos, cut out of them anew in each pass."""

import collections
import concurrent.futures
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from components.benchmark_evaluator.embedding.frame_windows import cut_windows
from components.narrated_video_example_gen.video import (
    MIN_SIDE,
    Sampling,
    Video,
    VideoError,
    open_video,
)


class LabelledClips:
    """Batches of clips and classes, in an order of chance.

    Each pass takes from each video one window at a random place, a random square crop of it, the
    same for all its frames, and its mirror image half of the time. All of it is a function of seed,
    pass and video, so that a training that was cut off goes on with the same batches.
    """

    def __init__(
        self,
        videos: Sequence[tuple[str, int]],
        *,
        num_frames: int,
        frame_rate: float | None,
        image_size: int,
        batch_size: int,
        seed: int,
    ):
        """Prepares the passes.

        Args:
          videos: file and class of each; all can be read, see `find_unreadable`.
          num_frames: frames of a clip, T.
          frame_rate: frames a second; None takes the file's own.
          image_size: height and width of the crop, in pixels, S.
          batch_size: clips of a batch; the rest of a pass that does not fill one is left out, and
            fewer videos than a batch are one.
          seed: of the order and the windows.
        """
        self._videos = videos
        self._num_frames = num_frames
        self._frame_rate = frame_rate
        self._image_size = image_size
        self._batch_size = min(batch_size, len(videos))
        self._seed = seed

    def __len__(self) -> int:
        """Returns the number of batches of a pass."""
        return len(self._videos) // self._batch_size

    def batches(self, number: int, workers: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the batches of a pass, one of them decoded ahead.

        Args:
          number: of the pass, from 0.
          workers: threads that decode.

        Yields:
          The clips, float32 [B, T, S, S, 3] in [0, 1], and their classes, int64 [B].

        Raises:
          VideoError: a video cannot be read any more.
        """
        order = np.random.default_rng([self._seed, number]).permutation(len(self._videos))
        parts = np.split(order[: len(self) * self._batch_size], len(self))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            waiting: collections.deque = collections.deque()
            for part in (*parts, None):
                if part is not None:
                    clips = [pool.submit(self._clip, number, int(place)) for place in part]
                    waiting.append((part, clips))
                if waiting and (part is None or len(waiting) > 1):
                    places, clips = waiting.popleft()
                    frames = np.stack([clip.result() for clip in clips])
                    labels = np.array([self._videos[place][1] for place in places])
                    yield frames.astype(np.float32) / 255.0, labels

    def _clip(self, number: int, place: int) -> np.ndarray:
        """Returns a clip of a video for a pass, uint8 [T, S, S, 3]."""
        rng = np.random.default_rng([self._seed, number, place, 1])
        window = random_window(
            self._videos[place][0],
            self._num_frames,
            self._frame_rate,
            # In the proportion of the papers' 256 pixels of the shorter side to 224 of the crop.
            math.ceil(self._image_size * 256 / 224),
            rng.random,
        )
        top, left = (int(rng.integers(side - self._image_size + 1)) for side in window.shape[1:3])
        crop = window[:, top : top + self._image_size, left : left + self._image_size]
        return crop[:, :, ::-1] if rng.random() < 0.5 else crop


def random_window(
    path: str,
    num_frames: int,
    frame_rate: float | None,
    short_side: int,
    draw: Callable[[], float],
) -> np.ndarray:
    """Returns a window of a video, uint8 [T, H, W, 3], filled up with black where it is shorter.

    Of a video that breaks off before the window it is the first one.

    Args:
      path: the file.
      num_frames: frames of the window, T.
      frame_rate: frames a second; None takes the file's own.
      short_side: pixels of the shorter side.
      draw: returns a number of chance in [0, 1).

    Raises:
      VideoError: the video cannot be read at all; the message names the file.
    """
    with _opened(path) as video:
        rate = frame_rate or video.info.frame_rate
        latest = max(0, int(video.info.duration * rate) - num_frames)
        first = int(draw() * (latest + 1))
    for start in (first, 0):
        with _opened(path) as video:
            frames = _until_break(video, Sampling(frame_rate, short_side))
            for _, window in cut_windows(frames, np.array([start]), num_frames):
                return window
    raise VideoError("no_frames", f"no frame of the video could be decoded: {path}")


def _until_break(video: Video, sampling: Sampling) -> Iterator[np.ndarray]:
    """Yields the samples of a video up to where it breaks off."""
    with contextlib.suppress(VideoError):
        for _, frame in video.frames([sampling]):
            yield frame


def unreadable(path: str) -> tuple[str, str] | None:
    """Returns why a video cannot be read, as reason and message, or None where a window of it can.

    Args:
      path: the file.
    """
    try:
        with _opened(path) as video:
            # That a file opens says little: a frame is shown once the next one has been decoded.
            next(video.frames([Sampling(None, MIN_SIDE)]))
            return None
    except VideoError as error:
        return error.reason, error.message


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Video]:
    """Opens a video; what is wrong with it names the file, of which a training has thousands."""
    try:
        with open_video(path) as video:
            yield video
    except VideoError as error:
        raise VideoError(error.reason, f"{error.message}: {path}") from error
