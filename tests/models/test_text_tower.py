import keras
import numpy as np
import pytest
import tensorflow as tf

from models.text_tower import TextTower


def small_tower() -> TextTower:
    """Two words of one dimension, vectors 1 and -2; hidden (x + 0.5, 1 - x); output a + 2b + 10."""
    tower = TextTower(np.array([[0.0], [1.0], [-2.0]]), hidden_size=2, embedding_size=1)
    tower.build()
    tower.hidden.set_weights([np.array([[1.0, -1.0]]), np.array([0.5, 1.0])])
    tower.head.set_weights([np.array([[1.0], [2.0]]), np.array([10.0])])
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
