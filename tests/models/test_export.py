import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub

from models.description import ModelDescription, read_description
from models.export import export_gated_model, export_text_video_model
from models.gated import GatedTextVideoModel
from models.i3d import I3D
from models.milnce import TextVideoModel
from models.objective import Objective
from models.s3d import CONV_STEM, S3D
from models.text_tower import TextTower
from models.tokenizer import WordTable

WORDS = ["cut", "the", "paper", "crème"]
MAX_WORDS = 4
CONFIG = {"width": 0.125, "stem": "space_to_depth"}
STREAMS = [{"name": "2d", "rate": 1.0, "size": 4}, {"name": "3d", "rate": 1.5, "size": 3}]
SENTENCES = ["Cut the paper", "now the CRÈME, please", "", "paper paper paper paper cut"]

# What a user's program does, in a process that knows nothing of this project.
CLIENT = """
import json, sys
import numpy as np
import tensorflow as tf
import tensorflow_hub as hub

path, clips_file, sentences, output = sys.argv[1:]
clips = np.load(clips_file)
sentences = np.array(json.loads(sentences))
loaded = hub.load(path)
result = {}

# The way of the public module's documentation: signatures looked up, called by position.
video = loaded.signatures["video"]
text = loaded.signatures["text"]
frames = tf.cast(clips, dtype=tf.float32)
result["video"] = video(tf.constant(frames))["video_embedding"]
result["text"] = text(tf.constant(sentences))["text_embedding"]
assert sorted(video(images=frames)) == ["mixed_5c", "video_embedding"]
result["mixed_5c"] = video(images=frames)["mixed_5c"]
result["text_by_name"] = text(words=tf.constant(sentences))["text_embedding"]
result["default"] = loaded.signatures["serving_default"](frames)["video_embedding"]
result["one_frame"] = video(frames[:1, :1, :17, :31])["video_embedding"]
assert text(tf.constant([], tf.string))["text_embedding"].shape == (0, 6)

result["layer"] = hub.KerasLayer(path)(frames)
layer = hub.KerasLayer(path, signature="video", output_key="video_embedding")
result["layer_video"] = layer(frames)
layer = hub.KerasLayer(path, signature="text", output_key="text_embedding")
result["layer_text"] = layer(tf.constant(sentences))
layer = hub.KerasLayer(path, trainable=True)
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(layer(frames) ** 2)
gradients = tape.gradient(loss, layer.trainable_variables)
trained = [g for g in gradients if g is not None]
result["trainable"] = len(layer.trainable_variables)
result["trained"] = len(trained)
assert all(np.isfinite(g).all() for g in trained)

strangers = {"tensorflow_text", "tensorflow_io", "models", "schemas", "components", "pipeline"}
assert not strangers & set(sys.modules), strangers & set(sys.modules)
np.savez(output, **{name: np.asarray(value) for name, value in result.items()})
"""


class MeanColour(keras.Model):
    """A video tower that is a linear map of the clip's mean colour."""

    embedding_size = 6

    def __init__(self):
        super().__init__()
        self.head = keras.layers.Dense(6)

    def build(self, input_shape=None):
        self.head.build((None, 3))

    def call(self, video, training=None):
        means = keras.ops.mean(video, axis=(1, 2, 3))
        return {"video_embedding": self.head(means), "mixed_5c": means}


def make_vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([np.zeros((1, 8)), rng.normal(size=(len(WORDS), 8))])


def make_model(policy: str = "float32", tower: type = S3D, **settings) -> TextVideoModel:
    """Makes a small model of random weights and statistics."""
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(0)
    model = TextVideoModel(
        tower(0.125, 6, dtype=policy, **settings),
        TextTower(make_vectors(), 16, 6, dtype=policy),
        dtype=policy,
    )
    model.build()
    # Scales and offsets other than 1 and 0 keep the clips apart down to the last stage.
    for weight in model.video_tower.weights:
        if weight.path.endswith("/gamma"):
            weight.assign(rng.uniform(1.0, 2.0, weight.shape))
        elif weight.path.endswith(("/beta", "/moving_mean")):
            weight.assign(rng.normal(0.0, 0.1, weight.shape))
    return model


def clips() -> np.ndarray:
    return np.random.default_rng(1).random((2, 6, 34, 40, 3), np.float32)


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "model"
    export_text_video_model(model, directory, WORDS, MAX_WORDS, CONFIG)
    return directory


@pytest.fixture(scope="module")
def served(exported, tmp_path_factory):
    """Returns what a process gets that imports only TensorFlow and tensorflow_hub."""
    folder = tmp_path_factory.mktemp("client")
    np.save(folder / "clips.npy", clips())
    (folder / "client.py").write_text(CLIENT, encoding="utf-8")
    process = subprocess.run(
        [
            *(sys.executable, "client.py", str(exported), "clips.npy"),
            *(json.dumps(SENTENCES), "out.npz"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    with np.load(folder / "out.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_video_signature_gives_the_outputs_of_the_model(model, served):
    expected = model.video_tower(clips(), training=False)
    # The clips differ by far more than the tolerance.
    assert np.ptp(expected["video_embedding"], axis=0).max() > 1e-3
    np.testing.assert_allclose(served["video"], expected["video_embedding"], atol=1e-5)
    np.testing.assert_allclose(served["mixed_5c"], expected["mixed_5c"], atol=1e-5)
    np.testing.assert_array_equal(served["default"], served["video"])


def test_sizes_are_free(model, served):
    expected = model.embed_video(clips()[:1, :1, :17, :31], training=False)
    np.testing.assert_allclose(served["one_frame"], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("tower", "settings"), [(S3D, {"stem": CONV_STEM}), (I3D, {})], ids=["s3d_conv", "i3d"]
)
def test_other_towers_serve_any_size(tower, settings, tmp_path):
    model = make_model(tower=tower, **settings)
    export_text_video_model(model, tmp_path / "model", WORDS, MAX_WORDS, CONFIG)
    video = hub.load(str(tmp_path / "model")).signatures["video"]
    for shape in ((2, 6, 34, 40, 3), (1, 1, 17, 31, 3), (3, 16, 16, 19, 3)):
        images = np.random.default_rng(1).random(shape, np.float32)
        expected = model.video_tower(images, training=False)
        served = video(images=tf.constant(images))
        for name, size in (("video_embedding", 6), ("mixed_5c", 128)):
            assert served[name].shape == (shape[0], size)
            np.testing.assert_allclose(served[name], expected[name], rtol=1e-4, atol=1e-5)
    assert video(images=tf.zeros((0, 4, 32, 32, 3)))["video_embedding"].shape == (0, 6)


@pytest.mark.parametrize("text_model", ["lstm", "gru", "transformer", "netvlad"])
def test_other_text_models_serve_sentences(text_model, tmp_path):
    keras.utils.set_random_seed(5)
    tower = TextTower(make_vectors(), 16, 6, text_model=text_model)
    objective = Objective("attention_nce")
    model = TextVideoModel(MeanColour(), tower, objective)
    model.build()
    export_text_video_model(model, tmp_path / "model", WORDS, MAX_WORDS, CONFIG)
    loaded = hub.load(str(tmp_path / "model"))
    # The two heads of the attention, which only training needs, stay behind.
    assert len(loaded.variables) == len(model.weights) - 4
    text = loaded.signatures["text"]
    word_ids = np.array([[1, 2, 3, 0], [2, 4, 0, 0], [0, 0, 0, 0], [3, 3, 3, 3]])
    served = text(words=tf.constant(SENTENCES))["text_embedding"]
    np.testing.assert_allclose(served, tower(word_ids), rtol=1e-4, atol=1e-5)
    # A sentence without known words gives zeros, of which the last layer leaves its bias.
    np.testing.assert_allclose(served[2], tower.head.bias, atol=1e-6)
    assert np.ptp(served, axis=0).max() > 0.01
    alone = text(words=tf.constant(["nobody knows these words"]))["text_embedding"]
    np.testing.assert_allclose(alone, served[2:3], atol=1e-6)
    assert text(words=tf.constant([], tf.string))["text_embedding"].shape == (0, 6)


def test_text_signature_tokenises_sentences(model, served):
    # Ids by hand: unknown words go before the sentence is cut to four words.
    word_ids = np.array([[1, 2, 3, 0], [2, 4, 0, 0], [0, 0, 0, 0], [3, 3, 3, 3]])
    np.testing.assert_array_equal(WordTable(WORDS, MAX_WORDS)(tf.constant(SENTENCES)), word_ids)
    np.testing.assert_allclose(served["text"], model.embed_text(word_ids), atol=1e-5)
    np.testing.assert_array_equal(served["text_by_name"], served["text"])


def test_hub_layers_take_the_model(model, served):
    np.testing.assert_array_equal(served["layer"], served["video"])
    np.testing.assert_array_equal(served["layer_video"], served["video"])
    np.testing.assert_array_equal(served["layer_text"], served["text"])
    assert served["trainable"] == len(model.trainable_weights)
    assert served["trained"] == len(model.video_tower.trainable_weights)


def test_serving_uses_the_stored_statistics(served, exported):
    loaded = tf.saved_model.load(str(exported))
    alone = loaded.signatures["video"](tf.constant(clips()[:1]))["video_embedding"]
    np.testing.assert_allclose(alone, served["video"][:1], atol=1e-5)


def test_model_in_mixed_bfloat16_serves_float32(tmp_path):
    model = make_model("mixed_bfloat16")
    export_text_video_model(model, tmp_path / "model", WORDS, MAX_WORDS, CONFIG)
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    outputs = loaded.signatures["video"](tf.constant(clips()))
    expected = model.video_tower(clips(), training=False)
    for name in ("video_embedding", "mixed_5c"):
        assert outputs[name].dtype == tf.float32
        # bfloat16 keeps 8 bits, and a traced graph may round at other places.
        scale = float(np.max(np.abs(expected[name])))
        np.testing.assert_allclose(outputs[name], expected[name], atol=0.1 * scale)
    texts = loaded.signatures["text"](tf.constant(SENTENCES))["text_embedding"]
    assert texts.dtype == tf.float32
    word_ids = WordTable(WORDS, MAX_WORDS)(tf.constant(SENTENCES))
    np.testing.assert_allclose(texts, model.embed_text(word_ids), rtol=0.02, atol=0.02)


def test_foreign_vocabulary_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match="has 3 words, but the text tower has vectors for 4"):
        export_text_video_model(model, tmp_path / "model", WORDS[:3], MAX_WORDS, CONFIG)
    assert not (tmp_path / "model").exists()


def test_folder_describes_the_model(exported):
    assert read_description(exported) == ModelDescription("milnce", CONFIG, None, WORDS)
    assert json.loads((exported / "assets.extra" / "howto100m.json").read_text()) == {
        "kind": "milnce",
        "config": CONFIG,
        "features": None,
        "case_sensitive": False,
    }


def make_gated(policy: str = "float32") -> GatedTextVideoModel:
    """Makes a small gated model whose biases are not zero."""
    rng = np.random.default_rng(3)
    vectors = np.concatenate([np.zeros((1, 8)), rng.normal(size=(len(WORDS), 8))])
    gated = GatedTextVideoModel(7, vectors, caption_size=16, embedding_size=6, dtype=policy)
    gated.build()
    for weight in gated.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return gated


@pytest.mark.parametrize(("policy", "tolerance"), [("float32", 1e-6), ("mixed_bfloat16", 0.03)])
def test_gated_model_serves_both_signatures(policy, tolerance, tmp_path):
    gated = make_gated(policy)
    export_gated_model(gated, tmp_path / "model", WORDS, MAX_WORDS, STREAMS)
    loaded = hub.load(str(tmp_path / "model"))
    features = np.random.default_rng(4).normal(size=(5, 7)).astype(np.float32)
    video = loaded.signatures["video"](features=tf.constant(features))
    text = loaded.signatures["text"](words=tf.constant(SENTENCES))
    assert list(video) == ["video_embedding"]
    assert list(text) == ["text_embedding"]
    video, text = video["video_embedding"], text["text_embedding"]
    assert (video.shape, video.dtype) == ((5, 6), tf.float32)
    assert (text.shape, text.dtype) == ((4, 6), tf.float32)
    for embeddings in (video, text):
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, rtol=1e-6)

    np.testing.assert_allclose(video, gated.embed_video(features), atol=tolerance)
    word_ids = np.array([[1, 2, 3, 0], [2, 4, 0, 0], [0, 0, 0, 0], [3, 3, 3, 3]])
    np.testing.assert_allclose(text, gated.embed_text(word_ids), atol=tolerance)
    default = loaded.signatures["serving_default"](tf.constant(features))["video_embedding"]
    np.testing.assert_array_equal(default, video)
    np.testing.assert_array_equal(hub.KerasLayer(loaded)(features), video)
    empty = loaded.signatures["text"](tf.constant([], tf.string))["text_embedding"]
    assert empty.shape == (0, 6)


def test_gated_folder_describes_the_model(tmp_path):
    export_gated_model(make_gated(), tmp_path / "model", WORDS, MAX_WORDS, STREAMS)
    config = {"embedding_size": 6, "caption_size": 16, "max_words": MAX_WORDS}
    expected = ModelDescription("gated", config, STREAMS, WORDS)
    assert read_description(tmp_path / "model") == expected


def test_gated_model_can_keep_capitals(tmp_path):
    words = ["Cut", "cut", "THE", "the"]
    export_gated_model(make_gated(), tmp_path / "model", words, 2, STREAMS, case_sensitive=True)
    text = hub.load(str(tmp_path / "model")).signatures["text"]
    embeddings = text(tf.constant(["Cut THE", "cut the"]))["text_embedding"]
    expected = make_gated().embed_text(np.array([[1, 3], [2, 4]]))
    np.testing.assert_allclose(embeddings, expected, atol=1e-6)
    assert read_description(tmp_path / "model").case_sensitive


def test_features_or_words_of_another_gated_model_are_refused(tmp_path):
    with pytest.raises(ValueError, match="have 4 values together, but the model takes 7"):
        export_gated_model(make_gated(), tmp_path / "model", WORDS, MAX_WORDS, STREAMS[:1])
    with pytest.raises(ValueError, match="has 2 words, but the text tower has vectors for 4"):
        export_gated_model(make_gated(), tmp_path / "model", WORDS[:2], MAX_WORDS, STREAMS)
    assert not (tmp_path / "model").exists()
