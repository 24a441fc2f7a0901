import dataclasses
import io

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from models import annotation_fraction, input_pipeline, tokenizer
from schemas import records

_WORDS = ["zero", "one", "two", "three", "near", "next"]
_NUMBERS = _WORDS[:4]
_ALPHABET = [f"word{i}" for i in range(40)]


def _jpeg(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    PIL.Image.fromarray(pixels).save(data, "JPEG", quality=95, subsampling=0)
    return data.getvalue()


def _grey(level: int, height: int = 24, width: int = 32) -> bytes:
    return _jpeg(np.full((height, width, 3), level, np.uint8))


def _ramp(height: int = 48, width: int = 64) -> np.ndarray:
    """Returns an image in which red tells the column and green the row."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns * 4, rows * 4, np.zeros_like(rows)], axis=-1).astype(np.uint8)


def _record(frames: list[bytes], index: int = 0, rate: float = 10.0) -> records.ClipRecord:
    return records.ClipRecord(
        video_id=f"video{index}",
        clip_index=index,
        clip_start=2.0,
        clip_end=2.0 + len(frames) / rate,
        frame_rate=rate,
        frames=frames,
        captions=[_NUMBERS[index % 4], "near", "next"],
        caption_starts=[2.5, 1.0, 4.0],
        caption_ends=[3.5, 2.0, 5.0],
        task="count",
    )


def _write(path, *clips: records.ClipRecord) -> str:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for clip in clips:
            writer.write(records.serialize_clip(clip))
    return str(path)


def _training(files, **settings):
    defaults = {
        "batch_size": 4,
        "num_candidates": 2,
        "num_frames": 4,
        "frame_rate": 5.0,
        "image_size": 24,
        "word_table": tokenizer.WordTable(_WORDS, max_words=3),
        "seed": 7,
        "shuffle_buffer": 16,
    }
    return input_pipeline.training_dataset(files, **{**defaults, **settings})


def _evaluation(files, **settings):
    defaults = {"num_frames": 4, "frame_rate": 5.0, "image_size": 24, "num_windows": 3}
    return input_pipeline.evaluation_dataset(files, **{**defaults, **settings})


def _levels(video: np.ndarray) -> np.ndarray:
    """Returns the grey level of each frame of plain frames, after checking that they are plain."""
    video = video.astype(int)
    assert (video.max(axis=(-3, -2, -1)) - video.min(axis=(-3, -2, -1)) <= 1).all()
    return np.round(video.mean(axis=(-3, -2, -1))).astype(int)


def test_clips_are_random_stretches_at_the_asked_frame_rate(tmp_path):
    path = _write(tmp_path / "clips", _record([_grey(10 * i) for i in range(20)]))
    batch = next(iter(_training(path, batch_size=64)))
    assert batch["video"].shape == (64, 4, 24, 24, 3)
    assert batch["video"].dtype == tf.uint8
    levels = _levels(batch["video"].numpy())
    np.testing.assert_array_equal(np.diff(levels, axis=1), 20)
    # Four frames two apart span seven stored frames, so a clip may start at 0 ... 13.
    assert set(levels[:, 0]) <= {10 * i for i in range(14)}
    assert {0, 130} <= set(levels[:, 0])


def test_rates_that_do_not_divide_take_the_nearest_stored_frame(tmp_path):
    path = _write(tmp_path / "clips", _record([_grey(20 * i) for i in range(9)]))
    # Positions 0, 2.5, 5, 7.5 round to 0, 3, 5, 8: the clip fits only at the start.
    video = next(iter(_training(path, frame_rate=4.0)))["video"].numpy()
    np.testing.assert_array_equal(_levels(video), [[0, 60, 100, 160]] * 4)


def test_short_clips_end_in_black(tmp_path):
    path = _write(tmp_path / "clips", _record([_grey(100), _grey(110), _grey(120)]))
    video = next(iter(_training(path)))["video"].numpy()
    np.testing.assert_array_equal(_levels(video), [[100, 120, 0, 0]] * 4)


def test_crops_equal_the_cut_of_the_decoded_frame(tmp_path):
    encoded = _jpeg(_ramp())
    decoded = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE").numpy()
    path = _write(tmp_path / "clips", _record([encoded] * 7))
    batch = next(iter(_training(path, batch_size=64, random_flip=False)))["video"].numpy()
    cuts = {
        decoded[top : top + 24, left : left + 24].tobytes(): (top, left)
        for top in range(25)
        for left in range(41)
    }
    corners = []
    for video in batch:
        assert len({frame.tobytes() for frame in video}) == 1
        corners.append(cuts[video[0].tobytes()])
    tops, lefts = np.transpose(corners)
    assert min(tops) <= 3
    assert max(tops) >= 21
    assert min(lefts) <= 3
    assert max(lefts) >= 37


def test_half_of_the_clips_are_mirrored_as_a_whole(tmp_path):
    path = _write(tmp_path / "clips", _record([_jpeg(_ramp())] * 7))
    video = next(iter(_training(path, batch_size=200)))["video"].numpy().astype(int)
    mirrored = video[:, :, 12, 0, 0] > video[:, :, 12, -1, 0]
    assert (mirrored == mirrored[:, :1]).all()
    assert 70 <= mirrored[:, 0].sum() <= 130


def test_scaled_crops_show_between_the_least_fraction_and_the_whole_short_side(tmp_path):
    path = _write(tmp_path / "clips", _record([_jpeg(_ramp())] * 7))
    dataset = _training(path, batch_size=64, min_crop=0.5, image_size=12, random_flip=False)
    video = next(iter(dataset))["video"].numpy().astype(float)
    assert video.shape == (64, 4, 12, 12, 3)
    # The ramp rises by 4 for each stored pixel; 11 steps of side / 12 stored pixels lie between
    # the outer columns, less what the filter loses at the border.
    sides = (video[:, 0, 6, 10, 0] - video[:, 0, 6, 1, 0]) / 4 / 9 * 12
    assert sides.min() >= 23
    assert sides.min() <= 27
    assert sides.max() <= 49
    assert sides.max() >= 45


def test_whole_square_is_the_frame_when_its_sides_are_equal(tmp_path):
    path = _write(tmp_path / "clips", _record([_jpeg(_ramp(48, 48))] * 7))
    dataset = _training(path, min_crop=1.0, image_size=24, random_flip=False)
    video = next(iter(dataset))["video"].numpy().astype(float)
    # Halving a linear ramp averages it: column j shows 4 * (2 j + 0.5).
    expected = 4 * (2 * np.arange(24) + 0.5)
    np.testing.assert_allclose(video[0, 0, 12, 2:-2, 0], expected[2:-2], atol=2)


def test_word_ids_are_those_of_the_first_captions(tmp_path):
    path = _write(tmp_path / "clips", *[_record([_grey(50 * i)] * 7, i) for i in range(4)])
    batch = next(iter(_training(path)))
    assert batch["word_ids"].shape == (4, 2, 3)
    own = _levels(batch["video"].numpy())[:, 0] // 50 + 1
    assert sorted(own) == [1, 2, 3, 4]
    np.testing.assert_array_equal(batch["word_ids"][:, 0], [[i, 0, 0] for i in own])
    np.testing.assert_array_equal(batch["word_ids"][:, 1], [[5, 0, 0]] * 4)


def test_each_pass_reads_every_clip_of_every_shard_once(tmp_path):
    for shard in range(3):
        clips = [_record([_grey(20 * (4 * shard + i))] * 7) for i in range(4)]
        _write(tmp_path / f"clips-{shard}", *clips)
    dataset = _training(str(tmp_path / "clips-*"), batch_size=6)
    halves = [_levels(batch["video"])[:, 0] for batch in dataset.take(4).as_numpy_iterator()]
    passes = [np.concatenate(halves[:2]), np.concatenate(halves[2:])]
    for levels in passes:
        assert sorted(levels) == [20 * i for i in range(12)]
    assert list(passes[0]) != list(passes[1])


def test_last_batch_is_kept_or_left_out(tmp_path):
    path = _write(tmp_path / "clips", *[_record([_grey(50 * i)] * 7, i) for i in range(3)])
    sizes = {
        drop: [
            len(batch["video"])
            for batch in _training(path, batch_size=2, repeat=False, drop_remainder=drop)
        ]
        for drop in (True, False)
    }
    assert sizes == {True: [2], False: [2, 1]}


def test_seed_decides_the_batches(tmp_path):
    clips = [_record([_jpeg(_ramp())] * 9, i) for i in range(4)]
    paths = [_write(tmp_path / "clips-0", *clips[:2]), _write(tmp_path / "clips-1", *clips[2:])]

    def batches(seed):
        taken = list(_training(paths, seed=seed, batch_size=3).take(4).as_numpy_iterator())
        return np.stack([batch["video"] for batch in taken])

    first = batches(1)
    np.testing.assert_array_equal(first, batches(1))
    assert (first != batches(2)).any()


def test_too_few_captions_are_an_error(tmp_path):
    path = _write(tmp_path / "clips", _record([_grey(0)] * 7))
    with pytest.raises(tf.errors.InvalidArgumentError, match="stores fewer captions"):
        next(iter(_training(path, num_candidates=4)))


def test_square_of_frames_smaller_than_the_crop_is_scaled_up(tmp_path):
    columns = np.tile(np.arange(12, dtype=np.uint8)[None, :, None] * 20, (12, 1, 3))
    path = _write(tmp_path / "clips", _record([_jpeg(columns)] * 7))
    batch = next(iter(_training(path, batch_size=1, drop_remainder=False, random_flip=False)))
    row = batch["video"].numpy()[0, 0, 12, :, 0].astype(int)
    # Scaled from 12 to 24 pixels, each second step of the ramp lies at the same place.
    np.testing.assert_allclose(row[2::2], np.arange(1, 12) * 20 - 5, atol=4)


def test_windows_are_evenly_spaced(tmp_path):
    path = _write(tmp_path / "clips", _record([_grey(10 * i) for i in range(24)]))
    # 2.4 s less 0.8 s of the window and the guard of 0.4 s: starts at 0, 0.6 and 1.2 s.
    clip = next(iter(_evaluation(path)))
    assert clip["video"].shape == (3, 4, 24, 24, 3)
    np.testing.assert_array_equal(
        _levels(clip["video"].numpy()),
        [[0, 20, 40, 60], [60, 80, 100, 120], [120, 140, 160, 180]],
    )
    clip = next(iter(_evaluation(path, num_windows=2, end_guard=0.0)))
    np.testing.assert_array_equal(_levels(clip["video"].numpy())[1], [160, 180, 200, 220])
    clip = next(iter(_evaluation(path, num_windows=1)))
    np.testing.assert_array_equal(_levels(clip["video"].numpy()), [[0, 20, 40, 60]])


def test_windows_of_a_short_clip_are_equal_and_end_in_black(tmp_path):
    path = _write(tmp_path / "clips", _record([_grey(100), _grey(110), _grey(120)]))
    clip = next(iter(_evaluation(path)))
    np.testing.assert_array_equal(_levels(clip["video"].numpy()), [[100, 120, 0, 0]] * 3)


@pytest.mark.parametrize("shape", [(48, 64), (64, 48)])
def test_windows_show_the_central_square(tmp_path, shape):
    encoded = _jpeg(_ramp(*shape))
    decoded = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE").numpy()
    top, left = (shape[0] - 48) // 2, (shape[1] - 48) // 2
    path = _write(tmp_path / "clips", _record([encoded] * 7))
    clip = next(iter(_evaluation(path, image_size=48)))
    np.testing.assert_array_equal(clip["video"][0, 0], decoded[top : top + 48, left : left + 48])


def test_evaluation_keeps_the_order_and_the_metadata(tmp_path):
    for shard in range(2):
        clips = [_record([_grey(0)] * 8, 2 * shard + i) for i in range(2)]
        _write(tmp_path / f"clips-{shard}", *clips)
    clips = list(_evaluation(str(tmp_path / "clips-*")).as_numpy_iterator())
    assert [clip["caption"].decode() for clip in clips] == _NUMBERS
    assert [clip["video_id"].decode() for clip in clips] == [f"video{i}" for i in range(4)]
    assert clips[0]["task"] == b"count"
    times = [clips[0][name] for name in ("caption_start", "caption_end", "clip_start", "clip_end")]
    np.testing.assert_allclose(times, [2.5, 3.5, 2.0, 2.8])


def test_missing_files_and_bad_settings_are_refused(tmp_path):
    pattern = str(tmp_path / "clips-*")
    with pytest.raises(FileNotFoundError, match="no clip records match"):
        _training(pattern)
    with pytest.raises(FileNotFoundError, match="no clip records match"):
        _evaluation([pattern])
    path = _write(tmp_path / "clips", _record([_grey(0)] * 7))
    with pytest.raises(ValueError, match=r"min_crop is 1\.5"):
        _training(path, min_crop=1.5)
    with pytest.raises(ValueError, match="frame_rate is 0"):
        _training(path, frame_rate=0)
    with pytest.raises(ValueError, match="end_guard is -1"):
        _evaluation(path, end_guard=-1)


def test_a_fraction_keeps_whole_clips_and_grows_with_the_fraction(tmp_path):
    clips = [
        dataclasses.replace(_record([_grey(0)] * 7, i), captions=[word, "near", "next"])
        for i, word in enumerate(_ALPHABET)
    ]
    path = _write(tmp_path / "clips", *clips)
    table = tokenizer.WordTable(_ALPHABET, max_words=1)

    def kept(fraction):
        dataset = _training(
            path,
            word_table=table,
            num_candidates=1,
            batch_size=1,
            repeat=False,
            train_fraction=fraction,
        )
        return {int(batch["word_ids"][0, 0, 0]) for batch in dataset}

    expected = {i + 1 for i in range(40) if annotation_fraction.is_kept(f"video{i}", 2.5, 0.5)}
    assert kept(1.0) == set(range(1, 41))
    assert kept(0.5) == expected
    assert 10 <= len(expected) <= 30
    assert kept(0.25) < expected


def _uneven_shards(folder, sizes=(3, 0, 5, 1)) -> str:
    """Writes clips of plain frames, each clip of its own levels; returns their pattern."""
    number = 0
    for shard, size in enumerate(sizes):
        clips = []
        for _ in range(size):
            frames = [_grey(20 * number + frame) for frame in range(12)]
            clips.append(dataclasses.replace(_record(frames, number), clip_start=float(number)))
            number += 1
        _write(folder / f"clips-{shard}", *clips)
    return str(folder / "clips-*")


def _taken(pattern, count, **settings) -> list[dict[str, np.ndarray]]:
    return list(_training(pattern, **settings).take(count).as_numpy_iterator())


def _assert_equal_batches(batches, expected):
    assert len(batches) == len(expected)
    for batch, other in zip(batches, expected, strict=True):
        np.testing.assert_array_equal(batch["video"], other["video"])
        np.testing.assert_array_equal(batch["word_ids"], other["word_ids"])


@pytest.mark.parametrize("cache_frames", [False, True])
@pytest.mark.parametrize("settings", [{}, {"train_fraction": 0.6}])
def test_a_later_batch_needs_no_earlier_one(tmp_path, settings, cache_frames):
    pattern = _uneven_shards(tmp_path)
    # Nine clips, fewer with the fraction: a pass ends within the batches 2, 4 and 6, or earlier.
    expected = _taken(pattern, 8, **settings)
    for first in (1, 3, 6):
        batches = _taken(
            pattern, 8 - first, first_batch=first, cache_frames=cache_frames, **settings
        )
        # Plain frames have no border at which decoded crops differ.
        _assert_equal_batches(batches, expected[first:])


def test_the_batches_do_not_depend_on_what_else_the_process_draws(tmp_path):
    pattern = _uneven_shards(tmp_path)
    expected = _taken(pattern, 3)
    tf.random.set_seed(99)
    _assert_equal_batches(_taken(pattern, 3), expected)


def test_pipelines_share_each_batch(tmp_path):
    pattern = _uneven_shards(tmp_path)
    expected = _taken(pattern, 3)
    for part_size in (1, 2):
        parts = [
            _taken(pattern, 6 // part_size, pipelines=2, pipeline=p, part_size=part_size)
            for p in range(2)
        ]
        for name in ("video", "word_ids"):
            # [2, 3 batches, 2 clips, ...]: two clips of each batch come from each pipeline.
            clips = [np.concatenate([part[name] for part in of_one]) for of_one in parts]
            joined = np.concatenate([half.reshape(3, 2, *half.shape[1:]) for half in clips], axis=1)
            np.testing.assert_array_equal(joined, [batch[name] for batch in expected])


def test_one_pipeline_feeds_its_replicas_in_turn(tmp_path):
    pattern = _uneven_shards(tmp_path)
    halves = _taken(pattern, 4, part_size=2)
    whole = _taken(pattern, 2)
    for i, batch in enumerate(whole):
        parts = [half["video"] for half in halves[2 * i : 2 * i + 2]]
        np.testing.assert_array_equal(np.concatenate(parts), batch["video"])


@pytest.mark.parametrize(
    "sharing", [{"pipelines": 3}, {"pipelines": 2, "pipeline": 2}, {"part_size": 3}]
)
def test_a_batch_that_cannot_be_shared_is_one_clear_error(tmp_path, sharing):
    with pytest.raises(ValueError, match="share of a batch of 4 clips in parts of"):
        _training(_uneven_shards(tmp_path), **sharing)


def test_cached_frames_differ_at_the_borders_of_crops_alone(tmp_path):
    rng = np.random.default_rng(0)
    encoded = []
    for height, width in ((48, 64), (60, 40), (24, 24)):
        smooth = PIL.Image.fromarray(rng.integers(256, size=(6, 8, 3), dtype=np.uint8))
        data = io.BytesIO()
        smooth.resize((width, height)).save(data, "JPEG", quality=90, subsampling=2)
        encoded.append(data.getvalue())
    path = _write(tmp_path / "clips", *[_record([f] * 9, i) for i, f in enumerate(encoded)])
    (batch,) = _taken(path, 1, batch_size=64)
    (cached,) = _taken(path, 1, batch_size=64, cache_frames=True)
    np.testing.assert_array_equal(cached["word_ids"], batch["word_ids"])
    difference = np.abs(cached["video"].astype(int) - batch["video"].astype(int))
    np.testing.assert_array_equal(difference[:, :, 2:-2, 2:-2], 0)
    assert 0 < difference.max() < 60
    assert difference.mean() < 0.2


def test_no_clip_at_all_is_one_clear_error(tmp_path):
    pattern = _uneven_shards(tmp_path, sizes=(0, 0))
    with pytest.raises(
        ValueError, match=r"no clip record in 2 files such as .*clips-0; add videos"
    ):
        _training(pattern)
    pattern = _uneven_shards(tmp_path, sizes=(2,))
    with pytest.raises(ValueError, match=r"no clip record that training\.train_fraction=1e-06"):
        _training(pattern, train_fraction=1e-6)


def test_clips_are_counted_up_to_a_limit(tmp_path):
    pattern = _uneven_shards(tmp_path)
    kept = {i for i in range(9) if annotation_fraction.is_kept(f"video{i}", tf.constant(2.5), 0.6)}
    assert input_pipeline.count_clips(pattern) == 9
    assert input_pipeline.count_clips(pattern, at_most=4) == 4
    assert input_pipeline.count_clips(pattern, 0.6) == len(kept)
    assert input_pipeline.count_clips(pattern, 0.6, at_most=1) == 1
