"""Clips cut out of the frozen features of whole videos."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.retrieval_evaluator import clips
from components.retrieval_evaluator.text_video_model import ModelError, TextVideoModel
from models import clip_features
from models.feature_pipeline import describe_layout, layout_of
from schemas import video_features

_BATCH = 256


@dataclasses.dataclass(frozen=True)
class FeatureClips:
    """The captions of feature records, each a clip from its `clip_start` to its `clip_end`.

    A clip is one vector, that of the HowTo100M model: see `models.clip_features.pool_clip`.

    Attributes:
      files: TFRecord shards of feature records.
    """

    files: Sequence[str]

    def embed(self, model: TextVideoModel, max_clips: int = 0) -> clips.EmbeddedClips:
        """Embeds the clips, see `clips.ClipSource`; memory holds one video and one batch."""
        layout = self.layout()
        if layout and model.features and list(model.features) != layout:
            raise ModelError(
                f"the model {model.path} was trained on the features "
                f"{describe_layout(model.features)}, but these are {describe_layout(layout)}"
            )
        embedded: list[clips.Clip] = []
        blocks: list[np.ndarray] = []
        waiting: list[np.ndarray] = []
        num_expected = 0
        for record in _read(self.files):
            found = layout_of(record)
            if found != layout:
                raise ValueError(
                    f"video {record.video_id} has the features {describe_layout(found)}, the "
                    f"first one {describe_layout(layout)}; extract all with the same settings"
                )
            left = max_clips - num_expected if max_clips else len(record.captions)
            num_expected += len(record.captions)
            for clip, vector in _pooled(record, max(0, left)):
                embedded.append(clip)
                waiting.append(vector)
                if len(waiting) == _BATCH:
                    blocks.append(model.embed_features(np.stack(waiting)))
                    waiting.clear()
        if waiting:
            blocks.append(model.embed_features(np.stack(waiting)))
        return clips.EmbeddedClips(embedded, clips.join_embeddings(blocks), num_expected)

    def layout(self) -> list[dict[str, Any]]:
        """Returns name, rate and size of each stream of the first record; empty without records.

        Raises:
          ValueError: the record is damaged.
        """
        first = next(_read(self.files), None)
        return layout_of(first) if first else []

    def protocol(self) -> Mapping[str, Any]:
        """Returns how a clip is embedded and scored, by setting."""
        return {
            "features": self.layout(),
            "pooling": "maximum over the rows of the clip, each stream at length 1, joined",
            "score": "cosine: dot product of embeddings of length 1",
        }

    def in_words(self) -> str:
        """Returns the same as a sentence without its full stop."""
        streams = describe_layout(self.layout())
        return (
            f"Each clip is one vector of frozen features, {streams}: of each "
            "stream the maximum over the rows that the clip touches, scaled to length 1, the "
            "streams joined; the score is the dot product with the caption's embedding, both of "
            "length 1, and so the cosine"
        )


def _read(files: Sequence[str]) -> Iterator[video_features.VideoFeatures]:
    for path in sorted(files):
        try:
            yield from video_features.read_video_features([path])
        except tf.errors.DataLossError as error:
            raise ValueError(f"{path} is damaged ({error.message}); write it anew") from error


def _pooled(
    record: video_features.VideoFeatures, count: int
) -> Iterator[tuple[clips.Clip, np.ndarray]]:
    """Yields the first `count` clips of a video with their vectors, float32 [D]."""
    streams = [(stream.values, stream.rate) for stream in record.streams]
    for index in range(min(count, len(record.captions))):
        clip = clips.Clip(
            video_id=record.video_id,
            caption=record.captions[index],
            caption_start=record.caption_starts[index],
            caption_end=record.caption_ends[index],
            clip_start=record.clip_starts[index],
            clip_end=record.clip_ends[index],
            task=record.task,
        )
        try:
            vector = clip_features.pool_clip(streams, clip.clip_start, clip.clip_end)
        except ValueError as error:
            raise ValueError(f"video {record.video_id}: {error}; extract it anew") from error
        yield clip, vector
