import keras
import numpy as np
import pytest
import tensorflow as tf

from models.text_tower import TextTower

MASKED_MODELS = ["lstm", "gru", "transformer", "netvlad"]
TEXT_MODELS = ["max_pool", *MASKED_MODELS]
IDS = np.array([[1, 2, 3, 0], [4, 0, 0, 0], [0, 0, 0, 0]])


def small_tower() -> TextTower:
    """Two words of one dimension, vectors 1 and -2; hidden (x + 0.5, 1 - x); output a + 2b + 10."""
    tower = TextTower(np.array([[0.0], [1.0], [-2.0]]), hidden_size=2, embedding_size=1)
    tower.build()
    tower.hidden.set_weights([np.array([[1.0, -1.0]]), np.array([0.5, 1.0])])
    tower.head.set_weights([np.array([[1.0], [2.0]]), np.array([10.0])])
    return tower


def random_tower(text_model: str, dtype: str = "float32") -> TextTower:
    """Makes a tower of random weights, with a vector of the padding that would show."""
    keras.utils.set_random_seed(0)
    vectors = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    tower = TextTower(vectors, 16, 4, text_model=text_model, dtype=dtype)
    tower.build()
    tower.head.bias.assign([1.0, 2.0, 3.0, 4.0])
    return tower


def test_embeddings_by_hand():
    # ReLU of the hidden layer: word 1 -> (1.5, 0), word 2 -> (0, 3), padding -> (0.5, 1).
    ids = np.array([[1, 2, 0], [1, 1, 1], [2, 2, 2], [0, 0, 0]])
    # Maxima (1.5, 3), (1.5, 0), (0, 3), (0.5, 1).
    np.testing.assert_allclose(small_tower()(ids), [[17.5], [11.5], [16.0], [12.5]], rtol=1e-6)


def test_padding_takes_part_in_the_maximum():
    tower = small_tower()
    # Word 1 alone gives (1.5, 0); with padding (1.5, 1).
    np.testing.assert_allclose(tower(np.array([[1]])), [[11.5]], rtol=1e-6)
    np.testing.assert_allclose(tower(np.array([[1, 0]])), [[13.5]], rtol=1e-6)


def test_order_of_the_words_does_not_matter():
    tower = small_tower()
    ids = np.array([[1, 2, 0, 0], [0, 2, 0, 1]])
    first, second = np.asarray(tower(ids))
    np.testing.assert_array_equal(first, second)


def test_parameters_are_those_of_the_reference():
    tower = TextTower(np.zeros((11, 300), np.float32))
    tower.build()
    assert tower.hidden.count_params() == 616_448
    assert tower.head.count_params() == 1_049_088
    assert sum(int(np.prod(w.shape)) for w in tower.trainable_weights) == 616_448 + 1_049_088
    assert [tuple(w.shape) for w in tower.non_trainable_weights] == [(11, 300)]
    assert [weight.path.split("/", 1)[1] for weight in tower.weights] == [
        "word_vectors/embeddings",
        "fc1/kernel",
        "fc1/bias",
        "fc2/kernel",
        "fc2/bias",
    ]


def test_vectors_are_not_trained_but_saved(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    tower = TextTower(vectors, hidden_size=4, embedding_size=2)
    ids = np.array([[1, 2], [3, 0]])
    untrained = np.asarray(tower(ids))
    tower.compile("sgd", loss="mse")
    tower.fit(ids, np.ones((2, 2)), verbose=0)
    assert not np.allclose(tower(ids), untrained)
    np.testing.assert_array_equal(tower.embedding.embeddings, vectors)

    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    np.testing.assert_array_equal(loaded.embedding.embeddings, vectors)
    np.testing.assert_array_equal(loaded(ids), tower(ids))


def test_mixed_precision_returns_float32_near_the_exact_embedding():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(9, 8)).astype(np.float32)
    exact = TextTower(vectors, hidden_size=16, embedding_size=4)
    exact.build()
    mixed = TextTower(vectors, hidden_size=16, embedding_size=4, dtype="mixed_bfloat16")
    mixed.build()
    mixed.set_weights(exact.get_weights())
    ids = rng.integers(0, 9, size=(6, 5))
    expected = exact(ids)
    assert mixed(ids).dtype == tf.float32
    np.testing.assert_allclose(mixed(ids), expected, atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize("text_model", TEXT_MODELS)
def test_head_maps_the_encoding(text_model):
    tower = random_tower(text_model)
    encoded = np.asarray(tower.encode(IDS))
    assert encoded.shape == (3, tower.encoding_size)
    assert tower.encoding_size == (32 * 6 if text_model == "netvlad" else 16)
    expected = encoded @ np.asarray(tower.head.kernel) + np.asarray(tower.head.bias)
    np.testing.assert_allclose(tower(IDS), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 1e-3


@pytest.mark.parametrize("text_model", MASKED_MODELS)
def test_other_text_models_do_not_see_the_padding(text_model):
    tower = random_tower(text_model)
    expected = tower(IDS)
    np.testing.assert_allclose(tower(np.pad(IDS, [(0, 0), (0, 8)])), expected, atol=1e-5)
    np.testing.assert_allclose(tower(IDS[:1, :3]), expected[:1], atol=1e-5)
    # Nothing but the offset of the last layer is left of a sentence without words.
    np.testing.assert_array_equal(expected[2], [1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("text_model", TEXT_MODELS)
def test_gradients_are_finite_whatever_the_sentences(text_model, dtype):
    tower = random_tower(text_model, dtype)
    with tf.GradientTape() as tape:
        embedded = tower(IDS)
        loss = tf.reduce_sum(tf.square(embedded))
    assert embedded.dtype == tf.float32
    gradients = tape.gradient(loss, tower.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients[-2:])


@pytest.mark.parametrize("text_model", TEXT_MODELS)
def test_served_tower_takes_any_number_and_length_of_sentences(text_model, tmp_path):
    tower = random_tower(text_model)
    served = tf.Module()
    served.tower = tower
    served.embed = tf.function(
        lambda word_ids: tower(word_ids), input_signature=[tf.TensorSpec([None, None], tf.int64)]
    )
    tf.saved_model.save(served, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for ids in (IDS, IDS[:1], np.tile(IDS, (2, 6)), IDS[:, :1]):
        np.testing.assert_allclose(loaded.embed(tf.constant(ids)), tower(ids), atol=1e-5)


@pytest.mark.parametrize("text_model", TEXT_MODELS)
def test_saved_tower_keeps_its_text_model(text_model, tmp_path):
    tower = random_tower(text_model)
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    assert loaded.text_model == text_model
    np.testing.assert_array_equal(loaded(IDS), tower(IDS))


def test_config_from_before_there_were_text_models_means_the_papers():
    config = random_tower("max_pool").get_config()
    del config["text_model"]
    tower = TextTower.from_config(config)
    assert tower.get_config() == {**config, "text_model": "max_pool"}


def test_unknown_text_model_is_refused():
    with pytest.raises(ValueError, match="no text model 'bert': take max_pool, lstm"):
        TextTower(np.zeros((3, 4)), text_model="bert")


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros(4), r"one row for the padding and one for each word, not the shape \(4,\)"),
        (np.zeros((1, 4)), r"not the shape \(1, 4\)"),
        (np.array([[0.0], [np.nan]]), "the vector of word id 1 is not finite"),
    ],
)
def test_wrong_vectors_are_refused(vectors, message):
    with pytest.raises(ValueError, match=message):
        TextTower(vectors)
