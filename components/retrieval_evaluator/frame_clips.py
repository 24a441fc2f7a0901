"""Clips embedded from their stored frames."""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from components.retrieval_evaluator import clips, stored_frames
from components.retrieval_evaluator.config import EvaluatorConfig
from components.retrieval_evaluator.text_video_model import TextVideoModel
from models import input_pipeline, record_files


@dataclasses.dataclass(frozen=True)
class FrameClips:
    """Clip records, each clip the mean of the raw embeddings of evenly spaced windows.

    Attributes:
      files: TFRecord shards of clip records.
      num_frames: frames in a window, T.
      frame_rate: frames per second of a window.
      image_size: height and width of the frames, in pixels.
      num_windows: windows of a clip, W.
      batch_size: windows that the model embeds at once.
    """

    files: Sequence[str]
    num_frames: int
    frame_rate: float
    image_size: int
    num_windows: int
    batch_size: int

    @classmethod
    def from_config(cls, files: Sequence[str], config: EvaluatorConfig) -> "FrameClips":
        """Returns the clips of some files by the protocol of a configuration.

        Args:
          files: TFRecord shards of clip records.
          config: the protocol.
        """
        return cls(files, **sampling(config))

    def embed(self, model: TextVideoModel, max_clips: int = 0) -> clips.EmbeddedClips:
        """Embeds the clips, see `clips.ClipSource`; memory holds one batch of frames."""
        num_expected = sum(record_files.count_records(path) for path in self.files)
        embedded: list[clips.Clip] = []
        means: list[np.ndarray] = []
        for batch in self._batches(max_clips) if num_expected else ():
            videos = batch["video"]
            windows = videos.reshape(-1, *videos.shape[2:])
            outputs = np.concatenate(
                [
                    model.embed_video(windows[start : start + self.batch_size])
                    for start in range(0, len(windows), self.batch_size)
                ]
            )
            means.append(outputs.reshape(len(videos), self.num_windows, -1).mean(axis=1))
            embedded.extend(_clips_of(batch))
        return clips.EmbeddedClips(embedded, clips.join_embeddings(means), num_expected)

    def _batches(self, max_clips: int) -> Iterator[Mapping[str, np.ndarray]]:
        if not stored_frames.has_frames(self.files):
            raise ValueError(
                f"the clip records in {os.path.dirname(self.files[0])} store no frames to embed; "
                "set ingest.store_frames=true"
            )
        dataset = input_pipeline.evaluation_dataset(
            sorted(self.files),
            num_frames=self.num_frames,
            frame_rate=self.frame_rate,
            image_size=self.image_size,
            num_windows=self.num_windows,
        )
        if max_clips:
            dataset = dataset.take(max_clips)
        batch_size = max(1, self.batch_size // self.num_windows)
        return dataset.batch(batch_size).as_numpy_iterator()

    def protocol(self) -> Mapping[str, Any]:
        """Returns how a clip is embedded and scored, by setting."""
        return {
            "num_frames": self.num_frames,
            "frame_rate": self.frame_rate,
            "image_size": self.image_size,
            "num_windows": self.num_windows,
            "score": "dot product of raw embeddings, windows averaged",
        }

    def in_words(self) -> str:
        """Returns the same as a sentence without its full stop."""
        seconds = self.num_frames / self.frame_rate
        return (
            f"Each clip is the mean of the raw embeddings of {self.num_windows} evenly spaced "
            f"windows of {self.num_frames} frames at {self.frame_rate:g} frames a second "
            f"({seconds:g} s), central square, {self.image_size} x {self.image_size} pixels; the "
            "score is the dot product with the caption's embedding"
        )


def sampling(config: EvaluatorConfig) -> dict[str, Any]:
    """Returns the settings of a configuration that say how clips are embedded from frames.

    Args:
      config: the protocol.
    """
    names = ("num_frames", "frame_rate", "image_size", "num_windows", "batch_size")
    return {name: getattr(config, name) for name in names}


def _clips_of(batch: Mapping[str, np.ndarray]) -> Iterator[clips.Clip]:
    for index in range(len(batch["caption"])):
        yield clips.Clip(
            video_id=batch["video_id"][index].decode(),
            caption=batch["caption"][index].decode(),
            caption_start=float(batch["caption_start"][index]),
            caption_end=float(batch["caption_end"][index]),
            clip_start=float(batch["clip_start"][index]),
            clip_end=float(batch["clip_end"][index]),
            task=batch["task"][index].decode(),
        )
