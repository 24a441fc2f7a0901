"""Steps in micro-batches against steps on the whole batch."""

import importlib.util
import pathlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

_PROGRAM = pathlib.Path(__file__).with_name("replicas_trial.py")
_SPECIFICATION = importlib.util.spec_from_file_location("replicas_trial", _PROGRAM)
trial = importlib.util.module_from_spec(_SPECIFICATION)
sys.modules[trial.__name__] = trial
_SPECIFICATION.loader.exec_module(trial)


def run(**options) -> dict[str, np.ndarray]:
    return trial.run_trial(tf.distribute.get_strategy(), **options)


def first_batch() -> dict[str, np.ndarray]:
    return {name: value[: trial.BATCH] for name, value in trial.clips().items()}


def compiled(**options) -> keras.Model:
    model = trial.make_model(**options)
    model.build()
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    return model


@pytest.mark.parametrize("loss", ["mil_nce", "attention_nce", "concatenation_nce"])
def test_with_stored_statistics_steps_are_those_of_the_whole_batch(loss):
    options = {"loss": loss, "frozen": True, "validates": True}
    whole = run(**options)
    parts = run(micro_batch_size=2, **options)
    # At the rate 1 the weights change by the gradients.
    assert np.abs(np.diff(whole["weights/00 kernel"], axis=0)).max() > 1e-3
    assert parts.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=0, atol=2e-6, err_msg=name)


def test_adam_takes_the_same_steps_too():
    whole = run(frozen=True, optimizer="adam")
    parts = run(frozen=True, optimizer="adam", micro_batch_size=4)
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=0, atol=1e-5, err_msg=name)


def test_with_batch_statistics_each_micro_batch_normalises_by_itself():
    batch, size = first_batch(), 2
    count = trial.BATCH // size
    # The same by hand: the parts' embeddings joined, and differentiated as a whole.
    model = compiled()
    norm = model.video_tower.unit.norm
    stored = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    embeddings, means, variances = [], [], []
    with tf.GradientTape() as tape:
        for i in range(count):
            norm.moving_mean.assign(stored[0])
            norm.moving_variance.assign(stored[1])
            part = {name: value[i * size : (i + 1) * size] for name, value in batch.items()}
            embeddings.append(model(part, training=True))
            means.append(norm.moving_mean.numpy())
            variances.append(norm.moving_variance.numpy())
        joined = {name: tf.concat([e[name] for e in embeddings], 0) for name in ("video", "text")}
        loss = tf.reduce_mean(model.objective.per_clip(joined))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])

    stepped = compiled(micro_batch_size=size)
    before = [weight.numpy() for weight in stepped.trainable_weights]
    logs = stepped.train_on_batch(batch, return_dict=True)
    assert float(logs["loss"]) == pytest.approx(float(loss), abs=1e-6)
    for old, new, gradient in zip(before, stepped.trainable_weights, gradients, strict=True):
        np.testing.assert_allclose(old - new.numpy(), gradient, rtol=0, atol=1e-6)
    moved = stepped.video_tower.unit.norm
    np.testing.assert_allclose(moved.moving_mean, np.mean(means, axis=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(moved.moving_variance, np.mean(variances, axis=0), rtol=0, atol=1e-6)
    # They have moved by a tenth, once: more would be the second pass's.
    assert np.abs(np.mean(means, axis=0) - stored[0]).max() > 1e-3


def test_evaluation_changes_nothing():
    batch = first_batch()
    whole, parts = compiled(), compiled(micro_batch_size=2)
    before = [weight.numpy() for weight in parts.weights]
    expected = whole.test_on_batch(batch, return_dict=True)["loss"]
    found = parts.test_on_batch(batch, return_dict=True)["loss"]
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    for old, new in zip(before, parts.weights, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_a_small_batch_is_taken_as_a_whole():
    batch = first_batch()
    results = []
    for size in (None, trial.BATCH, trial.BATCH + 1):
        model = compiled(micro_batch_size=size)
        model.train_on_batch(batch)
        results.append(model.video_tower.unit.norm.moving_mean.numpy())
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


def test_a_micro_batch_must_divide_the_batch():
    model = compiled(micro_batch_size=3)
    with pytest.raises(
        ValueError, match="micro_batch_size is 3, which does not divide the 8 clips"
    ):
        model.train_on_batch(first_batch())


def test_batches_of_unknown_size_are_refused():
    model = compiled(micro_batch_size=2)
    dataset = tf.data.Dataset.from_tensor_slices(first_batch()).batch(4)
    with pytest.raises(ValueError, match="drop_remainder=True"):
        model.fit(dataset, verbose=0)
