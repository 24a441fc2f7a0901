"""The schedule, the checkpoints and the log of the training loop."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import training


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.025), (1, 0.05), (3, 0.1), (9, 0.1), (10, 0.05), (19, 0.05), (20, 0.025), (99, 0.025)],
)
def test_warm_up_then_steps(step, expected):
    schedule = training.WarmUpStepDecay(0.1, 4, decay_steps=(10, 20), decay_factor=0.5)
    assert float(schedule(tf.constant(step))) == pytest.approx(expected)


def test_schedule_without_warm_up_starts_at_the_peak():
    assert float(training.WarmUpStepDecay(0.1, 0)(tf.constant(0))) == pytest.approx(0.1)


def _linear_model(learning_rate: float = 0.1) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mse", jit_compile=False)
    return model


def _batches() -> tf.data.Dataset:
    inputs = np.array([[1.0, 2.0], [3.0, 1.0]], "float32")
    return tf.data.Dataset.from_tensors((inputs, inputs @ [[1.0], [-2.0]])).repeat()


def _fit(model: keras.Model, folder, steps: int) -> int:
    return training.fit(
        model,
        _batches(),
        steps=steps,
        steps_per_epoch=5,
        batch_size=2,
        checkpoint_directory=folder / "checkpoints",
        log_directory=folder / "logs",
    )


def _log(folder) -> list[dict]:
    lines = (folder / "checkpoints" / "training.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_interrupted_training_equals_uninterrupted(tmp_path):
    whole = _linear_model()
    assert _fit(whole, tmp_path / "whole", 20) == 0
    _fit(_linear_model(), tmp_path / "parts", 10)
    resumed = _linear_model()
    assert _fit(resumed, tmp_path / "parts", 20) == 10
    np.testing.assert_allclose(resumed.get_weights()[0], whole.get_weights()[0], rtol=1e-6)
    assert [line["step"] for line in _log(tmp_path / "parts")] == [5, 10, 15, 20]
    losses = [line["loss"] for line in _log(tmp_path / "parts")]
    assert losses == pytest.approx([line["loss"] for line in _log(tmp_path / "whole")], rel=1e-5)


def test_finished_training_is_not_repeated(tmp_path):
    first = _linear_model()
    _fit(first, tmp_path, 10)
    again = _linear_model()
    assert _fit(again, tmp_path, 10) == 10
    np.testing.assert_array_equal(again.get_weights()[0], first.get_weights()[0])


def test_log_lines_after_the_last_checkpoint_are_dropped(tmp_path):
    _fit(_linear_model(), tmp_path, 10)
    with (tmp_path / "checkpoints" / "training.jsonl").open("a") as log:
        log.write('{"step": 15, "loss": 1.0}\n')
    _fit(_linear_model(), tmp_path, 15)
    steps = [line["step"] for line in _log(tmp_path)]
    assert steps == [5, 10, 15]
    assert "learning_rate" in _log(tmp_path)[-1]


def test_the_log_tells_the_speed_and_the_waiting_of_each_epoch(tmp_path):
    _fit(_linear_model(), tmp_path, 10)
    for line in _log(tmp_path):
        assert line["clips"] == 5 * 2
        assert 0 <= line["input_wait_seconds"] < line["train_seconds"]
        assert line["clips_per_second"] > 0


def test_nan_stops_with_an_error_that_names_the_step(tmp_path):
    model = _linear_model(learning_rate=1e30)
    with pytest.raises(FloatingPointError, match=r"loss is (nan|inf) after step [1-5]; lower"):
        _fit(model, tmp_path, 10)
    assert not list((tmp_path / "checkpoints").glob("*.index"))


_KILLED = """
    import os, pathlib, signal, sys
    import keras, numpy as np, tensorflow as tf
    from models import training

    class KillInThirdEpoch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 12:
                os.kill(os.getpid(), signal.SIGKILL)

    fit = keras.Model.fit
    def fit_and_die(self, *args, callbacks, **kwargs):
        return fit(self, *args, callbacks=[*callbacks, KillInThirdEpoch()], **kwargs)
    keras.Sequential.fit = fit_and_die
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="mse", jit_compile=False)
    inputs = np.array([[1.0, 2.0], [3.0, 1.0]], "float32")
    batches = tf.data.Dataset.from_tensors((inputs, inputs @ [[1.0], [-2.0]])).repeat()
    folder = pathlib.Path(sys.argv[1])
    training.fit(model, batches, steps=20, steps_per_epoch=5, batch_size=2,
                 checkpoint_directory=folder / "checkpoints", log_directory=folder / "logs")
"""


def test_killed_process_goes_on_from_its_last_checkpoint(tmp_path):
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_KILLED), str(tmp_path)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    whole = _linear_model()
    _fit(whole, tmp_path / "whole", 20)
    resumed = _linear_model()
    assert _fit(resumed, tmp_path, 20) == 10
    np.testing.assert_allclose(resumed.get_weights()[0], whole.get_weights()[0], rtol=1e-6)
