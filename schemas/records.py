"""The records of the pipeline: their feature names, and how they are written and parsed.

Two records describe a clip. The *caption record* is a light `tf.train.Example` without pixels,
which StatisticsGen, ExampleValidator and Transform read. The *clip record* is a
`tf.train.SequenceExample` that holds the frames as JPEG, in the layout of DeepMind's dmvr
(feature list `image/encoded`, context `caption/string`); trainer, evaluator and index read it.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import tensorflow as tf

VIDEO_ID = "video_id"
TASK = "task"
CLIP_INDEX = "clip/index"
CLIP_START = "clip/start"
CLIP_END = "clip/end"
CLIP_FRAME_RATE = "clip/frame_rate"
CLIP_NUM_FRAMES = "clip/num_frames"
CAPTION = "caption/string"
CAPTION_START = "caption/start"
CAPTION_END = "caption/end"
CAPTION_NUM_WORDS = "caption/num_words"
VIDEO_DURATION = "video/duration"
VIDEO_WIDTH = "video/width"
VIDEO_HEIGHT = "video/height"
IMAGE = "image/encoded"

TRAIN_SPLIT = "train"
EVAL_SPLIT = "eval"


@dataclasses.dataclass(frozen=True)
class ClipRecord:
    """One clip with its frames and its positive bag.

    Attributes:
      video_id: identifier of the video, unique in a run.
      clip_index: position of the clip's own caption among the video's captions, from 0.
      clip_start: start of the stored window in the video, in seconds.
      clip_end: end of the stored window, in seconds.
      frame_rate: frames stored for each second.
      frames: the JPEG bytes of the frames, in time order; none where the frames are not stored.
      captions: the K nearest captions, the clip's own first, each next one adding the least span
        (so that the first k of them are the bag of size k).
      caption_starts: start of each caption in seconds, as long as `captions`.
      caption_ends: end of each caption in seconds, as long as `captions`.
      task: the video's task or title, or an empty string.
    """

    video_id: str
    clip_index: int
    clip_start: float
    clip_end: float
    frame_rate: float
    frames: Sequence[bytes]
    captions: Sequence[str]
    caption_starts: Sequence[float]
    caption_ends: Sequence[float]
    task: str = ""


@dataclasses.dataclass(frozen=True)
class CaptionRecord:
    """One caption without pixels, for the standard TFX components.

    Attributes:
      video_id: identifier of the video.
      caption: the caption's text.
      caption_start: its start in seconds.
      caption_end: its end in seconds.
      clip_start: start of the clip's window in seconds.
      clip_end: end of the clip's window in seconds.
      clip_num_frames: number of frames stored for the clip; 0 where the frames are not stored.
      video_duration: duration of the video in seconds; 0 if unknown.
      video_width: width as displayed (after rotation), in pixels of the source; 0 if unknown.
      video_height: height as displayed, in pixels of the source; 0 if unknown.
      task: the video's task or title, or an empty string.
    """

    video_id: str
    caption: str
    caption_start: float
    caption_end: float
    clip_start: float
    clip_end: float
    clip_num_frames: int
    video_duration: float
    video_width: int
    video_height: int
    task: str = ""


def bytes_feature(values: Sequence[str | bytes]) -> tf.train.Feature:
    """Returns strings as a feature, text as UTF-8."""
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))


def float_feature(values: Sequence[float]) -> tf.train.Feature:
    """Returns numbers as a float32 feature."""
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def int_feature(values: Sequence[int]) -> tf.train.Feature:
    """Returns integers as an int64 feature."""
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def serialize_clip(record: ClipRecord) -> bytes:
    """Returns the `tf.train.SequenceExample` of a clip, serialised.

    Args:
      record: the clip.

    Raises:
      ValueError: the clip has no captions, or the caption lists differ in length.
    """
    lengths = {len(record.captions), len(record.caption_starts), len(record.caption_ends)}
    if not record.captions or len(lengths) != 1:
        raise ValueError(
            f"clip {record.clip_index} of video {record.video_id} needs one start and one end for "
            f"each of at least one caption"
        )
    context = {
        VIDEO_ID: bytes_feature([record.video_id]),
        TASK: bytes_feature([record.task]),
        CLIP_INDEX: int_feature([record.clip_index]),
        CLIP_START: float_feature([record.clip_start]),
        CLIP_END: float_feature([record.clip_end]),
        CLIP_FRAME_RATE: float_feature([record.frame_rate]),
        CAPTION: bytes_feature(record.captions),
        CAPTION_START: float_feature(record.caption_starts),
        CAPTION_END: float_feature(record.caption_ends),
    }
    frames = tf.train.FeatureList(feature=[bytes_feature([frame]) for frame in record.frames])
    example = tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list={IMAGE: frames}),
    )
    # Equal records have equal bytes, whatever order protobuf keeps its maps in.
    return example.SerializeToString(deterministic=True)


def parse_clip(
    serialized: tf.Tensor, num_captions: int, need_frames: bool = True
) -> Mapping[str, tf.Tensor]:
    """Parses one serialised clip record inside a `tf.data` map.

    Args:
      serialized: scalar string tensor.
      num_captions: how many captions of the bag to return, k.
      need_frames: whether a record without frames is an error.

    Returns:
      `image/encoded` string [T], T = 0 in a record without frames; `caption/string` string [k];
      `caption/start` and `caption/end` float32 [k]; `clip/start`, `clip/end` and `clip/frame_rate`
      float32 []; `clip/index` int64 []; `video_id` and `task` string [].

    Raises:
      tf.errors.InvalidArgumentError: the record stores fewer than `num_captions` captions, or no
        frames where they are needed.
    """
    scalar_float = tf.io.FixedLenFeature([], tf.float32)
    context, sequence = tf.io.parse_single_sequence_example(
        serialized,
        context_features={
            VIDEO_ID: tf.io.FixedLenFeature([], tf.string),
            TASK: tf.io.FixedLenFeature([], tf.string, default_value=""),
            CLIP_INDEX: tf.io.FixedLenFeature([], tf.int64),
            CLIP_START: scalar_float,
            CLIP_END: scalar_float,
            CLIP_FRAME_RATE: scalar_float,
            CAPTION: tf.io.VarLenFeature(tf.string),
            CAPTION_START: tf.io.VarLenFeature(tf.float32),
            CAPTION_END: tf.io.VarLenFeature(tf.float32),
        },
        sequence_features={IMAGE: tf.io.FixedLenSequenceFeature([], tf.string)},
    )
    checks = [
        tf.debugging.assert_greater_equal(
            tf.size(context[CAPTION].values),
            num_captions,
            message="the clip record stores fewer captions than were asked for",
        )
    ]
    if need_frames:
        checks.append(
            tf.debugging.assert_positive(
                tf.size(sequence[IMAGE]),
                message="the clip record stores no frames; set ingest.store_frames=true",
            )
        )
    # Eagerly, a check that passes is None.
    with tf.control_dependencies([check for check in checks if check is not None]):
        bag = {
            name: tf.ensure_shape(context[name].values[:num_captions], [num_captions])
            for name in (CAPTION, CAPTION_START, CAPTION_END)
        }
        frames = tf.identity(sequence[IMAGE])
    return {**context, **bag, IMAGE: frames}


def serialize_caption(record: CaptionRecord) -> bytes:
    """Returns the `tf.train.Example` of a caption, serialised.

    Args:
      record: the caption.
    """
    feature = {
        VIDEO_ID: bytes_feature([record.video_id]),
        TASK: bytes_feature([record.task]),
        CAPTION: bytes_feature([record.caption]),
        CAPTION_START: float_feature([record.caption_start]),
        CAPTION_END: float_feature([record.caption_end]),
        CAPTION_NUM_WORDS: int_feature([len(record.caption.split())]),
        CLIP_START: float_feature([record.clip_start]),
        CLIP_END: float_feature([record.clip_end]),
        CLIP_NUM_FRAMES: int_feature([record.clip_num_frames]),
        VIDEO_DURATION: float_feature([record.video_duration]),
        VIDEO_WIDTH: int_feature([record.video_width]),
        VIDEO_HEIGHT: int_feature([record.video_height]),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString(deterministic=True)
