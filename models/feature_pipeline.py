"""Feature records as batches of V videos with P pairs each, for the HowTo100M road."""

import concurrent.futures
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from models import annotation_fraction, caption_growing, clip_features, max_margin, words
from models.gated import FEATURES, NEGATIVES, WORD_IDS
from models.record_files import matching_files
from models.tokenizer import WordTable
from schemas import records, video_features

NEGATIVE_KINDS = ("sampled", "reference", "other_videos")

_AUTOTUNE = tf.data.AUTOTUNE
_INTERLEAVED_SHARDS = 16


class Pairs(NamedTuple):
    """Pairs of a clip and its caption, all of one video.

    Attributes:
      features: the clips' vectors, float32 [P, D].
      captions: the P captions.
    """

    features: np.ndarray
    captions: list[str]


def layout_of(record: video_features.VideoFeatures) -> list[dict[str, Any]]:
    """Returns what a clip vector is made of: `name`, `rate` and `size` of each stream, in order.

    Args:
      record: any of the videos.
    """
    return [
        {"name": stream.name, "rate": stream.rate, "size": stream.values.shape[1]}
        for stream in record.streams
    ]


def feature_layout(file_pattern: str | Sequence[str]) -> list[dict[str, Any]]:
    """Returns the layout of the first feature record (see `layout_of`).

    Args:
      file_pattern: one or more patterns of TFRecord shards of feature records.

    Raises:
      FileNotFoundError: no file matches.
      ValueError: the files hold no record, or the first is no feature record.
    """
    files = matching_files(file_pattern, "feature records")
    record = next(video_features.read_video_features(files), None)
    if record is None:
        raise ValueError(f"there is no feature record in {', '.join(files)}")
    return layout_of(record)


def sample_pairs(
    record: video_features.VideoFeatures,
    rng: np.random.Generator,
    *,
    pairs_per_video: int,
    min_words: int = 0,
    min_seconds: float = 0.0,
    growing_order: str = "time",
    train_fraction: float = 1.0,
) -> Pairs:
    """Draws pairs from one video, as the reference code does (facts/protocols.md, section 8).

    Captions are drawn with replacement, each grows to the least number of words and seconds, and
    its clip's features are pooled as `clip_features.pool_clip` does. Where only a fraction of the
    annotations is used, a caption grows by captions of this fraction alone.

    Args:
      record: the video.
      rng: the source of the draws.
      pairs_per_video: number of pairs, P.
      min_words: see `caption_growing.grow_caption`.
      min_seconds: likewise.
      growing_order: likewise, the `order`.
      train_fraction: share of the captions that is used (see `annotation_fraction.is_kept`).

    Raises:
      ValueError: no caption of the video is among the fraction, or a stream ends before a clip
        starts.
    """
    kept = range(len(record.captions))
    if train_fraction < 1.0:
        kept = np.flatnonzero(
            annotation_fraction.is_kept(record.video_id, record.caption_starts, train_fraction)
        ).tolist()
    if not kept:
        raise ValueError(f"no caption of video {record.video_id} is among the fraction")
    captions = [record.captions[position] for position in kept]
    starts = [record.caption_starts[position] for position in kept]
    ends = [record.caption_ends[position] for position in kept]
    num_words = [len(words.split_words(caption)) if min_words else 0 for caption in captions]
    drawn, pairs = np.unique(rng.integers(len(kept), size=pairs_per_video), return_inverse=True)
    # A caption that is drawn twice is grown and pooled once.
    grown = [
        caption_growing.grow_caption(
            starts,
            ends,
            num_words,
            index,
            min_words=min_words,
            min_seconds=min_seconds,
            order=growing_order,
        )
        for index in drawn.tolist()
    ]
    times = [(starts[min(members)], ends[max(members)]) for members in grown]
    texts = [" ".join(captions[member] for member in members) for members in grown]
    features = _pool_clips(record.streams, times)
    return Pairs(features[pairs], [texts[pair] for pair in pairs])


def _pool_clips(
    streams: Sequence[video_features.FeatureStream], times: Sequence[tuple[float, float]]
) -> np.ndarray:
    """Returns what `clip_features.pool_clip` returns for each clip, float32 [C, D], but faster."""
    pooled = []
    for stream in streams:
        # NumPy compares float16 one by one, integers with vector instructions: 20 times as fast.
        halves = np.ascontiguousarray(stream.values, np.float16)
        ordered = _order_preserving(halves.view(np.int16))
        maxima = np.stack(
            [
                ordered[clip_features.clip_rows(len(ordered), stream.rate, start, end)].max(axis=0)
                for start, end in times
            ]
        )
        values = _order_preserving(maxima).view(np.float16).astype(np.float32)
        pooled.append(clip_features.l2_normalize(values))
    return np.concatenate(pooled, axis=1)


def _order_preserving(bits: np.ndarray) -> np.ndarray:
    """Maps float16 bits to int16 numbers in the order of the floats, and back.

    The bits of a negative float are its sign and magnitude: all but the sign are turned round.
    """
    return bits ^ ((bits >> 15) & np.int16(0x7FFF))


def training_dataset(
    file_pattern: str | Sequence[str],
    *,
    videos_per_batch: int,
    pairs_per_video: int,
    word_table: WordTable,
    shuffle_buffer: int,
    seed: int,
    negatives: str = "sampled",
    hard_negative_rate: float = 0.5,
    min_words: int = 0,
    min_seconds: float = 0.0,
    growing_order: str = "time",
    train_fraction: float = 1.0,
    max_search_rank: int | None = None,
    repeat: bool = True,
    first_batch: int = 0,
) -> tf.data.Dataset:
    """Reads shuffled batches of V videos with P pairs each, video by video.

    The videos of a batch are distinct: of each pass over the videos the last incomplete batch is
    left out. Two datasets with the same files, settings and seed give the same batches; each pass
    is shuffled and drawn anew.

    Args:
      file_pattern: one or more patterns of TFRecord shards of feature records.
      videos_per_batch: V.
      pairs_per_video: P (see `sample_pairs`); B is V * P.
      word_table: gives the L word ids of a caption.
      shuffle_buffer: videos among which the next one is drawn; a video of ten minutes with 2D and
        3D features takes about 6 MB.
      seed: seed of all random draws, at least 0.
      negatives: what the loss compares a pair with: "sampled", "reference" or "other_videos" (see
        `max_margin.sampled_negatives`, `reference_weights` and `other_video_negatives`).
      hard_negative_rate: share of the same video for "reference".
      min_words: see `caption_growing.grow_caption`.
      min_seconds: likewise.
      growing_order: likewise, the `order`.
      train_fraction: share of the captions that is used (see `annotation_fraction.is_kept`); a
        video without any is left out.
      max_search_rank: videos whose rank is above this or unknown are left out; None takes all.
      repeat: whether the videos are repeated for ever; if not, each iteration gives the same
        batches.
      first_batch: how many batches to leave out, without drawing them: a run that was cut off goes
        on with the batch after its last.

    Returns:
      A dataset of {"features": float32 [B, D], "word_ids": int64 [B, L], "negatives": float32
      [B, B]}.

    Raises:
      FileNotFoundError: no file matches.
      ValueError: there is no such kind of negatives, or no feature record.
      tf.errors.InvalidArgumentError: while iterating, if a record is no feature record, or its
        streams are not those of the first record.
    """
    if negatives not in NEGATIVE_KINDS:
        raise ValueError(f"negatives is {negatives!r}; give one of {', '.join(NEGATIVE_KINDS)}")
    files = matching_files(file_pattern, "feature records")
    layout = feature_layout(files)
    batch_size = videos_per_batch * pairs_per_video
    num_features = sum(stream["size"] for stream in layout)

    def draw(index: np.ndarray, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        features = np.empty((videos_per_batch, pairs_per_video, num_features), np.float32)

        def draw_video(position: int) -> list[str]:
            record = video_features.parse_video_features(batch[position])
            _check_layout(record, layout)
            pairs = sample_pairs(
                record,
                # A generator for each video, so that the threads' order does not matter.
                np.random.default_rng([seed, int(index), position]),
                pairs_per_video=pairs_per_video,
                min_words=min_words,
                min_seconds=min_seconds,
                growing_order=growing_order,
                train_fraction=train_fraction,
            )
            features[position] = pairs.features
            return pairs.captions

        # NumPy and protobuf let other threads run while they work on many numbers.
        with concurrent.futures.ThreadPoolExecutor() as threads:
            drawn = list(threads.map(draw_video, range(videos_per_batch)))
        captions = [caption.encode() for of_video in drawn for caption in of_video]
        weights = _negatives(
            np.random.default_rng([seed, int(index)]),
            negatives,
            videos_per_batch,
            pairs_per_video,
            hard_negative_rate,
        )
        return features.reshape(batch_size, -1), np.array(captions, object), weights

    def load(index: tf.Tensor, batch: tf.Tensor) -> Mapping[str, tf.Tensor]:
        features, captions, weights = tf.numpy_function(
            draw, [index, batch], [tf.float32, tf.string, tf.float32]
        )
        return {
            FEATURES: tf.ensure_shape(features, [batch_size, num_features]),
            WORD_IDS: word_table(tf.ensure_shape(captions, [batch_size])),
            NEGATIVES: tf.ensure_shape(weights, [batch_size, batch_size]),
        }

    dataset = tf.data.Dataset.from_tensor_slices(files)
    dataset = dataset.shuffle(len(files), seed=seed, reshuffle_each_iteration=repeat)
    dataset = dataset.interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(len(files), _INTERLEAVED_SHARDS),
        num_parallel_calls=_AUTOTUNE,
    )
    if train_fraction < 1.0 or max_search_rank is not None:
        dataset = dataset.filter(_selection(train_fraction, max_search_rank))
    dataset = dataset.shuffle(shuffle_buffer, seed=seed, reshuffle_each_iteration=repeat)
    dataset = dataset.batch(videos_per_batch, drop_remainder=True)
    if repeat:
        dataset = dataset.repeat()
    # Reading runs ahead in the background. Drawing does not: a thread of TensorFlow that is in a
    # Python function when the process ends keeps it from ending.
    dataset = dataset.enumerate().skip(first_batch).prefetch(1).map(load)
    options = tf.data.Options()
    options.experimental_optimization.map_parallelization = False
    options.experimental_optimization.inject_prefetch = False
    return dataset.with_options(options)


def _check_layout(
    record: video_features.VideoFeatures, layout: Sequence[Mapping[str, Any]]
) -> None:
    own = layout_of(record)
    if own != layout:
        raise ValueError(
            f"video {record.video_id} has the features {describe_layout(own)}, but the first video "
            f"has {describe_layout(layout)}: extract all with the same settings"
        )


def describe_layout(layout: Sequence[Mapping[str, Any]]) -> str:
    """Returns a layout in words, such as "2d (2048 at 1 a second), 3d (2048 at 1.5 a second)".

    Args:
      layout: see `layout_of`.
    """
    return ", ".join(
        f"{stream['name']} ({stream['size']} at {stream['rate']:g} a second)" for stream in layout
    )


def _selection(train_fraction: float, max_search_rank: int | None):
    """Returns the filter of serialised records: whether a video takes part."""

    def selected(serialized: tf.Tensor) -> tf.Tensor:
        # Only what is asked for is parsed, not the megabytes of features.
        feature = tf.io.parse_single_example(
            serialized,
            {
                records.VIDEO_ID: tf.io.FixedLenFeature([], tf.string),
                video_features.SEARCH_RANK: tf.io.FixedLenFeature([], tf.int64),
                records.CAPTION_START: tf.io.VarLenFeature(tf.float32),
            },
        )
        starts = feature[records.CAPTION_START].values
        kept = annotation_fraction.is_kept(feature[records.VIDEO_ID], starts, train_fraction)
        keep = tf.reduce_any(kept)
        if max_search_rank is not None:
            rank = feature[video_features.SEARCH_RANK]
            keep &= (rank >= 1) & (rank <= max_search_rank)
        return keep

    return selected


def _negatives(
    rng: np.random.Generator,
    kind: str,
    num_videos: int,
    pairs_per_video: int,
    hard_negative_rate: float,
) -> np.ndarray:
    if kind == "reference":
        return max_margin.reference_weights(num_videos, pairs_per_video, hard_negative_rate)
    if kind == "other_videos":
        return max_margin.other_video_negatives(rng, num_videos, pairs_per_video)
    return max_margin.sampled_negatives(rng, num_videos, pairs_per_video)
