import keras
import numpy as np
import pytest
import tensorflow as tf

from models.text_encoders import (
    NetVLAD,
    TransformerEncoder,
    make_text_encoder,
    sinusoidal_positions,
)

TEXT_MODELS = ["lstm", "gru", "transformer", "netvlad"]
# Words 1 to 3 of the first sentence and 1 of the second are real.
MASK = np.array([[True, True, True, False], [True, False, False, False]])


def random_words(size: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(*MASK.shape, size)).astype(np.float32)


def make_encoder(text_model: str, dtype: str = "float32") -> keras.layers.Layer:
    """Makes a small layer whose offsets are not the zeros that they start as."""
    keras.utils.set_random_seed(0)
    encoder = make_text_encoder(text_model, 16, "glorot_uniform", dtype)
    encoder.build((None, None, 6))
    rng = np.random.default_rng(1)
    for weight in encoder.trainable_weights:
        weight.assign(weight + rng.normal(0.0, 0.1, weight.shape))
    return encoder


@pytest.mark.parametrize("text_model", TEXT_MODELS)
def test_what_stands_at_the_padding_and_how_much_does_not_matter(text_model):
    encoder = make_encoder(text_model)
    words = random_words()
    expected = encoder(words, mask=MASK)
    assert np.isfinite(expected).all()
    assert np.abs(expected).max() > 0.01

    changed = np.where(MASK[..., None], words, 7.0)
    longer = np.pad(changed, [(0, 0), (0, 5), (0, 0)])
    longer_mask = np.pad(MASK, [(0, 0), (0, 5)])
    np.testing.assert_allclose(encoder(changed, mask=MASK), expected, atol=1e-6)
    np.testing.assert_allclose(encoder(longer, mask=longer_mask), expected, atol=1e-6)
    for row, length in enumerate([3, 1]):
        alone = encoder(words[row : row + 1, :length])
        np.testing.assert_allclose(alone, expected[row : row + 1], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("text_model", TEXT_MODELS)
def test_no_words_give_zeros_and_finite_gradients(text_model, dtype):
    encoder = make_encoder(text_model, dtype)
    words = tf.constant(random_words())
    mask = np.array([[True, True, False, False], [False] * 4])
    with tf.GradientTape() as tape:
        tape.watch(words)
        encoded = encoder(words, mask=mask)
        loss = tf.reduce_sum(tf.square(tf.cast(encoded, tf.float32) - 1.0))
    np.testing.assert_array_equal(tf.cast(encoded[1], tf.float32), 0.0)
    *gradients, of_words = tape.gradient(loss, [*encoder.trainable_variables, words])
    for gradient in [*gradients, of_words]:
        assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(of_words[1], 0.0)
    assert any(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("text_model", "matters"),
    [("lstm", True), ("gru", True), ("transformer", True), ("netvlad", False)],
)
def test_order_of_the_words(text_model, matters):
    encoder = make_encoder(text_model)
    words = random_words()[:1, :3]
    difference = np.abs(encoder(words) - encoder(words[:, [1, 0, 2]])).max()
    assert difference > 1e-3 if matters else difference < 1e-6


@pytest.mark.parametrize(
    ("text_model", "reference"), [("lstm", keras.layers.LSTM), ("gru", keras.layers.GRU)]
)
def test_recurrent_models_take_the_state_after_the_last_word(text_model, reference):
    encoder = make_encoder(text_model)
    words = random_words()
    states = reference(16, return_sequences=True)
    states.build((None, None, 6))
    states.set_weights(encoder.get_weights())
    outputs = np.asarray(states(words))
    encoded = encoder(words, mask=MASK)
    np.testing.assert_allclose(encoded, [outputs[0, 2], outputs[1, 0]], atol=1e-6)
    # On a GPU Keras would else choose an operation that only such a GPU can run.
    assert encoder.use_cudnn is False


def test_positions_by_hand():
    # Wavelengths of 2 pi and, at 10000^(2/4) = 100, of 200 pi.
    expected = [
        [0.0, 1.0, 0.0, 1.0],
        [np.sin(1), np.cos(1), np.sin(0.01), np.cos(0.01)],
        [np.sin(2), np.cos(2), np.sin(0.02), np.cos(0.02)],
    ]
    np.testing.assert_allclose(sinusoidal_positions(3, 4), expected, atol=1e-6)


def test_transformer_computes_the_layer_of_the_paper():
    encoder = make_encoder("transformer")
    words = random_words()[0, :3].astype(np.float64)
    weight = {w.path.split("transformer/")[1]: np.asarray(w, np.float64) for w in encoder.weights}

    def linear(inputs, name, axes=1):
        outputs = np.tensordot(inputs, weight[f"{name}/kernel"], axes=axes)
        return outputs + weight[f"{name}/bias"]

    def normalized(inputs, name):
        centred = inputs - inputs.mean(axis=1, keepdims=True)
        centred /= centred.std(axis=1, keepdims=True)
        return centred * weight[f"{name}/gamma"] + weight[f"{name}/beta"]

    states = 4.0 * words @ weight["projection/kernel"] + np.asarray(sinusoidal_positions(3, 16))
    query, key, value = (linear(states, f"attention/{name}") for name in ("query", "key", "value"))
    heads = np.empty((3, 8, 2))
    for head in range(8):
        scores = np.exp(query[:, head] @ key[:, head].T / np.sqrt(2))
        heads[:, head] = scores / scores.sum(axis=1, keepdims=True) @ value[:, head]
    attended = linear(heads, "attention/attention_output", axes=2)
    states = normalized(states + attended, "attention_norm")
    states = states + linear(np.maximum(linear(states, "expansion"), 0.0), "contraction")
    expected = normalized(states, "output_norm").max(axis=0)
    np.testing.assert_allclose(encoder(random_words()[:1], mask=MASK[:1])[0], expected, atol=1e-4)


def test_layers_of_the_transformer_start_apart():
    encoder = TransformerEncoder(16)
    encoder.build((None, None, 6))
    attention = encoder.attention
    for first, second in [
        (attention.query_dense.kernel, attention.key_dense.kernel),
        (encoder.expansion.kernel, encoder.contraction.kernel),
    ]:
        assert np.abs(np.ravel(first) - np.ravel(second)).max() > 0.01


def small_netvlad(kernel, bias, centres) -> NetVLAD:
    layer = NetVLAD(num_clusters=2)
    layer.build((None, None, 2))
    layer.assignment.set_weights([np.array(kernel), np.array(bias)])
    layer.centres.assign(centres)
    return layer


def test_netvlad_shares_words_out_by_hand():
    # Every word goes to the clusters by a quarter and three quarters.
    layer = small_netvlad(np.zeros((2, 2)), [0.0, np.log(3.0)], [[0.0, 0.0], [1.0, 0.0]])
    words = np.array([[[3.0, 0.0], [1.0, 4.0]]])
    # Sums of residuals: (3 + 1, 0 + 4) / 4 = (1, 1) and 3/4 (2 + 0, 0 + 4) = (1.5, 3).
    # At length 1: (1, 1) / sqrt(2) and (1, 2) / sqrt(5); both together have the length sqrt(2).
    expected = [[0.5, 0.5, 1 / np.sqrt(10), 2 / np.sqrt(10)]]
    np.testing.assert_allclose(layer(words), expected, rtol=1e-6)


def test_netvlad_assigns_words_by_hand():
    # The first word belongs to the first cluster alone, the second to the second.
    kernel = [[20.0, -20.0], [0.0, 0.0]]
    layer = small_netvlad(kernel, [0.0, 0.0], [[1.0, 0.0], [0.0, -3.0]])
    words = np.array([[[1.0, 2.0], [-1.0, 0.0]]])
    # Residuals (0, 2) and (-1, 3).
    expected = [[0.0, 1 / np.sqrt(2), -1 / np.sqrt(20), 3 / np.sqrt(20)]]
    np.testing.assert_allclose(layer(words), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("text_model", "shape", "parameters"),
    [
        # Four gates, or three with two offsets, of the word, the state and an offset.
        ("lstm", (None, 16), 4 * 16 * (6 + 16 + 1)),
        ("gru", (None, 16), 3 * 16 * (6 + 16 + 2)),
        # Projection; query, key, value and output; feed-forward; two normalisations.
        ("transformer", (None, 16), 6 * 16 + 4 * 17 * 16 + (17 * 64 + 65 * 16) + 4 * 16),
        # A kernel and an offset of the assignment, and centres, of 32 clusters.
        ("netvlad", (None, 192), 6 * 32 + 32 + 32 * 6),
    ],
)
def test_sizes_are_those_of_table_2f(text_model, shape, parameters):
    encoder = make_encoder(text_model)
    assert encoder.name == text_model
    assert encoder.compute_output_shape((None, None, 6)) == shape
    assert encoder(random_words(), mask=MASK).shape == (2, shape[1])
    assert sum(int(np.prod(w.shape)) for w in encoder.trainable_weights) == parameters
    if text_model == "transformer":
        assert encoder.attention.num_heads == 8


def built(layer: keras.layers.Layer) -> list:
    layer.build((None, None, 4))
    return layer.weights


@pytest.mark.parametrize("layer", [TransformerEncoder(6, num_heads=3), NetVLAD(num_clusters=3)])
def test_config_makes_an_equal_layer(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert [a.shape for a in built(again)] == [a.shape for a in built(layer)]


@pytest.mark.parametrize(("size", "num_heads"), [(12, 8), (9, 3)])
def test_width_that_does_not_fit_the_heads_is_refused(size, num_heads):
    with pytest.raises(
        ValueError, match=f"width is {size}: take an even multiple of its {num_heads} heads"
    ):
        TransformerEncoder(size, num_heads)


def test_unknown_text_model_is_refused():
    with pytest.raises(ValueError, match="no text model 'bert': take max_pool, lstm, gru"):
        make_text_encoder("bert", 16, "glorot_uniform", "float32")
