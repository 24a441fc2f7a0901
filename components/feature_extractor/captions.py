"""The videos of a split and their captions, gathered from caption records."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from schemas import records


@dataclasses.dataclass(frozen=True, order=True)
class Caption:
    """A caption and the window of its clip; times are in seconds of the video."""

    start: float
    end: float
    clip_start: float
    clip_end: float
    text: str


@dataclasses.dataclass(frozen=True)
class CaptionedVideo:
    """A video as the caption records describe it.

    Attributes:
      video_id: its identifier.
      duration: its length in seconds, or 0 if unknown.
      task: its task or title, or an empty string.
      captions: in time order.
    """

    video_id: str
    duration: float
    task: str
    captions: Sequence[Caption]


def read_captioned_videos(files: Sequence[str]) -> list[CaptionedVideo]:
    """Reads the caption records of a split; the text and times of all are held.

    Args:
      files: TFRecord shards of caption records, gzipped where their name ends in ".gz".

    Returns:
      The videos in the order of their ids.

    Raises:
      ValueError: a record is no caption record, or a file is damaged.
    """
    captions: dict[str, list[Caption]] = collections.defaultdict(list)
    known: dict[str, tuple[float, str]] = {}
    for path in sorted(files):
        compression = "GZIP" if path.endswith(".gz") else ""
        try:
            for serialized in tf.data.TFRecordDataset(path, compression).as_numpy_iterator():
                feature = tf.train.Example.FromString(serialized).features.feature
                video_id = _text(feature, records.VIDEO_ID)
                captions[video_id].append(
                    Caption(
                        start=_number(feature, records.CAPTION_START),
                        end=_number(feature, records.CAPTION_END),
                        clip_start=_number(feature, records.CLIP_START),
                        clip_end=_number(feature, records.CLIP_END),
                        text=_text(feature, records.CAPTION),
                    )
                )
                known[video_id] = (
                    _number(feature, records.VIDEO_DURATION),
                    _text(feature, records.TASK),
                )
        # protobuf's DecodeError and TensorFlow's DataLossError are no ValueErrors.
        except Exception as error:
            message = f"{path} holds no caption records, or is damaged: {error}"
            raise ValueError(message) from error
    # The order of the records says nothing of the times.
    return [
        CaptionedVideo(video_id, *known[video_id], tuple(sorted(captions[video_id])))
        for video_id in sorted(captions)
    ]


def _text(feature: Mapping[str, Any], name: str) -> str:
    return feature[name].bytes_list.value[0].decode()


def _number(feature: Mapping[str, Any], name: str) -> float:
    return feature[name].float_list.value[0]
