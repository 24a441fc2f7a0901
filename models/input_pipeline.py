"""Clip records as batches for training and as windows for evaluation."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from models import annotation_fraction
from models.record_files import matching_files
from models.tokenizer import WordTable
from schemas import records

_AUTOTUNE = tf.data.AUTOTUNE
_INTERLEAVED_SHARDS = 16


def training_dataset(
    file_pattern: str | Sequence[str],
    *,
    batch_size: int,
    num_candidates: int,
    num_frames: int,
    frame_rate: float,
    image_size: int,
    word_table: WordTable,
    seed: int,
    shuffle_buffer: int,
    min_crop: float | None = None,
    random_flip: bool = True,
    train_fraction: float = 1.0,
    repeat: bool = True,
    drop_remainder: bool = True,
) -> tf.data.Dataset:
    """Reads shuffled, augmented clips with their positive bags, in batches.

    From each stored clip comes one random clip of `num_frames / frame_rate` seconds, one random
    square crop, the same for all its frames, and with probability one half its mirror image. Only
    the crop is decoded. A stored clip that is too short is padded at its end with black frames, as
    the MIL-NCE reference code does. Two datasets with the same files, settings and seed give the
    same batches; every repetition is shuffled and augmented anew.

    Args:
      file_pattern: one or more patterns of TFRecord shards of clip records.
      batch_size: clips in a batch, B.
      num_candidates: captions of the positive bag to use, K.
      num_frames: frames in a clip, T.
      frame_rate: frames a second; the nearest stored frames are taken.
      image_size: height and width of the crop in pixels, S.
      word_table: gives the L word ids of a caption.
      seed: seed of all random draws.
      shuffle_buffer: clips, still encoded, among which the next one is drawn.
      min_crop: None cuts the S x S crop out of the stored frame without scaling it, as the
        reference code does (`crop_only`); of a smaller frame, which ends the reference code's job,
        a square of its short side is scaled up. A fraction in (0, 1] cuts a square, whose side is
        drawn between this fraction and the whole of the short side, and scales it to S x S.
      random_flip: whether half of the clips are mirrored.
      train_fraction: share of the clips, by their own captions, that is used (see
        `annotation_fraction.is_kept`).
      repeat: whether the clips are repeated for ever.
      drop_remainder: whether a last batch of fewer than B clips is left out.

    Returns:
      A dataset of {"video": uint8 [B, T, S, S, 3], "word_ids": int64 [B, K, L]}.

    Raises:
      FileNotFoundError: no file matches.
      ValueError: a setting is out of its range.
      tf.errors.InvalidArgumentError: while iterating, if a record has fewer than K captions or a
        frame is not a JPEG.
    """
    _check_positive(
        batch_size=batch_size,
        num_candidates=num_candidates,
        num_frames=num_frames,
        frame_rate=frame_rate,
        image_size=image_size,
        shuffle_buffer=shuffle_buffer,
    )
    if min_crop is not None and not 0 < min_crop <= 1:
        raise ValueError(f"min_crop is {min_crop}; give a fraction in (0, 1], or None")
    files = matching_files(file_pattern, "clip records")

    def augment(index: tf.Tensor, serialized: tf.Tensor) -> Mapping[str, tf.Tensor]:
        clip = records.parse_clip(serialized, num_candidates)
        frames = clip[records.IMAGE]
        # A key for each clip ever drawn, so that a draw does not depend on the order in which
        # parallel calls end.
        draws = tf.unstack(
            tf.random.stateless_uniform([5], seed=tf.stack([tf.cast(seed, tf.int64), index]))
        )
        steps = _frame_steps(num_frames, frame_rate, clip[records.CLIP_FRAME_RATE])
        offset = _draw_integer(draws[0], tf.maximum(tf.size(frames) - steps[-1], 1))
        window = _random_crop(frames[0], image_size, min_crop, draws[1:4])
        video = _decode(frames, offset + steps, window, image_size)
        if random_flip:
            video = tf.cond(draws[4] < 0.5, lambda: tf.reverse(video, [2]), lambda: video)
        return {"video": video, "captions": clip[records.CAPTION]}

    def look_up(batch: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        ids = word_table(tf.reshape(batch["captions"], [-1]))
        shape = [-1, num_candidates, word_table.max_words]
        return {"video": batch["video"], "word_ids": tf.reshape(ids, shape)}

    dataset = tf.data.Dataset.from_tensor_slices(files)
    dataset = dataset.shuffle(len(files), seed=seed)
    dataset = dataset.interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(len(files), _INTERLEAVED_SHARDS),
        num_parallel_calls=_AUTOTUNE,
    )
    if train_fraction < 1.0:
        dataset = dataset.filter(lambda serialized: _is_kept(serialized, train_fraction))
    dataset = dataset.shuffle(shuffle_buffer, seed=seed)
    if repeat:
        dataset = dataset.repeat()
    dataset = dataset.enumerate().map(augment, num_parallel_calls=_AUTOTUNE)
    dataset = dataset.batch(batch_size, drop_remainder=drop_remainder)
    return dataset.map(look_up, num_parallel_calls=_AUTOTUNE).prefetch(_AUTOTUNE)


def evaluation_dataset(
    file_pattern: str | Sequence[str],
    *,
    num_frames: int,
    frame_rate: float,
    image_size: int,
    num_windows: int,
    end_guard: float = 0.4,
) -> tf.data.Dataset:
    """Reads clips in their stored order, each as evenly spaced windows, with its own caption.

    The windows start at `linspace(0, max(0, duration - num_frames / frame_rate - end_guard), W)`
    seconds, their frames are cut to the central square and scaled, and what lies past the clip's
    end is black: the zero-shot retrieval protocol of the MIL-NCE reference code.

    Args:
      file_pattern: one or more patterns of TFRecord shards of clip records.
      num_frames: frames in a window, T.
      frame_rate: frames a second; the nearest stored frames are taken.
      image_size: height and width of the frames in pixels, S.
      num_windows: windows of a clip, W.
      end_guard: seconds that the last window keeps from the clip's end.

    Returns:
      A dataset, one element for each clip, of `video` uint8 [W, T, S, S, 3]; `caption`,
      `video_id` and `task` string []; `caption_start`, `caption_end`, `clip_start` and `clip_end`
      float32 [], in seconds.

    Raises:
      FileNotFoundError: no file matches.
      ValueError: a setting is out of its range.
      tf.errors.InvalidArgumentError: while iterating, if a frame is not a JPEG.
    """
    _check_positive(
        num_frames=num_frames,
        frame_rate=frame_rate,
        image_size=image_size,
        num_windows=num_windows,
    )
    if end_guard < 0:
        raise ValueError(f"end_guard is {end_guard}; give 0 or more seconds")

    def windows(serialized: tf.Tensor) -> Mapping[str, tf.Tensor]:
        clip = records.parse_clip(serialized, 1)
        frames = clip[records.IMAGE]
        stored_rate = clip[records.CLIP_FRAME_RATE]
        duration = tf.cast(tf.size(frames), tf.float32) / stored_rate
        last = tf.maximum(duration - num_frames / frame_rate - end_guard, 0.0)
        starts = _nearest(tf.linspace(0.0, last, num_windows) * stored_rate)
        indices = starts[:, None] + _frame_steps(num_frames, frame_rate, stored_rate)[None, :]
        # The windows overlap: each frame is decoded once.
        unique, positions = tf.unique(tf.reshape(indices, [-1]))
        decoded = _decode(frames, unique, _central_square(frames[0]), image_size)
        video = tf.gather(decoded, tf.reshape(positions, [num_windows, num_frames]))
        return {
            "video": video,
            "caption": clip[records.CAPTION][0],
            "caption_start": clip[records.CAPTION_START][0],
            "caption_end": clip[records.CAPTION_END][0],
            "clip_start": clip[records.CLIP_START],
            "clip_end": clip[records.CLIP_END],
            "video_id": clip[records.VIDEO_ID],
            "task": clip[records.TASK],
        }

    dataset = tf.data.TFRecordDataset(matching_files(file_pattern, "clip records"))
    return dataset.map(windows, num_parallel_calls=_AUTOTUNE).prefetch(_AUTOTUNE)


def _check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if value <= 0:
            raise ValueError(f"{name} is {value}; give a positive number")


def _is_kept(serialized: tf.Tensor, train_fraction: float) -> tf.Tensor:
    """Tells whether a clip's own caption is among the fraction, bool []."""
    clip = records.parse_clip(serialized, 1)
    return annotation_fraction.is_kept(
        clip[records.VIDEO_ID], clip[records.CAPTION_START][0], train_fraction
    )


def _nearest(positions: tf.Tensor) -> tf.Tensor:
    """Rounds frame positions to int32 indices, halves upwards."""
    return tf.cast(tf.floor(positions + 0.5), tf.int32)


def _frame_steps(num_frames: int, frame_rate: float, stored_rate: tf.Tensor) -> tf.Tensor:
    """Returns the stored-frame indices of a clip that starts at index 0, int32 [T]."""
    return _nearest(tf.range(num_frames, dtype=tf.float32) * (stored_rate / frame_rate))


def _draw_integer(draw: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    """Turns a uniform draw from [0, 1) into a uniform int32 draw from [0, limit)."""
    drawn = tf.cast(tf.floor(draw * tf.cast(limit, tf.float32)), tf.int32)
    return tf.minimum(drawn, limit - 1)


def _random_crop(
    frame: tf.Tensor, image_size: int, min_crop: float | None, draws: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Draws a square in a JPEG frame, int32 [4]: its top, left, height and width."""
    height, width = tf.unstack(tf.io.extract_jpeg_shape(frame)[:2])
    short_side = tf.minimum(height, width)
    if min_crop is None:
        side = tf.minimum(image_size, short_side)
    else:
        fraction = min_crop + (1.0 - min_crop) * draws[2]
        side = tf.maximum(_nearest(fraction * tf.cast(short_side, tf.float32)), 1)
    top = _draw_integer(draws[0], height - side + 1)
    left = _draw_integer(draws[1], width - side + 1)
    return tf.stack([top, left, side, side])


def _central_square(frame: tf.Tensor) -> tf.Tensor:
    """Returns the largest central square of a JPEG frame, int32 [4]."""
    height, width = tf.unstack(tf.io.extract_jpeg_shape(frame)[:2])
    side = tf.minimum(height, width)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def _decode(frames: tf.Tensor, indices: tf.Tensor, window: tf.Tensor, image_size: int) -> tf.Tensor:
    """Decodes a square of some frames and scales it to the image size.

    Args:
      frames: the JPEG bytes of all stored frames, string [N].
      indices: which frames to decode, int32 [T]; an index past the last gives a black frame.
      window: top, left, height and width of the square, int32 [4].
      image_size: height and width to scale to, S.

    Returns:
      uint8 [T, S, S, 3].
    """

    def decode(index: tf.Tensor) -> tf.Tensor:
        return tf.io.decode_and_crop_jpeg(
            frames[index], window, channels=3, dct_method="INTEGER_ACCURATE"
        )

    num_stored = tf.size(frames)
    video = tf.map_fn(
        decode,
        tf.minimum(indices, num_stored - 1),
        fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8),
    )
    video = tf.cond(
        tf.equal(window[2], image_size), lambda: video, lambda: _resize(video, image_size)
    )
    inside = tf.cast(indices < num_stored, tf.uint8)
    video *= inside[:, None, None, None]
    return tf.ensure_shape(video, [indices.shape[0], image_size, image_size, 3])


def _resize(video: tf.Tensor, image_size: int) -> tf.Tensor:
    scaled = tf.image.resize(video, [image_size, image_size], antialias=True)
    return tf.cast(tf.round(scaled), tf.uint8)
