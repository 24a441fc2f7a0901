import keras
import numpy as np
import pytest
import tensorflow as tf

from models.export import export_gated_model, export_text_video_model
from models.gated import GatedTextVideoModel
from models.milnce import TextVideoModel
from models.objective import Objective
from models.pretrained import read_word_vectors, restore_weights
from models.s3d import S3D
from models.text_tower import TextTower

WORDS = ["cut", "the", "paper"]
STREAMS = [{"name": "2d", "rate": 1.0, "size": 5}]
VECTORS = np.concatenate([np.zeros((1, 4)), np.random.default_rng(0).normal(size=(3, 4))])


def gated_model(seed: int, vectors=VECTORS, caption_size: int = 6) -> GatedTextVideoModel:
    keras.utils.set_random_seed(seed)
    model = GatedTextVideoModel(5, vectors, caption_size, embedding_size=4)
    model.build()
    return model


def milnce_model(
    seed: int, vectors=VECTORS, embedding_size: int = 6, loss: str = "mil_nce"
) -> TextVideoModel:
    keras.utils.set_random_seed(seed)
    towers = S3D(0.05, embedding_size), TextTower(vectors, 8, embedding_size)
    model = TextVideoModel(*towers, Objective(loss))
    model.build()
    return model


@pytest.fixture(scope="module")
def gated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gated")
    export_gated_model(gated_model(1), folder, WORDS, 3, STREAMS)
    return folder


def test_gated_model_goes_on_where_the_exported_one_ended(gated):
    exported = tf.saved_model.load(str(gated)).signatures
    features = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    other = gated_model(2, vectors=np.zeros_like(VECTORS))
    expected = exported["video"](tf.constant(features))["video_embedding"]
    assert not np.allclose(other.embed_video(features), expected, atol=0.01)

    restore_weights(other, gated)
    np.testing.assert_allclose(other.embed_video(features), expected, atol=1e-6)
    text = exported["text"](tf.constant(["the paper", "cut"]))["text_embedding"]
    ids = np.array([[2, 3, 0], [1, 0, 0]])
    np.testing.assert_allclose(other.embed_text(ids), text, atol=1e-6)


@pytest.fixture(scope="module")
def attentive(tmp_path_factory):
    """Returns a model with attention heads, and where it was exported without them."""
    folder = tmp_path_factory.mktemp("attentive") / "model"
    model = milnce_model(1, loss="attention_nce")
    # Statistics other than 0 and 1 show whether they are restored.
    for weight in model.non_trainable_weights:
        weight.assign(weight + 0.25)
    export_text_video_model(model, folder, WORDS, 3, {})
    return model, folder


def test_milnce_model_goes_on_where_the_exported_one_ended(attentive):
    model, folder = attentive
    towers = model.video_tower.weights + model.text_tower.weights
    assert len(model.weights) == len(towers) + 4
    other = milnce_model(2, vectors=np.zeros_like(VECTORS))
    restore_weights(other, folder)
    for weight, restored in zip(towers, other.weights, strict=True):
        np.testing.assert_array_equal(restored, weight, weight.path)
    clips = np.random.default_rng(1).random((1, 4, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(
        other.embed_video(clips, training=False), model.embed_video(clips, training=False)
    )
    vectors = read_word_vectors(folder)
    np.testing.assert_allclose(vectors, VECTORS + 0.25, rtol=1e-6)


def test_attention_heads_start_anew(attentive):
    model, folder = attentive
    other = milnce_model(2, loss="attention_nce")
    heads = [np.array(weight) for weight in other.weights[-4:]]
    restore_weights(other, folder)
    for weight, restored in zip(model.weights[:-4], other.weights[:-4], strict=True):
        np.testing.assert_array_equal(restored, weight, weight.path)
    for weight, untouched in zip(other.weights[-4:], heads, strict=True):
        np.testing.assert_array_equal(weight, untouched, weight.path)


def test_text_model_of_another_kind_is_refused(attentive):
    _, folder = attentive
    lstm = TextVideoModel(S3D(0.05, 6), TextTower(VECTORS, 8, 6, text_model="lstm"))
    lstm.build()
    with pytest.raises(
        ValueError, match=r"lstm.*/kernel has the shape \(4, 8\) there and \(4, 32\)"
    ):
        restore_weights(lstm, folder)


def test_word_vectors_tell_the_shape_of_the_table(gated):
    vectors = read_word_vectors(gated)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, VECTORS.astype(np.float32))


def test_other_shape_names_the_layer_and_both_shapes(gated):
    model = gated_model(2, caption_size=7)
    before = model.get_weights()
    message = r"caption_layer/words/kernel has the shape \(4, 6\) there and \(4, 7\) here"
    with pytest.raises(ValueError, match=message):
        restore_weights(model, gated)
    for weight, untouched in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, untouched)


def test_other_number_of_weights_is_refused(gated, tmp_path):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, name="only")])
    message = r"a layer that this model lacks has the shape \(4, 4\) .*11 weights there, 2 here"
    with pytest.raises(ValueError, match=message):
        restore_weights(model, gated)
    kernel = tf.Variable(tf.zeros((5, 4)))
    checkpoint = tf.train.Checkpoint(variables=[kernel], word_vectors=kernel)
    checkpoint.write(str(tmp_path / "variables" / "variables"))
    message = r"only/bias has the shape None there and \(4,\) here \(1 weights there, 2 here\)"
    with pytest.raises(ValueError, match=message):
        restore_weights(model, tmp_path)


def test_folder_without_weights_is_refused(tmp_path):
    for read in (lambda: restore_weights(gated_model(1), tmp_path), lambda: read_word_vectors("")):
        with pytest.raises(
            ValueError, match=r"has no weights .* give the folder of a pushed model"
        ):
            read()


def test_checkpoint_of_another_maker_is_refused(tmp_path):
    checkpoint = tf.train.Checkpoint(kernel=tf.Variable([1.0]))
    checkpoint.write(str(tmp_path / "variables" / "variables"))
    with pytest.raises(ValueError, match=r"has no weights .* 'variables'; give the folder"):
        restore_weights(gated_model(1), tmp_path)


def test_damaged_weights_are_refused(gated, tmp_path):
    folder = tmp_path / "variables"
    folder.mkdir()
    for path in (gated / "variables").iterdir():
        content = path.read_bytes()
        (folder / path.name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="has no weights"):
        restore_weights(gated_model(1), tmp_path)
    index = next((gated / "variables").glob("*.index"))
    (folder / index.name).write_bytes(index.read_bytes())
    with pytest.raises(ValueError, match=r"no weights|damaged"):
        restore_weights(gated_model(1), tmp_path)
