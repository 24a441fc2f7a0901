import keras
import numpy as np
import pytest
import tensorflow as tf

from models.milnce import TextVideoModel, join_candidates, to_unit_range
from models.objective import Objective
from models.s3d import S3D
from models.text_tower import TextTower


@keras.saving.register_keras_serializable(package="test_milnce")
class MeanColour(keras.Model):
    """A video tower that is a linear map of the clip's mean colour."""

    embedding_size = 4

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4, use_bias=False, dtype="float32")

    def build(self, input_shape=None):
        self.dense.build((None, 3))

    def call(self, video, training=None):
        means = keras.ops.mean(keras.ops.cast(video, "float32"), axis=(1, 2, 3))
        return {"video_embedding": self.dense(means)}


def small_model(**kwargs) -> TextVideoModel:
    keras.utils.set_random_seed(3)
    vectors = np.concatenate([np.zeros((1, 4)), np.eye(4)])
    return TextVideoModel(MeanColour(), TextTower(vectors, 8, 4), **kwargs)


def coloured_clips(candidates: int = 1) -> dict[str, np.ndarray]:
    """Returns red, green and blue clips; only the first candidate names the colour."""
    video = np.zeros((3, 2, 4, 4, 3), np.uint8)
    for colour in range(3):
        video[colour, ..., colour] = 255
    word_ids = np.full((3, candidates, 2), 4)
    word_ids[:, 0, 0] = [1, 2, 3]
    word_ids[:, 0, 1] = 0
    return {"video": video, "word_ids": word_ids}


def test_fit_learns_which_caption_belongs_to_which_clip():
    model = small_model()
    model.compile(keras.optimizers.Adam(0.1))
    batch = coloured_clips(candidates=2)
    dataset = tf.data.Dataset.from_tensor_slices(batch).repeat(20).batch(3)
    history = model.fit(dataset, epochs=3, verbose=0).history["loss"]
    assert history[-1] < 0.1 * history[0]
    scores = model.embed_video(batch["video"]) @ tf.transpose(
        model.embed_text(batch["word_ids"][:, 0])
    )
    assert np.argmax(scores, axis=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "objective",
    [Objective(), Objective(positives="twice"), Objective("max_nce", "captions", num_negatives=2)],
)
def test_evaluate_reports_the_loss_of_the_objective(objective):
    model = small_model(objective=objective)
    model.compile("sgd")
    batch = coloured_clips(candidates=2)
    embeddings = model(batch)
    assert embeddings.keys() == {"video", "text"} == set(model.embedding_names)
    assert embeddings["video"].shape == (3, 4)
    assert embeddings["text"].shape == (6, 4)
    expected = np.mean(objective.per_clip(embeddings))
    dataset = tf.data.Dataset.from_tensors(batch)
    assert model.evaluate(dataset, verbose=0) == pytest.approx(float(expected), rel=1e-5)


def test_candidates_of_a_clip_follow_each_other():
    model = small_model()
    batch = coloured_clips(candidates=3)
    text = model(batch)["text"]
    np.testing.assert_allclose(
        np.reshape(text, (3, 3, 4))[1], model.embed_text(batch["word_ids"][1]), rtol=1e-6
    )


def test_joined_candidates_keep_their_words_in_order_before_the_padding():
    word_ids = [[[3, 0, 0], [0, 2, 0], [1, 3, 5]], [[0, 0, 0], [4, 4, 0], [0, 0, 0]]]
    joined = join_candidates(tf.constant(word_ids))
    assert np.array(joined).tolist() == [[[3, 2, 1, 3, 5, 0, 0, 0, 0]], [[4, 4] + [0] * 7]]


def test_concatenation_embeds_the_joined_candidates():
    model = small_model(objective=Objective("concatenation_nce"))
    batch = coloured_clips(candidates=2)
    text = model(batch)["text"]
    # Of the first candidates only the colour is left, and the second ones are two words.
    joined = np.array([[colour, 4, 4, 0] for colour in (1, 2, 3)])
    np.testing.assert_allclose(text, model.embed_text(joined), rtol=1e-6)


def attention_model() -> TextVideoModel:
    keras.utils.set_random_seed(3)
    vectors = np.concatenate([np.zeros((1, 4)), np.eye(4)])
    towers = S3D(0.05, 4), TextTower(vectors, 8, 4)
    model = TextVideoModel(*towers, Objective("attention_nce"))
    model.build()
    return model


def test_attention_has_heads_on_the_features_of_both_towers():
    model = attention_model()
    batch = coloured_clips(candidates=2)
    embeddings = model(batch)
    assert embeddings.keys() == set(model.embedding_names)
    clips = model.video_tower(batch["video"].astype(np.float32) / 255)
    sentences = batch["word_ids"].reshape(6, 2)
    encoded = model.text_tower.encode(sentences)
    expected = {
        "video": clips["video_embedding"],
        "text": model.text_tower(sentences),
        "video_attention": clips["mixed_5c"] @ model.video_attention.kernel,
        "text_attention": encoded @ model.text_attention.kernel,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(embeddings[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def test_towers_are_the_first_weights_of_a_model_with_heads():
    model = attention_model()
    towers = model.towers()
    assert towers.built
    count = len(model.video_tower.weights) + len(model.text_tower.weights)
    assert len(towers.weights) == count == len(model.weights) - 4
    assert all(ours is theirs for ours, theirs in zip(towers.weights, model.weights, strict=False))
    batch = coloured_clips()
    np.testing.assert_array_equal(towers(batch)["video"], model(batch)["video"])


def test_bytes_and_fractions_give_the_same_embeddings():
    model = small_model()
    video = np.random.default_rng(0).integers(0, 256, (2, 2, 4, 4, 3)).astype(np.uint8)
    np.testing.assert_allclose(
        model.embed_video(video), model.embed_video(video.astype(np.float32) / 255), rtol=1e-6
    )
    assert np.ravel(to_unit_range(tf.constant([0, 51, 255], tf.uint8))).tolist() == [
        0.0,
        np.float32(0.2),
        1.0,
    ]


def test_build_makes_all_weights():
    model = TextVideoModel(S3D(0.125, 4), TextTower(np.zeros((5, 4)), 8, 4))
    model.build()
    before = [weight.path for weight in model.weights]
    model(coloured_clips())
    assert [weight.path for weight in model.weights] == before
    assert len(before) == len(model.video_tower.weights) + len(model.text_tower.weights)


def test_s3d_trains_in_mixed_bfloat16():
    # Eight frames reach a single one in the last blocks, where TensorFlow's own 3-D convolutions
    # give wrong gradients in bfloat16.
    keras.utils.set_random_seed(0)
    vectors = np.concatenate([np.zeros((1, 4)), np.eye(4)])
    policy = "mixed_bfloat16"
    towers = S3D(0.125, 8, dtype=policy), TextTower(vectors, 16, 8, dtype=policy)
    model = TextVideoModel(*towers, dtype=policy)
    model.compile(keras.optimizers.SGD(0.3))
    batch = coloured_clips()
    batch["video"] = np.repeat(np.tile(batch["video"], (1, 1, 4, 4, 1)), 4, axis=1)
    dataset = tf.data.Dataset.from_tensors(batch).repeat(6)
    losses = model.fit(dataset, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]
    assert {embedding.dtype for embedding in model(batch).values()} == {tf.float32}


def test_saved_model_file_restores_the_model(tmp_path):
    model = small_model(objective=Objective(positives="twice"), micro_batch_size=2)
    batch = coloured_clips()
    expected = model(batch)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.objective == model.objective
    assert loaded.micro_batch_size == 2
    for name, embedding in loaded(batch).items():
        np.testing.assert_array_equal(embedding, expected[name])


def test_towers_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="have 4 dimensions, the text tower's 5"):
        TextVideoModel(MeanColour(), TextTower(np.zeros((3, 4)), 8, 5))


def test_micro_batches_that_cannot_be_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="micro_batch_size is 0; it must be at least 1"):
        small_model(micro_batch_size=0)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="Keras runs on jax, where there are no micro-batches"):
        small_model(micro_batch_size=2)
