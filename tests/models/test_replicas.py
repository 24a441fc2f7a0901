"""Training on replicas against training on one device: losses, gradients and weights."""

import importlib.util
import json
import os
import pathlib
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import replicas
from models.s3d import S3D

_PROGRAM = pathlib.Path(__file__).with_name("replicas_trial.py")
_REPOSITORY = _PROGRAM.parents[2]
_SPECIFICATION = importlib.util.spec_from_file_location("replicas_trial", _PROGRAM)
trial = importlib.util.module_from_spec(_SPECIFICATION)
sys.modules[trial.__name__] = trial
_SPECIFICATION.loader.exec_module(trial)

_SGD = {"optimizer": "sgd", "validates": True}
_ADAM = {"optimizer": "adam"}
# It has two heads more, whose embeddings stay on their replica.
_ATTENTION = {"loss": "attention_nce", "validates": True}
_UNSYNCHRONIZED = {"synchronized": False}
_MICRO_BATCHES = {"micro_batch_size": 2}
_TRIALS = {
    "2 replicas": [_SGD, _ADAM, _ATTENTION, _MICRO_BATCHES],
    "4 replicas": [_SGD, _ADAM, _UNSYNCHRONIZED],
    "worker 0": [_SGD],
    "worker 1": [_SGD],
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(strategy: str, devices: int, trials: list, output: pathlib.Path, tf_config: dict):
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONPATH": os.pathsep.join([str(_REPOSITORY), *sys.path]),
    }
    environment.pop("TF_CONFIG", None)
    if tf_config:
        environment["TF_CONFIG"] = json.dumps(tf_config)
    return subprocess.Popen(
        [sys.executable, str(_PROGRAM), strategy, str(devices), json.dumps(trials), str(output)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=output.with_suffix(".log").open("w"),
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Returns what each process found, its trials in their order."""
    folder = tmp_path_factory.mktemp("replicas")
    workers = [f"127.0.0.1:{_free_port()}" for _ in range(2)]
    processes = {}
    for name, trials in _TRIALS.items():
        output = folder / f"{name}.npz"
        if name.startswith("worker"):
            task = {"type": "worker", "index": int(name[-1])}
            tf_config = {"cluster": {"worker": workers}, "task": task}
            processes[output] = _start("multi_worker", 1, trials, output, tf_config)
        else:
            processes[output] = _start("mirrored", int(name[0]), trials, output, {})
    found = {}
    try:
        for output, process in processes.items():
            assert process.wait(timeout=600) == 0, output.with_suffix(".log").read_text()[-3000:]
            with np.load(output, allow_pickle=False) as arrays:
                found[output.stem] = dict(arrays)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return found


@pytest.fixture(scope="module")
def one_device():
    """Returns the results of the two optimisers, and of attention, on one device."""
    strategy = replicas.make_strategy("one_device")
    return [trial.run_trial(strategy, **options) for options in (_SGD, _ADAM, _ATTENTION)]


def _of_trial(found: dict[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    return {
        name.partition("/")[2]: value
        for name, value in found.items()
        if name.startswith(f"{number}/")
    }


def _assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("name", "number", "options"),
    [
        pytest.param("2 replicas", 0, _SGD, id="2 replicas-sgd"),
        pytest.param("2 replicas", 1, _ADAM, id="2 replicas-adam"),
        pytest.param("2 replicas", 2, _ATTENTION, id="2 replicas-attention"),
        pytest.param("4 replicas", 0, _SGD, id="4 replicas-sgd"),
        pytest.param("4 replicas", 1, _ADAM, id="4 replicas-adam"),
        pytest.param("worker 0", 0, _SGD, id="worker 0-sgd"),
        pytest.param("worker 1", 0, _SGD, id="worker 1-sgd"),
    ],
)
def test_three_steps_on_replicas_are_those_of_one_device(
    results, one_device, name, number, options
):
    found = results[name]
    assert found["replicas"] == (4 if name == "4 replicas" else 2)
    expected = one_device[number]
    # With SGD at the rate 1 the weights change by the gradients, which are far from the tolerance.
    changes = np.diff(expected["weights/00 kernel"], axis=0)
    assert changes.shape[0] == trial.STEPS
    assert (np.abs(changes).max(axis=(1, 2, 3, 4, 5)) > 1e-3).all()
    assert ("val_loss" in expected) == options.get("validates", False)
    _assert_equal(_of_trial(found, number), expected)


def test_attention_heads_learn_on_one_device(one_device):
    # Otherwise they would be alike on replicas whatever became of their gradients.
    for name in ("weights/12 kernel", "weights/14 kernel"):
        assert name not in one_device[0]
        changes = np.diff(one_device[2][name], axis=0)
        assert (np.abs(changes).max(axis=(1, 2)) > 1e-3).all(), name


def test_statistics_that_are_not_synchronised_are_those_of_micro_batches(results, one_device):
    found = _of_trial(results["4 replicas"], 2)
    assert np.abs(found["losses"] - one_device[0]["losses"]).max() > 1e-3
    local = trial.BATCH // 4
    strategy = replicas.make_strategy("one_device")
    _assert_equal(found, trial.run_trial(strategy, micro_batch_size=local, synchronized=False))


def test_micro_batches_of_replicas_share_their_statistics(results):
    # The replicas' first micro-batches are the clips 0, 1 and 4, 5; the second 2, 3 and 6, 7.
    expected = trial.run_trial(
        replicas.make_strategy("one_device"), micro_batch_size=4, order=(0, 1, 4, 5, 2, 3, 6, 7)
    )
    _assert_equal(_of_trial(results["2 replicas"], 3), expected)


def test_one_device_is_tensorflows_default():
    strategy = replicas.make_strategy("one_device")
    assert strategy.num_replicas_in_sync == 1
    assert replicas.is_chief(strategy)
    with strategy.scope():
        assert not tf.distribute.has_strategy()


@pytest.mark.parametrize(
    ("name", "environment", "message"),
    [
        ("two_devices", {}, "it must be one of one_device, mirrored, multi_worker, tpu"),
        ("multi_worker", {}, "needs the environment variable TF_CONFIG, which is not set"),
        ("multi_worker", {"TF_CONFIG": "worker 1"}, "does not say which worker"),
        ("multi_worker", {"TF_CONFIG": '{"cluster": {}}'}, "does not say which worker"),
        (
            "multi_worker",
            {
                "TF_CONFIG": '{"cluster": {"worker": ["localhost:1"]}, '
                '"task": {"type": "worker", "index": 1}}'
            },
            "does not say which worker",
        ),
        ("tpu", {}, "needs the environment variable TPU_NAME, which is not set"),
    ],
)
def test_strategies_that_cannot_be_made(monkeypatch, name, environment, message):
    for variable in ("TF_CONFIG", "TPU_NAME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=message):
        replicas.make_strategy(name)


def test_a_batch_is_shared_evenly():
    assert replicas.check_batch_size(12, 3) == 4
    assert replicas.check_batch_size(12, 3, micro_batch_size=2) == 2 * 2
    assert replicas.check_batch_size(12, 3, micro_batch_size=8) == 4
    with pytest.raises(ValueError, match="take a multiple of 5"):
        replicas.check_batch_size(12, 5)
    with pytest.raises(ValueError, match="does not divide the 4 clips of a replica"):
        replicas.check_batch_size(12, 3, micro_batch_size=3)


def test_one_device_takes_whole_batches():
    asked = []

    def make_dataset(*arguments):
        asked.append(arguments)
        return tf.data.Dataset.range(1)

    dataset = replicas.distribute(replicas.make_strategy("one_device"), 6, make_dataset)
    assert isinstance(dataset, tf.data.Dataset)
    assert asked == [(1, 0, 6)]


def test_all_normalisation_of_a_tower_is_synchronised():
    tower = S3D(0.05, 4)
    norms = replicas.batch_norm_layers(tower)
    # conv1, conv_2b and the two halves of conv_2c; in each of the 9 blocks 4 + 2 * 2.
    assert len(norms) == 4 + 9 * 8
    assert all(isinstance(norm, keras.layers.BatchNormalization) for norm in norms)
    assert not any(norm.synchronized for norm in norms)
    replicas.synchronize_batch_norm(tower)
    assert all(norm.synchronized for norm in norms)
