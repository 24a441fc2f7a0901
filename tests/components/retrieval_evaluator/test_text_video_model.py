import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from components.retrieval_evaluator.text_video_model import ModelError, TextVideoModel
from models import description


def test_a_model_without_the_signatures(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(ModelError, match="no signature text or video"):
        TextVideoModel(str(tmp_path / "empty"))


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ModelError, match="is not a SavedModel that loads"):
        TextVideoModel(str(tmp_path))


def test_embeddings_that_are_not_finite_are_an_error(colour_world, tmp_path):
    model = TextVideoModel(colour_world.write_model(tmp_path / "model", bias=float("nan")))
    with pytest.raises(ModelError, match="not finite"):
        model.embed_video(np.zeros([1, 2, 4, 4, 3], np.uint8))


def test_text_embeddings_that_are_not_finite_may_be_asked_for(colour_world, tmp_path):
    model = TextVideoModel(colour_world.write_model(tmp_path / "model", sign=float("nan")))
    with pytest.raises(ModelError, match="not finite"):
        model.embed_text(["red paint"])
    # A sentence of which the model knows nothing is embedded as zeros.
    found = model.embed_text(["red paint", "nothing"], finite=False)
    assert np.isfinite(found).all(axis=1).tolist() == [False, True]


def test_a_model_tells_how_many_words_it_keeps_if_it_tells_anything(colour_world, tmp_path):
    assert TextVideoModel(colour_world.write_model(tmp_path / "foreign")).max_words is None
    path = colour_world.write_feature_model(tmp_path / "model")
    assert TextVideoModel(path).max_words is None
    told = description.read_description(path)
    config = {**told.config, "max_words": 12}
    description.write_description(path, dataclasses.replace(told, config=config))
    model = TextVideoModel(path)
    assert model.max_words == 12
    assert model.description.words == ["red", "green", "blue", "paint"]


def test_a_model_of_frames_takes_no_features(colour_world, tmp_path):
    model = TextVideoModel(colour_world.write_model(tmp_path / "model"))
    assert model.features is None
    with pytest.raises(ModelError, match="takes images, not features: it is another kind"):
        model.embed_features(np.zeros([1, 3], np.float32))


def test_a_model_of_features_takes_no_frames_and_no_other_size(colour_world, tmp_path):
    model = TextVideoModel(colour_world.write_feature_model(tmp_path / "model"))
    assert [stream["size"] for stream in model.features] == [2, 1]
    with pytest.raises(ModelError, match="takes features, not images: it is another kind"):
        model.embed_video(np.zeros([1, 2, 4, 4, 3], np.uint8))
    with pytest.raises(ModelError, match=r"takes features of shape \(None, 3\), not \(2, 4\)"):
        model.embed_features(np.zeros([2, 4], np.float32))


def test_a_damaged_description_is_an_error(colour_world, tmp_path):
    path = colour_world.write_feature_model(tmp_path / "model")
    (tmp_path / "model" / "assets.extra" / "howto100m.json").write_text("{")
    with pytest.raises(ModelError, match=r"howto100m\.json is damaged"):
        TextVideoModel(path)
