import keras
import numpy as np
import pytest
import tensorflow as tf

from models.batch_normalization import BatchNormalization

SIZE = (2, 3, 4, 5)


def built(layer: keras.layers.BatchNormalization) -> keras.layers.BatchNormalization:
    """Returns the layer with weights that differ from channel to channel."""
    if not layer.built:
        layer.build((None, None, None, None, 3))
    values = {
        "gamma": [1.0, -2.0, 0.5],
        "beta": [0.1, 0.2, -0.3],
        "moving_mean": [0.5, -0.5, 3.0],
        "moving_variance": [1.0, 4.0, 0.25],
    }
    for weight in layer.weights:
        weight.assign(values[weight.name])
    return layer


def results(layer: keras.layers.BatchNormalization, video, upstream, training: bool) -> list:
    """Returns outputs, gradients of inputs and weights, and the stored statistics."""
    with tf.GradientTape() as tape:
        tape.watch(video)
        outputs = layer(video, training=training)
        outputs = outputs if getattr(layer, "relu", False) else tf.nn.relu(outputs)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * upstream)
    weights = [weight.value for weight in layer.trainable_weights]
    gradients = tape.gradient(loss, [video, *weights])
    return [np.float32(x) for x in (outputs, *gradients, *layer.non_trainable_weights)]


def kernels(layer: keras.layers.BatchNormalization, training: bool) -> set[str]:
    """Returns the kinds of operations that a call on a video takes."""
    traced = tf.function(lambda video: layer(video, training=training))
    graph = traced.get_concrete_function(tf.TensorSpec([None] * 4 + [3])).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_equals_kerass_layer(training, scale):
    rng = np.random.default_rng(0)
    video = tf.constant(rng.normal(1.0, 2.0, (*SIZE, 3)), tf.float32)
    upstream = tf.constant(rng.normal(size=(*SIZE, 3)), tf.float32)
    options = {"momentum": 0.7, "epsilon": 1e-3, "scale": scale}
    expected = results(built(keras.layers.BatchNormalization(**options)), video, upstream, training)
    for relu in (True, False):
        layer = built(BatchNormalization(relu, **options))
        assert "FusedBatchNormV3" in kernels(layer, training)
        found = results(built(layer), video, upstream, training)
        for value, target in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, target, rtol=1e-4, atol=1e-5)


def test_bfloat16_comes_close_to_float32():
    rng = np.random.default_rng(0)
    video = tf.cast(rng.normal(1.0, 2.0, (*SIZE, 3)), tf.bfloat16)
    upstream = tf.constant(rng.normal(size=(*SIZE, 3)), tf.float32)
    layer = built(BatchNormalization(True, dtype="mixed_bfloat16"))
    assert layer(video, training=True).dtype == tf.bfloat16
    found = results(built(layer), video, upstream, True)
    exact = built(BatchNormalization(True))
    expected = results(exact, tf.cast(video, tf.float32), upstream, True)
    for value, target in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, target, rtol=0.02, atol=0.03)


def test_a_single_position_has_no_variance():
    layer = built(BatchNormalization(momentum=0.5))
    outputs = layer(np.full((1, 1, 1, 1, 3), 7.0, np.float32), training=True)
    np.testing.assert_allclose(np.ravel(outputs), [0.1, 0.2, -0.3])
    np.testing.assert_allclose(layer.moving_mean, [3.75, 3.25, 5.0])
    np.testing.assert_allclose(layer.moving_variance, [0.5, 2.0, 0.125])


def test_a_frozen_layer_keeps_its_statistics_in_training():
    video = np.random.default_rng(0).normal(size=(*SIZE, 3)).astype(np.float32)
    layer = built(BatchNormalization())
    layer.trainable = False
    np.testing.assert_array_equal(layer(video, training=True), layer(video, training=False))
    np.testing.assert_array_equal(layer.moving_mean, [0.5, -0.5, 3.0])


@pytest.mark.parametrize("relu", [True, False])
def test_statistics_that_replicas_share_are_left_to_keras(relu):
    video = np.random.default_rng(0).normal(size=(*SIZE, 3)).astype(np.float32)
    layer = built(BatchNormalization(relu))
    alone = np.asarray(layer(video, training=True))
    assert (alone.min() >= 0) == relu
    layer.synchronized = True
    assert "FusedBatchNormV3" not in kernels(layer, training=True)
    assert "FusedBatchNormV3" in kernels(layer, training=False)
    np.testing.assert_allclose(layer(video, training=True), alone, rtol=1e-4, atol=1e-5)


def test_settings_survive_serialisation():
    layer = BatchNormalization(relu=True, momentum=0.7)
    copy = BatchNormalization.from_config(layer.get_config())
    assert (copy.relu, copy.momentum) == (True, 0.7)
