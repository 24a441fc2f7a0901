import keras
import numpy as np
import pytest
import tensorflow as tf

from models.adam import Adam


def train(optimizer: keras.optimizers.Adam, gradients, compiled: bool) -> list[np.ndarray]:
    """Returns the weights after a step for each pair of gradients, and the optimiser's state."""
    weights = [keras.Variable(np.ones((2, 3), np.float32)), keras.Variable([0.5, -0.5])]
    optimizer.build(weights)
    step = tf.function(lambda pair: optimizer.apply(pair, weights))
    for pair in gradients:
        step(pair) if compiled else optimizer.apply(pair, weights)
    return [np.asarray(w) for w in (*weights, *optimizer.variables)]


@pytest.fixture
def gradients():
    rng = np.random.default_rng(0)
    return [
        [tf.constant(rng.normal(size=size), tf.float32) for size in ((2, 3), (2,))]
        for _ in range(4)
    ]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("options", [{}, {"clipnorm": 0.1}, {"amsgrad": True}])
def test_equals_kerass_adam(gradients, options, compiled):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    options = {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 0.1, **options}
    expected = train(keras.optimizers.Adam(schedule, **options), gradients, compiled)
    found = train(Adam(schedule, **options), gradients, compiled)
    assert len(found) == len(expected)
    for value, target in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, target, rtol=1e-5, atol=1e-6)


def test_first_step_is_worked_out_by_hand():
    weight = keras.Variable([1.0, 1.0])
    optimizer = Adam(0.1, epsilon=1e-12)
    # After one step the moments' ratio is the gradient's sign, so each weight moves by the rate.
    optimizer.apply([tf.constant([3.0, -0.2])], [weight])
    np.testing.assert_allclose(weight, [0.9, 1.1], rtol=1e-6)
    np.testing.assert_allclose(optimizer._momentums[0], [0.3, -0.02], rtol=1e-5)
    np.testing.assert_allclose(optimizer._velocities[0], [0.009, 0.00004], rtol=1e-4)


def test_one_operation_for_each_weight(gradients):
    def applied(optimizer: keras.optimizers.Adam) -> list[str]:
        weights = [keras.Variable(np.ones((2, 3), np.float32)), keras.Variable([0.5, -0.5])]
        optimizer.build(weights)
        traced = tf.function(lambda: optimizer.apply(gradients[0], weights))
        operations = traced.get_concrete_function().graph.get_operations()
        return [o.type for o in operations if o.type == "ResourceApplyAdam"]

    assert len(applied(Adam(0.1))) == 2
    assert not applied(Adam(0.1, amsgrad=True))


def test_sparse_gradients_are_left_to_keras():
    gradient = tf.IndexedSlices(tf.constant([[1.0, 2.0]]), tf.constant([1]), tf.constant([3, 2]))
    weights = {}
    for optimizer in (keras.optimizers.Adam(0.1), Adam(0.1)):
        weight = keras.Variable(np.ones((3, 2), np.float32))
        optimizer.apply([gradient], [weight])
        weights[type(optimizer)] = np.asarray(weight)
    np.testing.assert_allclose(weights[Adam], weights[keras.optimizers.Adam])


def test_settings_survive_serialisation():
    optimizer = Adam(0.1, beta_1=0.8)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(copy, Adam)
    assert copy.get_config() == optimizer.get_config()
