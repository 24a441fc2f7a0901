import dataclasses
import time

import numpy as np
import pytest
import tensorflow as tf

from models import annotation_fraction, clip_features, feature_pipeline, tokenizer
from schemas import video_features

_WORDS = [f"video{v}word{c}" for v in range(12) for c in range(6)]
_TABLE = tokenizer.WordTable(_WORDS, max_words=4)


def _video(number, *, rank=0, seed=0, captions=6):
    """A video with a caption of one word of its own every 4 s, each 2 s long."""
    rng = np.random.default_rng([seed, number])
    starts = [4.0 * c for c in range(captions)]
    ends = [start + 2.0 for start in starts]
    return video_features.VideoFeatures(
        video_id=f"video{number}",
        duration=4.0 * captions,
        streams=[
            video_features.FeatureStream(
                "2d", 1.0, rng.normal(size=(4 * captions, 3)).astype(np.float16)
            ),
            video_features.FeatureStream(
                "3d", 1.5, rng.normal(size=(6 * captions, 2)).astype(np.float16)
            ),
        ],
        captions=[f"video{number}word{c}" for c in range(captions)],
        caption_starts=starts,
        caption_ends=ends,
        clip_starts=starts,
        clip_ends=ends,
        search_rank=rank,
    )


def _write(path, *videos):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for video in videos:
            writer.write(video_features.serialize_video_features(video))
    return str(path)


def _dataset(files, **settings):
    defaults = {
        "videos_per_batch": 3,
        "pairs_per_video": 4,
        "word_table": _TABLE,
        "shuffle_buffer": 16,
        "seed": 5,
    }
    return feature_pipeline.training_dataset(files, **{**defaults, **settings})


def _batches(files, count=None, **settings):
    dataset = _dataset(files, **settings)
    return list(dataset.take(-1 if count is None else count).as_numpy_iterator())


def _captions(batch):
    """Returns (video, caption) of the first word of each pair, int [B, 2]."""
    return np.stack(np.divmod(batch["word_ids"][:, 0] - 1, 6), axis=1)


def _assert_equal(first, second):
    for one, other in zip(first, second, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.fixture
def files(tmp_path):
    """Ten videos in two shards."""
    videos = [_video(v, rank=v) for v in range(10)]
    _write(tmp_path / "features-00000-of-00002.tfrecord", *videos[:4])
    _write(tmp_path / "features-00001-of-00002.tfrecord", *videos[4:])
    return str(tmp_path / "features-*")


def test_pairs_are_a_clips_pooled_features_and_its_caption():
    record = _video(3)
    pairs = feature_pipeline.sample_pairs(record, np.random.default_rng(0), pairs_per_video=50)
    streams = [(stream.values, stream.rate) for stream in record.streams]
    assert pairs.features.dtype == np.float32
    assert set(pairs.captions) == set(record.captions)
    for vector, caption in zip(pairs.features, pairs.captions, strict=True):
        start = record.caption_starts[record.captions.index(caption)]
        expected = clip_features.pool_clip(streams, start, start + 2.0)
        np.testing.assert_allclose(vector, expected, rtol=1e-6)


def test_pooling_by_integers_orders_all_float16_numbers():
    values = np.array(
        [[-np.inf, -65504, -1.5, -6e-8], [-1.0, 6e-8, -1.0, -0.0], [-2.0, 65504, -2.0, -1e-3]],
        np.float16,
    )
    stream = video_features.FeatureStream("2d", 1.0, values)
    expected = clip_features.pool_clip([(values, 1.0)], 0.0, 2.0)
    np.testing.assert_array_equal(feature_pipeline._pool_clips([stream], [(0.0, 2.0)])[0], expected)


def test_a_grown_caption_lasts_from_its_first_start_to_its_last_end():
    record = dataclasses.replace(_video(1), captions=["a b", "c", "d e", "f", "g", "h"])
    pairs = feature_pipeline.sample_pairs(
        record, np.random.default_rng(0), pairs_per_video=60, min_seconds=5.0
    )
    # 2 s become 6 s with one neighbour, the previous one where there are two.
    texts = {"a b c": (0, 6), "c d e": (4, 10), "d e f": (8, 14), "f g": (12, 18), "g h": (16, 22)}
    assert set(pairs.captions) == set(texts)
    streams = [(stream.values, stream.rate) for stream in record.streams]
    for vector, text in zip(pairs.features, pairs.captions, strict=True):
        expected = clip_features.pool_clip(streams, *texts[text])
        np.testing.assert_allclose(vector, expected, rtol=1e-6)


def test_words_are_counted_and_joined_in_the_order_that_is_asked_for():
    record = dataclasses.replace(
        _video(1, captions=3), captions=["alpha beta", "don't stop-it", "gamma"]
    )

    def texts(order):
        pairs = feature_pipeline.sample_pairs(
            record,
            np.random.default_rng(0),
            pairs_per_video=60,
            min_words=4,
            growing_order=order,
        )
        return set(pairs.captions)

    # "don't stop-it" has three words: it grows by the longer neighbour, the previous one.
    assert texts("time") == {"alpha beta don't stop-it", "don't stop-it gamma"}
    assert texts("reference") == {
        "alpha beta don't stop-it",
        "don't stop-it alpha beta",
        "gamma don't stop-it",
    }


def test_captions_are_drawn_with_replacement_and_evenly():
    pairs = feature_pipeline.sample_pairs(_video(0), np.random.default_rng(0), pairs_per_video=6000)
    _, counts = np.unique(pairs.captions, return_counts=True)
    assert counts.min() > 850
    assert counts.max() < 1150


def test_captions_grow_only_by_captions_of_the_fraction():
    record = _video(2)
    kept = {
        caption
        for caption, start in zip(record.captions, record.caption_starts, strict=True)
        if annotation_fraction.is_kept("video2", start, 0.5)
    }
    assert 0 < len(kept) < 6
    pairs = feature_pipeline.sample_pairs(
        record, np.random.default_rng(0), pairs_per_video=20, min_words=6, train_fraction=0.5
    )
    assert set(pairs.captions) == {" ".join(sorted(kept))}


def test_batches_are_video_major_with_distinct_videos(files):
    for batch in _batches(files, count=9):
        assert batch["features"].shape == (12, 5)
        assert batch["features"].dtype == np.float32
        assert batch["word_ids"].shape == (12, 4)
        assert batch["word_ids"].dtype == np.int64
        videos = _captions(batch)[:, 0].reshape(3, 4)
        assert (videos == videos[:, :1]).all()
        assert len(set(videos[:, 0])) == 3
        # Each stream is at length 1.
        np.testing.assert_allclose(np.linalg.norm(batch["features"], axis=1), 2**0.5, rtol=1e-5)


def test_features_and_captions_of_a_row_belong_together(files):
    (batch,) = _batches(files, count=1)
    for vector, (video, caption) in zip(batch["features"], _captions(batch), strict=True):
        record = _video(int(video))
        streams = [(stream.values, stream.rate) for stream in record.streams]
        expected = clip_features.pool_clip(streams, 4.0 * caption, 4.0 * caption + 2.0)
        np.testing.assert_allclose(vector, expected, rtol=1e-6)


def test_half_of_the_sampled_negatives_are_of_the_same_video(files):
    first, second = _batches(files, count=2)
    same = np.repeat(np.arange(3), 4)[:, None] == np.repeat(np.arange(3), 4)[None, :]
    for negatives in (first["negatives"], second["negatives"]):
        assert set(np.unique(negatives)) == {0.0, 1.0}
        assert (np.diagonal(negatives) == 0).all()
        np.testing.assert_array_equal((negatives * same).sum(axis=1), 3)
        np.testing.assert_array_equal((negatives * ~same).sum(axis=1), 3)
    assert (first["negatives"] != second["negatives"]).any()


def test_other_negatives_by_name(files):
    same = np.repeat(np.arange(3), 4)[:, None] == np.repeat(np.arange(3), 4)[None, :]
    (batch,) = _batches(files, count=1, negatives="other_videos")
    assert not batch["negatives"][same].any()
    np.testing.assert_array_equal(batch["negatives"].sum(axis=1), 6)
    (batch,) = _batches(files, count=1, negatives="reference", hard_negative_rate=0.8)
    np.testing.assert_allclose(batch["negatives"][same], 3 * 0.8)
    np.testing.assert_allclose(batch["negatives"][~same], 3 * 0.2 / 2, rtol=1e-6)
    with pytest.raises(ValueError, match="give one of sampled, reference, other_videos"):
        _dataset(files, negatives="hard")


def test_seed_decides_the_batches(files):
    first = _batches(files, count=5)
    _assert_equal(first, _batches(files, count=5))
    other = _batches(files, count=5, seed=6)
    assert any((a["word_ids"] != b["word_ids"]).any() for a, b in zip(first, other, strict=True))


def test_a_run_goes_on_with_the_batch_after_its_last(files):
    _assert_equal(_batches(files, count=8)[5:], _batches(files, count=3, first_batch=5))


def test_without_repetition_each_iteration_is_the_same_single_pass(files):
    dataset = _dataset(files, repeat=False)
    first, second = list(dataset.as_numpy_iterator()), list(dataset.as_numpy_iterator())
    assert len(first) == 3
    _assert_equal(first, second)


def test_each_pass_is_shuffled_and_drawn_anew(files):
    batches = _batches(files, count=9)
    passes = [np.concatenate([_captions(b) for b in batches[i : i + 3]]) for i in (0, 3, 6)]
    assert all(len({video for video, _ in one}) == 9 for one in passes)
    assert (passes[0] != passes[1]).any()
    assert (passes[1] != passes[2]).any()


def test_search_ranks_above_the_limit_and_unknown_ones_are_left_out(files):
    batches = _batches(files, count=4, max_search_rank=4)
    videos = {int(video) for batch in batches for video in _captions(batch)[:, 0]}
    assert videos == {1, 2, 3, 4}
    assert not _batches(files, max_search_rank=2)


def test_fractions_are_nested_and_leave_out_videos_without_a_caption(files):
    def drawn(fraction):
        batches = _batches(
            files, count=60, videos_per_batch=2, pairs_per_video=8, train_fraction=fraction
        )
        return {tuple(pair) for batch in batches for pair in _captions(batch).tolist()}

    tenth, half, whole = drawn(0.15), drawn(0.5), drawn(1.0)
    assert 0 < len(tenth) < len(half) < len(whole) == 60
    assert tenth < half < whole
    assert len({video for video, _ in tenth}) < 10


def test_the_layout_is_that_of_the_first_record(files, tmp_path):
    assert feature_pipeline.feature_layout(files) == [
        {"name": "2d", "rate": 1.0, "size": 3},
        {"name": "3d", "rate": 1.5, "size": 2},
    ]
    empty = _write(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"there is no feature record in .*empty"):
        feature_pipeline.feature_layout(empty)
    with pytest.raises(FileNotFoundError, match=r"no feature records match .*nothing"):
        feature_pipeline.feature_layout(str(tmp_path / "nothing*"))


def test_records_with_other_streams_are_an_error_that_names_the_video(tmp_path):
    odd = _video(7)
    odd = dataclasses.replace(odd, streams=odd.streams[:1])
    path = _write(tmp_path / "features", _video(0), _video(1), odd)
    message = (
        r"video video7 has the features 2d \(3 at 1 a second\), but the first video has "
        r"2d \(3 at 1 a second\), 3d \(2 at 1.5 a second\)"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        _batches(path, count=1)


def test_nothing_is_drawn_ahead(files, monkeypatch):
    # A draw in the background when the process ends would keep it from ending.
    drawn = []

    def record_draw(record, *arguments, **settings):
        drawn.append(record.video_id)
        return sample_pairs(record, *arguments, **settings)

    sample_pairs = feature_pipeline.sample_pairs
    monkeypatch.setattr(feature_pipeline, "sample_pairs", record_draw)
    batches = iter(_dataset(files))
    for count in (3, 6):
        next(batches)
        time.sleep(0.3)
        assert len(drawn) == count
