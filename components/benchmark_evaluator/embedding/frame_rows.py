"""Rows of embeddings from the frames of videos, through the video tower of a model."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from components.benchmark_evaluator.embedding.frame_windows import centre_crop, cut_windows
from components.benchmark_evaluator.embedding.model_fingerprint import model_fingerprint
from components.benchmark_evaluator.embedding.row_rules import RowRule, Windows
from components.benchmark_evaluator.embedding.rows import Rows, mean_rows
from components.narrated_video_example_gen.video import (
    MIN_SIDE,
    Sampling,
    Video,
    VideoError,
    open_video,
)
from components.retrieval_evaluator.text_video_model import TextVideoModel

# A damaged header must not ask for years of rows.
_LONGEST_SECONDS = 24 * 3600.0
# Annotators write whole seconds, so that what ends with its video may be said to end just after it.
_ROUNDED_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class FrameProtocol:
    """What of a video the tower sees.

    Attributes:
      num_frames: frames of a window, T.
      frame_rate: frames a second; None takes the file's own frames, one after the other.
      image_size: height and width of the middle square that is cut out, in pixels.
      short_side: pixels to which the shorter side is scaled before that; 0 for `image_size`, so
        that the square is as large as it can be.
      output: "video_embedding", or "mixed_5c", the pooled features before the last layer.
      batch_size: windows that the tower embeds at once.
    """

    num_frames: int = 32
    frame_rate: float | None = 10.0
    image_size: int = 224
    short_side: int = 0
    output: str = "video_embedding"
    batch_size: int = 16

    def __post_init__(self):
        if min(self.num_frames, self.image_size, self.batch_size) < 1:
            raise ValueError("num_frames, image_size and batch_size must be at least 1")
        if self.short_side and self.short_side < self.image_size:
            raise ValueError(
                f"short_side is {self.short_side}; the square of {self.image_size} pixels does not "
                f"fit in"
            )
        if self.frame_rate is not None and not self.frame_rate > 0:
            raise ValueError(f"frame_rate is {self.frame_rate:g}; it must be more than 0")


@dataclasses.dataclass(frozen=True)
class FrameRows:
    """Embeds the frames of videos.

    Attributes:
      model_path: a SavedModel with the signature `video` that takes images.
      protocol: what the tower sees.
      threads: threads of the decoder.
    """

    model_path: str
    protocol: FrameProtocol
    threads: int = 1

    def described(self) -> dict[str, Any]:
        """Returns the settings that decide what a row is."""
        settings = dataclasses.asdict(self.protocol)
        # How many are embedded at once changes no more than the last bits.
        del settings["batch_size"]
        return {"model": model_fingerprint(self.model_path), **settings}

    def rows(self, paths: Sequence[str], rule: RowRule) -> Rows:
        """Returns the rows of a video, see `rows.RowSource`."""
        (path,) = paths
        try:
            with open_video(path, self.threads) as video:
                windows = self._windows(video, path, rule)
                rows = self._embed(_squares(video, self.protocol), windows)
                return dataclasses.replace(rows, cut_off=self._cut_off(video, rule))
        except VideoError as error:
            return Rows(None, (error.reason, error.message))

    def _windows(self, video: Video, path: str, rule: RowRule) -> Windows:
        rate = self.protocol.frame_rate
        if rate is None:
            return rule.windows(_count_frames(path, self.threads), 1.0, self.protocol.num_frames)
        duration = video.info.duration
        if not 0 < duration <= _LONGEST_SECONDS:
            raise VideoError("bad_duration", f"the file says that it lasts {duration:g} s")
        return rule.windows(duration, rate, self.protocol.num_frames)

    def _cut_off(self, video: Video, rule: RowRule) -> tuple[int, ...]:
        """Returns the rows that reach past the end of the video by more than rounding explains."""
        if self.protocol.frame_rate is None:
            return ()
        return rule.cut_off(video.info.duration, _ROUNDED_SECONDS)

    def _embed(self, squares: Iterator[np.ndarray], windows: Windows) -> Rows:
        """Returns the mean of each row's windows.

        A window after the end of the video is not missed as long as the row has another one; where
        the video breaks off, a row needs all of its windows.
        """
        wanted = np.bincount(windows.rows, minlength=windows.num_rows)
        seen = np.zeros_like(wanted)
        total: np.ndarray | None = None
        problem = None

        def embed() -> None:
            nonlocal total
            frames = np.stack([window for _, window in batch])
            tower = _tower(self.model_path, model_fingerprint(self.model_path))
            embeddings = tower.embed_video(frames, self.protocol.output, finite=False)
            if total is None:
                total = np.zeros([windows.num_rows, embeddings.shape[1]])
            for (positions, _), embedding in zip(batch, embeddings, strict=True):
                rows = windows.rows[positions]
                np.add.at(total, rows, embedding)
                np.add.at(seen, rows, 1)

        batch: list[tuple[list[int], np.ndarray]] = []
        try:
            for window in cut_windows(squares, windows.first_samples, self.protocol.num_frames):
                batch.append(window)
                if len(batch) == self.protocol.batch_size:
                    embed()
                    batch.clear()
        except VideoError as error:
            problem = error.reason, error.message
        if batch:
            embed()
        if total is None:
            return Rows(None, problem or ("no_frames", "the video ends before what is asked for"))
        return Rows(mean_rows(total, seen, wanted if problem else np.minimum(wanted, 1)), problem)


def _squares(video: Video, protocol: FrameProtocol) -> Iterator[np.ndarray]:
    short_side = protocol.short_side or protocol.image_size
    for _, frame in video.frames([Sampling(protocol.frame_rate, short_side)]):
        yield centre_crop(frame, protocol.image_size)


def _count_frames(path: str, threads: int) -> int:
    """Returns how many frames of a file decode, up to where it breaks off.

    Raises:
      VideoError: none does.
    """
    count = 0
    with open_video(path, threads) as video:
        try:
            for _ in video.frames([Sampling(None, MIN_SIDE)]):
                count += 1
        except VideoError:
            if not count:
                raise
    return count


@functools.lru_cache(maxsize=1)
def _tower(model_path: str, fingerprint: str) -> TextVideoModel:
    """Returns the model, loaded once in each process as long as its files are the same."""
    return TextVideoModel(model_path, signatures=["video"])
