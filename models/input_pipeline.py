"""Clip records as batches for training and as windows for evaluation."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from models import annotation_fraction, clip_frames, clip_order
from models.record_files import count_records, matching_files
from models.tokenizer import WordTable
from schemas import records

_AUTOTUNE = tf.data.AUTOTUNE


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
    first_batch: int = 0,
    cache_frames: bool = False,
    pipelines: int = 1,
    pipeline: int = 0,
    part_size: int | None = None,
) -> tf.data.Dataset:
    """Reads shuffled, augmented clips with their positive bags, in batches.

    From each stored clip comes one random clip of `num_frames / frame_rate` seconds, one random
    square crop, the same for all its frames, and with probability one half its mirror image. Only
    the crop is decoded. A stored clip that is too short is padded at its end with black frames, as
    the MIL-NCE reference code does. Two datasets with the same files, settings and seed give the
    same batches, whatever else the process draws; every pass is shuffled and augmented anew.

    A run that was cut off goes on with `first_batch`. The passes before it are not read, but for
    the lengths of the records of one pass (their captions too with a `train_fraction`); the records
    before it in its own pass are read, but not decoded.

    Several processes share each batch by `pipelines`: each reads all records, but decodes only its
    own clips. Reading and shuffling therefore cost each of them what they cost a single one, and
    with `cache_frames` decoding does too.

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
      first_batch: how many batches to leave out, of those that there would be without this.
      cache_frames: whether all clips are decoded at once and kept in memory (see
        `clip_frames.FrameCache`). The batches show the same clips, but for the colour at the
        borders of the crops.
      pipelines: processes that share each batch, W. Without `repeat` take no more than the whole
        batches, as the last one is not shared evenly.
      pipeline: which of them this one is, w: its clips are w * B / W ... (w + 1) * B / W - 1 of
        each batch.
      part_size: clips in an element of the dataset, P, where a process feeds several replicas;
        None takes all of the process's clips of a batch.

    Returns:
      A dataset of {"video": uint8 [P, T, S, S, 3], "word_ids": int64 [P, K, L]}; P is B unless
      the batches are shared or divided.

    Raises:
      FileNotFoundError: no file matches.
      ValueError: a setting is out of its range, or there is no clip.
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
    own_size, rest = divmod(batch_size, pipelines)
    part_size = own_size if part_size is None else part_size
    if rest or own_size % part_size or not 0 <= pipeline < pipelines:
        raise ValueError(
            f"pipeline {pipeline} of {pipelines} cannot feed its share of a batch of {batch_size} "
            f"clips in parts of {part_size}; take a batch that divides evenly"
        )
    files = matching_files(file_pattern, "clip records")
    if not count_clips(files, train_fraction, at_most=1):
        raise ValueError(
            f"there is no clip record{_limit(train_fraction)} in {len(files)} files such as "
            f"{files[0]}; add videos"
        )

    paths = tf.constant(files)

    def read(file: tf.Tensor) -> tf.data.Dataset:
        return _records(paths[file], train_fraction)

    if cache_frames:
        cache = clip_frames.FrameCache(len(files), read, num_candidates)
        read, open_clip = cache.ids, cache.open
    else:

        def open_clip(serialized: tf.Tensor) -> clip_frames.Clip:
            return clip_frames.open_stored(records.parse_clip(serialized, num_candidates))

    def augment(index: tf.Tensor, stored: tf.Tensor) -> Mapping[str, tf.Tensor]:
        clip = open_clip(stored)
        # A key for each clip ever drawn, so that a draw does not depend on the order in which
        # parallel calls end.
        draws = tf.unstack(
            tf.random.stateless_uniform([5], seed=tf.stack([tf.cast(seed, tf.int64), index]))
        )
        steps = _frame_steps(num_frames, frame_rate, clip.frame_rate)
        offset = _draw_integer(draws[0], tf.maximum(clip.num_frames - steps[-1], 1))
        window = _random_crop(clip, image_size, min_crop, draws[1:4])
        video = _show(clip, offset + steps, window, image_size)
        if random_flip:
            video = tf.cond(draws[4] < 0.5, lambda: tf.reverse(video, [2]), lambda: video)
        return {"video": video, "captions": clip.captions}

    def look_up(batch: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        ids = word_table(tf.reshape(batch["captions"], [-1]))
        shape = [-1, num_candidates, word_table.max_words]
        return {"video": batch["video"], "word_ids": tf.reshape(ids, shape)}

    first_clip = first_batch * batch_size
    first_pass, skipped = _passes(files, train_fraction, first_clip) if repeat else (0, first_clip)
    dataset = clip_order.in_passes(
        len(files),
        read,
        seed=seed,
        shuffle_buffer=shuffle_buffer,
        first_pass=first_pass,
        num_passes=None if repeat else 1,
    )
    dataset = dataset.skip(skipped).enumerate(first_clip)
    if pipelines > 1:
        dataset = dataset.filter(lambda index, _: index % batch_size // own_size == pipeline)
    dataset = dataset.map(augment, num_parallel_calls=_AUTOTUNE, deterministic=True)
    dataset = dataset.batch(part_size, drop_remainder=drop_remainder)
    return dataset.map(look_up, num_parallel_calls=_AUTOTUNE).prefetch(_AUTOTUNE)


def count_clips(
    file_pattern: str | Sequence[str], train_fraction: float = 1.0, at_most: int | None = None
) -> int:
    """Counts the clips that `training_dataset` reads in a pass.

    Args:
      file_pattern: one or more patterns of TFRecord shards of clip records.
      train_fraction: see `training_dataset`; below 1 the records are read, else only their lengths.
      at_most: where to stop counting; None counts all.

    Raises:
      FileNotFoundError: no file matches.
      ValueError: a file ends within a record.
    """
    files = matching_files(file_pattern, "clip records")
    if train_fraction < 1.0:
        dataset = _records(files, train_fraction)
        if at_most is not None:
            dataset = dataset.take(at_most)
        return int(dataset.reduce(tf.constant(0, tf.int64), lambda count, _: count + 1))
    count = 0
    for file in files:
        if at_most is not None and count >= at_most:
            return at_most
        count += count_records(file)
    return count if at_most is None else min(count, at_most)


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
        parsed = records.parse_clip(serialized, 1)
        clip = clip_frames.open_stored(parsed)
        stored_rate = clip.frame_rate
        duration = tf.cast(clip.num_frames, tf.float32) / stored_rate
        last = tf.maximum(duration - num_frames / frame_rate - end_guard, 0.0)
        starts = _nearest(tf.linspace(0.0, last, num_windows) * stored_rate)
        indices = starts[:, None] + _frame_steps(num_frames, frame_rate, stored_rate)[None, :]
        # The windows overlap: each frame is decoded once.
        unique, positions = tf.unique(tf.reshape(indices, [-1]))
        decoded = _show(clip, unique, _central_square(clip), image_size)
        video = tf.gather(decoded, tf.reshape(positions, [num_windows, num_frames]))
        return {
            "video": video,
            "caption": parsed[records.CAPTION][0],
            "caption_start": parsed[records.CAPTION_START][0],
            "caption_end": parsed[records.CAPTION_END][0],
            "clip_start": parsed[records.CLIP_START],
            "clip_end": parsed[records.CLIP_END],
            "video_id": parsed[records.VIDEO_ID],
            "task": parsed[records.TASK],
        }

    dataset = tf.data.TFRecordDataset(matching_files(file_pattern, "clip records"))
    return dataset.map(windows, num_parallel_calls=_AUTOTUNE).prefetch(_AUTOTUNE)


def _passes(files: Sequence[str], train_fraction: float, clips: int) -> tuple[int, int]:
    """Returns the whole passes in a number of clips, and the clips that are left."""
    # Most runs are cut off in their first pass: then not all files need to be counted.
    in_a_pass = count_clips(files, train_fraction, at_most=clips + 1)
    return divmod(clips, in_a_pass)


def _limit(train_fraction: float) -> str:
    return f" that training.train_fraction={train_fraction} leaves" if train_fraction < 1 else ""


def _check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if value <= 0:
            raise ValueError(f"{name} is {value}; give a positive number")


def _records(files: tf.Tensor | Sequence[str], train_fraction: float) -> tf.data.Dataset:
    """Reads one file, or several one by one: the clips whose own captions are in the fraction."""

    def is_kept(serialized: tf.Tensor) -> tf.Tensor:
        clip = records.parse_clip(serialized, 1)
        return annotation_fraction.is_kept(
            clip[records.VIDEO_ID], clip[records.CAPTION_START][0], train_fraction
        )

    dataset = tf.data.TFRecordDataset(files)
    return dataset.filter(is_kept) if train_fraction < 1.0 else dataset


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
    clip: clip_frames.Clip, image_size: int, min_crop: float | None, draws: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Draws a square in the frames, int32 [4]: its top, left, height and width."""
    short_side = tf.minimum(clip.height, clip.width)
    if min_crop is None:
        side = tf.minimum(image_size, short_side)
    else:
        fraction = min_crop + (1.0 - min_crop) * draws[2]
        side = tf.maximum(_nearest(fraction * tf.cast(short_side, tf.float32)), 1)
    top = _draw_integer(draws[0], clip.height - side + 1)
    left = _draw_integer(draws[1], clip.width - side + 1)
    return tf.stack([top, left, side, side])


def _central_square(clip: clip_frames.Clip) -> tf.Tensor:
    """Returns the largest central square of the frames, int32 [4]."""
    side = tf.minimum(clip.height, clip.width)
    return tf.stack([(clip.height - side) // 2, (clip.width - side) // 2, side, side])


def _show(
    clip: clip_frames.Clip, indices: tf.Tensor, window: tf.Tensor, image_size: int
) -> tf.Tensor:
    """Cuts a square out of some frames and scales it to the image size.

    Args:
      clip: the clip.
      indices: which frames to take, int32 [T]; an index past the last gives a black frame.
      window: top, left, height and width of the square, int32 [4].
      image_size: height and width to scale to, S.

    Returns:
      uint8 [T, S, S, 3].
    """
    video = clip.cut(tf.minimum(indices, clip.num_frames - 1), window)
    video = tf.cond(
        tf.equal(window[2], image_size), lambda: video, lambda: _resize(video, image_size)
    )
    inside = tf.cast(indices < clip.num_frames, tf.uint8)
    video *= inside[:, None, None, None]
    return tf.ensure_shape(video, [indices.shape[0], image_size, image_size, 3])


def _resize(video: tf.Tensor, image_size: int) -> tf.Tensor:
    scaled = tf.image.resize(video, [image_size, image_size], antialias=True)
    return tf.cast(tf.round(scaled), tf.uint8)
