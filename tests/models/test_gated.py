import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.gated import CaptionLayer, GatedEmbedding, GatedTextVideoModel, unit_length
from models.max_margin import max_margin_ranking, reference_weights


def small_model(**kwargs) -> GatedTextVideoModel:
    """Features of 3, two words of 2 and the padding, 4 caption units, embeddings of 5."""
    keras.utils.set_random_seed(3)
    vectors = np.array([[0.0, 0.0], [1.0, 0.5], [-0.5, 2.0]])
    model = GatedTextVideoModel(3, vectors, caption_size=4, embedding_size=5, **kwargs)
    model.build()
    return model


def toy_pairs() -> dict[str, np.ndarray]:
    """Returns 16 pairs of a one-hot clip vector and the one word that names it."""
    word_ids = np.zeros((16, 3), np.int64)
    word_ids[:, 0] = np.arange(1, 17)
    return {
        "features": np.eye(16, dtype=np.float32),
        "word_ids": word_ids,
        "negatives": 1.0 - np.eye(16, dtype=np.float32),
    }


def toy_model() -> GatedTextVideoModel:
    keras.utils.set_random_seed(4)
    vectors = np.concatenate([np.zeros((1, 16)), np.eye(16)])
    return GatedTextVideoModel(16, vectors, caption_size=16, embedding_size=8)


def test_gated_unit_by_hand():
    unit = GatedEmbedding(2)
    unit.build((None, 3))
    unit.linear.set_weights([np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.array([0.5, -1.0])])
    unit.gate.set_weights([np.array([[1.0, -1.0], [0.5, 0.0]]), np.array([0.0, 3.0])])
    # Linear: (1 + 1 + 0.5, -2 + 1 - 1) = (2.5, -2); gate: (2.5 - 1, -2.5 + 3) = (1.5, 0.5).
    expected = [2.5 / (1 + math.exp(-1.5)), -2.0 / (1 + math.exp(-0.5))]
    np.testing.assert_allclose(unit(np.array([[1.0, -1.0, 1.0]])), [expected], rtol=1e-6)


def test_unit_length_is_that_of_torch():
    # 3-4-5, zeros, and a vector below 1e-12, which is divided by 1e-12 alone.
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [3e-14, 0.0]], np.float32)
    np.testing.assert_allclose(
        unit_length(vectors), [[0.6, 0.8], [0.0, 0.0], [0.03, 0.0]], rtol=1e-6
    )
    variable = tf.Variable(vectors)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(unit_length(variable) * [1.0, 2.0])
    # (1, 2) less its part along (0.6, 0.8), which is 2.2, over the length 5.
    expected = [[(1 - 0.6 * 2.2) / 5, (2 - 0.8 * 2.2) / 5], [0.0, 0.0], [0.0, 0.0]]
    np.testing.assert_allclose(tape.gradient(total, variable), expected, rtol=1e-5)


def hand_layer() -> CaptionLayer:
    """Words 1 and -2 of one dimension; units (x + 0.5, 1 - x, -3)."""
    layer = CaptionLayer(np.array([[0.0], [1.0], [-2.0]]), 3)
    layer.build()
    layer.words.set_weights([np.array([[1.0, -1.0, 0.0]]), np.array([0.5, 1.0, -3.0])])
    return layer


def test_captions_by_hand():
    # Word 1 gives (1.5, 0, -3), word 2 (-1.5, 3, -3), padding (0.5, 1, -3), before the ReLU.
    ids = np.array([[1, 2, 1], [1, 1, 1], [2, 2, 2], [2, 1, 2]])
    expected = [[1.5, 3.0, 0.0], [1.5, 0.0, 0.0], [0.0, 3.0, 0.0], [1.5, 3.0, 0.0]]
    np.testing.assert_allclose(hand_layer()(ids), expected, rtol=1e-6)


def test_padding_puts_a_floor_at_the_bias():
    ids = np.array([[1, 0], [2, 0], [0, 0]])
    expected = [[1.5, 1.0, 0.0], [0.5, 3.0, 0.0], [0.5, 1.0, 0.0]]
    np.testing.assert_allclose(hand_layer()(ids), expected, rtol=1e-6)


def plain_captions(kernel, bias, vectors, ids):
    """The layer as the paper has it, on every position."""
    return tf.reduce_max(tf.nn.relu(tf.gather(vectors, ids) @ kernel + bias), axis=1)


def test_distinct_words_give_the_values_and_gradients_of_all_positions():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 6)).astype(np.float32)
    layer = CaptionLayer(vectors, 7)
    layer.build()
    layer.words.bias.assign(rng.normal(size=7))
    ids = rng.integers(0, 30, size=(9, 4))
    upstream = rng.normal(size=(9, 7)).astype(np.float32)
    kernel, bias = (tf.Variable(w) for w in layer.words.get_weights())

    @tf.function
    def gradients():
        with tf.GradientTape(persistent=True) as tape:
            ours = layer(ids)
            plain = plain_captions(kernel, bias, vectors, ids)
            losses = tf.reduce_sum(ours * upstream), tf.reduce_sum(plain * upstream)
        ours_gradient = tape.gradient(losses[0], [w.value for w in layer.trainable_weights])
        return ours, plain, ours_gradient, tape.gradient(losses[1], [kernel, bias])

    ours, plain, ours_gradient, plain_gradient = gradients()
    np.testing.assert_allclose(ours, plain, rtol=1e-5)
    for one, other in zip(ours_gradient, plain_gradient, strict=True):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_embeddings_have_length_1():
    model = small_model()
    rng = np.random.default_rng(0)
    video, text = model(
        {"features": rng.normal(size=(6, 3)), "word_ids": rng.integers(1, 3, size=(6, 2))}
    )
    assert video.shape == text.shape == (6, 5)
    np.testing.assert_allclose(np.linalg.norm(video, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(text, axis=1), 1.0, rtol=1e-6)


def test_parameters_are_those_of_the_paper():
    model = GatedTextVideoModel(4096, np.zeros((2, 300), np.float32))
    model.build()
    units = model.video_unit.count_params() + model.text_unit.count_params()
    biases = 4 * 4096
    assert units - biases == 4 * 4096 * 4096 == 67_108_864
    word_layer = 300 * 4096 + 4096
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert trainable == units + word_layer
    assert [tuple(weight.shape) for weight in model.non_trainable_weights] == [(2, 300)]


def test_gradient_is_that_of_finite_differences():
    model = small_model()
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    x = {
        "features": rng.normal(size=(4, 3)).astype(np.float32),
        "word_ids": np.array([[1, 2], [1, 0], [2, 0], [0, 0]]),
        "negatives": reference_weights(2, 2),
    }

    def loss():
        return model.compute_loss(x=x, y_pred=model(x))

    weights = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, weights)
    step = 1e-2
    for weight, gradient in zip(weights, gradients, strict=True):
        start = weight.numpy()
        # Along the gradient, and along a random direction.
        for direction in (np.asarray(gradient), rng.normal(size=start.shape)):
            direction = direction / np.linalg.norm(direction)
            sides = []
            for sign in (1, -1):
                weight.assign(start + sign * step * direction)
                sides.append(float(loss()))
            weight.assign(start)
            difference = (sides[0] - sides[1]) / (2 * step)
            expected = float(np.sum(direction * gradient))
            assert difference == pytest.approx(expected, rel=0.02, abs=2e-4)


def test_evaluate_reports_the_loss_of_the_cosines():
    model = small_model(margin=0.3)
    model.compile("sgd")
    rng = np.random.default_rng(1)
    batch = {
        "features": rng.normal(size=(4, 3)).astype(np.float32),
        "word_ids": np.array([[1, 2], [1, 0], [2, 0], [2, 2]]),
        "negatives": reference_weights(2, 2),
    }
    video, text = (np.asarray(embedding) for embedding in model(batch))
    expected = float(max_margin_ranking(video @ text.T, batch["negatives"], 0.3))
    assert model.evaluate(tf.data.Dataset.from_tensors(batch), verbose=0) == pytest.approx(
        expected, rel=1e-5
    )
    del batch["negatives"]
    expected = float(max_margin_ranking(video @ text.T, 1.0 - np.eye(4), 0.3))
    assert model.evaluate(tf.data.Dataset.from_tensors(batch), verbose=0) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize(
    ("policy", "jit_compile"), [("float32", False), ("mixed_bfloat16", False), ("float32", True)]
)
def test_fit_learns_which_caption_belongs_to_which_clip(policy, jit_compile):
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = toy_model()
    finally:
        keras.config.set_dtype_policy(previous)
    batch = toy_pairs()
    model.compile(keras.optimizers.Adam(0.03), jit_compile=jit_compile)
    history = model.fit(tf.data.Dataset.from_tensors(batch).repeat(30), epochs=2, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < 0.2 * losses[0]
    scores = np.asarray(model.embed_video(batch["features"])) @ np.transpose(
        model.embed_text(batch["word_ids"])
    )
    assert np.argmax(scores, axis=1).tolist() == list(range(16))


def test_caption_without_a_known_word_does_not_upset_the_training():
    model = toy_model()
    batch = toy_pairs()
    batch["word_ids"][5] = 0  # With biases of 0 its embedding is 0 at the start.
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(tf.data.Dataset.from_tensors(batch).repeat(3), verbose=0)
    for weight in model.trainable_weights:
        assert np.abs(weight).max() < 10, weight.path


def test_mixed_precision_is_near_the_exact_embedding():
    exact, mixed = small_model(), small_model(dtype="mixed_bfloat16")
    mixed.set_weights(exact.get_weights())
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, 3)).astype(np.float32)
    ids = rng.integers(0, 3, size=(6, 4))
    for one, other in (
        (mixed.embed_video(features), exact.embed_video(features)),
        (mixed.embed_text(ids), exact.embed_text(ids)),
    ):
        assert one.dtype == tf.float32
        np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1.0, rtol=1e-6)
        np.testing.assert_allclose(one, other, atol=0.02)


def test_word_vectors_are_not_trained_but_saved(tmp_path):
    model = toy_model()
    batch = toy_pairs()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(tf.data.Dataset.from_tensors(batch).repeat(2), verbose=0)
    vectors = np.concatenate([np.zeros((1, 16)), np.eye(16)])
    np.testing.assert_array_equal(model.caption_layer.embedding.embeddings, vectors)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.caption_layer.embedding.embeddings, vectors)
    assert loaded.margin == model.margin
    for one, other in zip(loaded(batch), model(batch), strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_come_back_from_their_configs():
    unit = GatedEmbedding.from_config(GatedEmbedding(7, name="unit").get_config())
    assert (unit.size, unit.name) == (7, "unit")
    layer = CaptionLayer.from_config(CaptionLayer(np.ones((4, 2)), 5).get_config())
    layer.build()
    assert layer(np.array([[1, 3]])).shape == (1, 5)
    np.testing.assert_array_equal(layer.embedding.embeddings, np.zeros((4, 2)))


def test_wrong_vectors_are_refused():
    with pytest.raises(ValueError, match="the vector of word id 1 is not finite"):
        GatedTextVideoModel(3, np.array([[0.0], [np.nan]]))
