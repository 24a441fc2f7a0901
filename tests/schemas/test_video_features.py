import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from schemas import video_features


def _record() -> video_features.VideoFeatures:
    return video_features.VideoFeatures(
        video_id="a video é",
        duration=3.5,
        streams=[
            video_features.FeatureStream("2d", 1.0, np.arange(8, dtype=np.float16).reshape(4, 2)),
            video_features.FeatureStream("3d", 1.5, np.full([5, 3], -0.5, np.float16)),
        ],
        captions=["cut it", "fold it"],
        caption_starts=[0.0, 1.5],
        caption_ends=[1.5, 3.0],
        clip_starts=[0.0, 0.5],
        clip_ends=[3.0, 3.5],
        task="Make a Star",
        search_rank=7,
    )


def test_record_comes_back_as_it_was_written(tmp_path):
    record = _record()
    path = str(tmp_path / "features.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(video_features.serialize_video_features(record))
    (parsed,) = video_features.read_video_features([path])
    for stream, expected in zip(parsed.streams, record.streams, strict=True):
        assert (stream.name, stream.rate) == (expected.name, expected.rate)
        assert stream.values.dtype == np.float16
        np.testing.assert_array_equal(stream.values, expected.values)
    assert dataclasses.replace(parsed, streams=[]) == dataclasses.replace(record, streams=[])


@pytest.mark.parametrize(
    "change",
    [{"captions": []}, {"clip_ends": [1.0]}, {"streams": []}],
    ids=lambda change: next(iter(change)),
)
def test_incomplete_record_is_not_written(change):
    with pytest.raises(ValueError, match="video a video é needs"):
        video_features.serialize_video_features(dataclasses.replace(_record(), **change))


@pytest.mark.parametrize("data", [b"", b"\x0a\x03abc", b"no record"])
def test_other_bytes_are_an_error(data):
    with pytest.raises(ValueError, match="not a record of video features"):
        video_features.parse_video_features(data)
