"""The feature record: what frozen networks saw in one video, and the captions that go with it.

One `tf.train.Example` for each video, which the HowTo100M road trains, evaluates and searches on.
Clips are cut out of it by time, so that each second of a video is computed once, however many
captions fall on it.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from schemas import records

SEARCH_RANK = "search_rank"
STREAM_NAME = "stream/name"
STREAM_RATE = "stream/rate"
STREAM_SIZE = "stream/size"
STREAM_VALUES = "stream/values"

_STORED = np.dtype("<f2")


@dataclasses.dataclass(frozen=True)
class FeatureStream:
    """The features of one network over a whole video.

    Attributes:
      name: such as "2d", "3d" or "mixed_5c".
      rate: rows for each second; row n belongs to the time from n / rate to (n + 1) / rate.
      values: float16 [R, D].
    """

    name: str
    rate: float
    values: np.ndarray


@dataclasses.dataclass(frozen=True)
class VideoFeatures:
    """One video.

    Attributes:
      video_id: identifier of the video, unique in a run.
      duration: length of the video in seconds.
      streams: its features, each stream by another network; their order is that of the clip vector.
      captions: the L captions that are clips, in time order.
      caption_starts: start of each caption in seconds.
      caption_ends: end of each caption in seconds.
      clip_starts: start of the window of each caption's clip, in seconds (see `ClipRecord`).
      clip_ends: end of the window, in seconds.
      task: the video's task or title, or an empty string.
      search_rank: rank in the search results of its task, from 1; 0 if unknown.
    """

    video_id: str
    duration: float
    streams: Sequence[FeatureStream]
    captions: Sequence[str]
    caption_starts: Sequence[float]
    caption_ends: Sequence[float]
    clip_starts: Sequence[float]
    clip_ends: Sequence[float]
    task: str = ""
    search_rank: int = 0


def serialize_video_features(record: VideoFeatures) -> bytes:
    """Returns the `tf.train.Example` of a video's features, serialised.

    Args:
      record: the video.

    Raises:
      ValueError: there is no stream or no caption, a stream is no matrix, or the lists of the
        captions differ in length.
    """
    times = (record.caption_starts, record.caption_ends, record.clip_starts, record.clip_ends)
    if not record.captions or {len(values) for values in times} != {len(record.captions)}:
        raise ValueError(f"video {record.video_id} needs four times for each of its captions")
    if not record.streams or any(stream.values.ndim != 2 for stream in record.streams):
        raise ValueError(f"video {record.video_id} needs streams of features, each a matrix")
    values = [np.ascontiguousarray(stream.values, _STORED) for stream in record.streams]
    feature = {
        records.VIDEO_ID: records.bytes_feature([record.video_id]),
        records.TASK: records.bytes_feature([record.task]),
        records.VIDEO_DURATION: records.float_feature([record.duration]),
        SEARCH_RANK: records.int_feature([record.search_rank]),
        STREAM_NAME: records.bytes_feature([stream.name for stream in record.streams]),
        STREAM_RATE: records.float_feature([stream.rate for stream in record.streams]),
        STREAM_SIZE: records.int_feature([matrix.shape[1] for matrix in values]),
        STREAM_VALUES: records.bytes_feature([matrix.tobytes() for matrix in values]),
        records.CAPTION: records.bytes_feature(record.captions),
        records.CAPTION_START: records.float_feature(record.caption_starts),
        records.CAPTION_END: records.float_feature(record.caption_ends),
        records.CLIP_START: records.float_feature(record.clip_starts),
        records.CLIP_END: records.float_feature(record.clip_ends),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    # Equal records have equal bytes, whatever order protobuf keeps its maps in.
    return example.SerializeToString(deterministic=True)


def parse_video_features(serialized: bytes) -> VideoFeatures:
    """Returns the video that `serialize_video_features` wrote.

    It is plain Python: inside a `tf.data` map it needs `tf.numpy_function`.

    Args:
      serialized: one record.

    Raises:
      ValueError: the bytes are no such record.
    """
    try:
        feature = tf.train.Example.FromString(serialized).features.feature
        streams = [
            FeatureStream(name.decode(), rate, np.frombuffer(data, _STORED).reshape(-1, size))
            for name, rate, size, data in zip(
                feature[STREAM_NAME].bytes_list.value,
                feature[STREAM_RATE].float_list.value,
                feature[STREAM_SIZE].int64_list.value,
                feature[STREAM_VALUES].bytes_list.value,
                strict=True,
            )
        ]
        return VideoFeatures(
            video_id=feature[records.VIDEO_ID].bytes_list.value[0].decode(),
            duration=feature[records.VIDEO_DURATION].float_list.value[0],
            streams=streams,
            captions=[text.decode() for text in feature[records.CAPTION].bytes_list.value],
            caption_starts=list(feature[records.CAPTION_START].float_list.value),
            caption_ends=list(feature[records.CAPTION_END].float_list.value),
            clip_starts=list(feature[records.CLIP_START].float_list.value),
            clip_ends=list(feature[records.CLIP_END].float_list.value),
            task=feature[records.TASK].bytes_list.value[0].decode(),
            search_rank=feature[SEARCH_RANK].int64_list.value[0],
        )
    # protobuf's own DecodeError is no ValueError.
    except Exception as error:
        raise ValueError(f"not a record of video features: {error}") from error


def read_video_features(files: Sequence[str]) -> Iterator[VideoFeatures]:
    """Yields the videos of TFRecord shards one by one, shard after shard.

    Args:
      files: the shards.

    Raises:
      ValueError: a record is no feature record.
      tf.errors.DataLossError: a shard is damaged.
    """
    for path in files:
        for serialized in tf.data.TFRecordDataset(path).as_numpy_iterator():
            yield parse_video_features(serialized)
