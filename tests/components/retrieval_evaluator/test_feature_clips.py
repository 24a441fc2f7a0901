import numpy as np
import pytest
import tensorflow as tf

from components.retrieval_evaluator import feature_clips
from components.retrieval_evaluator.clips import Clip
from components.retrieval_evaluator.feature_clips import FeatureClips
from components.retrieval_evaluator.text_video_model import ModelError, TextVideoModel
from schemas import video_features


class _Echo:
    """A model whose video embedding is the clip's vector; it notes the size of each batch."""

    path = "echo"
    features = None

    def __init__(self):
        self.batches = []

    def embed_features(self, features):
        self.batches.append(len(features))
        return features


def _write(path, **changes):
    streams = changes.pop(
        "streams",
        [
            video_features.FeatureStream("2d", 1.0, np.array([[3, 0], [0, 4], [9, 9]], np.float16)),
            video_features.FeatureStream("3d", 0.5, np.array([[2], [-5]], np.float16)),
        ],
    )
    record = {
        "video_id": "v",
        "duration": 3.0,
        "streams": streams,
        "captions": ["first", "second"],
        "caption_starts": [0.25, 2.0],
        "caption_ends": [0.75, 3.0],
        "clip_starts": [0.0, 2.0],
        "clip_ends": [1.5, 3.0],
        "task": "tea",
        **changes,
    }
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(
            video_features.serialize_video_features(video_features.VideoFeatures(**record))
        )
    return str(path)


def test_clips_are_pooled_by_hand(tmp_path):
    source = FeatureClips([_write(tmp_path / "features")])
    embedded = source.embed(_Echo())
    assert embedded.clips == [
        Clip("v", "first", 0.25, 0.75, 0.0, 1.5, "tea"),
        Clip("v", "second", 2.0, 3.0, 2.0, 3.0, "tea"),
    ]
    assert embedded.num_expected == 2
    # Rows 0 and 1 of 2d: (3, 4) / 5; row 0 of 3d: 2 / 2. Then row 2 and row 1.
    half = np.sqrt(0.5)
    expected = [[0.6, 0.8, 1.0], [half, half, -1.0]]
    np.testing.assert_allclose(embedded.embeddings, expected, atol=1e-6)


def test_batches_cross_videos_and_a_cap_leaves_the_count(colour_world, tmp_path, monkeypatch):
    files = colour_world.write_features(tmp_path, colour_world.captions)
    whole = FeatureClips(files).embed(_Echo())
    # The videos v0, v1 and v2 have 3, 3 and 2 clips.
    assert [clip.video_id for clip in whole.clips] == ["v0"] * 3 + ["v1"] * 3 + ["v2"] * 2
    monkeypatch.setattr(feature_clips, "_BATCH", 4)
    echo = _Echo()
    again = FeatureClips(files[::-1]).embed(echo)
    assert echo.batches == [4, 4]
    assert again.clips == whole.clips
    np.testing.assert_array_equal(again.embeddings, whole.embeddings)
    capped = FeatureClips(files).embed(_Echo(), max_clips=5)
    assert capped.clips == whole.clips[:5]
    assert capped.num_expected == 8
    np.testing.assert_array_equal(capped.embeddings, whole.embeddings[:5])


def test_no_files_and_empty_files_give_no_clips(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "empty")):
        pass
    for files in ([], [str(tmp_path / "empty")]):
        embedded = FeatureClips(files).embed(_Echo())
        assert (embedded.clips, embedded.embeddings.shape, embedded.num_expected) == ([], (0, 0), 0)


def test_the_protocol_names_the_streams(tmp_path):
    source = FeatureClips([_write(tmp_path / "features")])
    assert source.protocol()["features"] == [
        {"name": "2d", "rate": 1.0, "size": 2},
        {"name": "3d", "rate": 0.5, "size": 1},
    ]
    assert source.protocol()["score"].startswith("cosine")
    assert "2d (2 at 1 a second), 3d (1 at 0.5 a second)" in source.in_words()
    assert "maximum over the rows" in source.in_words()


def test_features_of_other_streams_than_the_models_are_an_error(colour_world, tmp_path):
    layout = [{"name": "2d", "rate": 2.0, "size": 2}, {"name": "3d", "rate": 1.5, "size": 1}]
    path = colour_world.write_feature_model(tmp_path / "model", layout=layout)
    source = FeatureClips(colour_world.write_features(tmp_path, colour_world.captions))
    with pytest.raises(ModelError, match=r"on the features 2d \(2 at 2 .*these are 2d \(2 at 1 "):
        source.embed(TextVideoModel(path))
    # A model that does not tell is taken at its size.
    path = colour_world.write_feature_model(tmp_path / "untold", layout=None)
    assert source.embed(TextVideoModel(path)).embeddings.shape == (8, 3)


def test_records_that_disagree_are_an_error(tmp_path):
    other = [video_features.FeatureStream("2d", 1.0, np.ones([3, 4], np.float16))]
    files = [
        _write(tmp_path / "features-0"),
        _write(tmp_path / "features-1", streams=other, video_id="w"),
    ]
    with pytest.raises(ValueError, match=r"video w has the features 2d \(4 at 1 a second\)"):
        FeatureClips(files).embed(_Echo())


def test_a_clip_past_its_features_names_the_video(tmp_path):
    path = _write(tmp_path / "features", clip_starts=[0.0, 7.0], clip_ends=[1.5, 9.0])
    with pytest.raises(ValueError, match=r"video v: a clip from 7\.0 to 9\.0 s has no row"):
        FeatureClips([path]).embed(_Echo())


def test_a_damaged_shard_names_the_file(tmp_path):
    path = tmp_path / "features"
    _write(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="features is damaged"):
        FeatureClips([str(path)]).embed(_Echo())
