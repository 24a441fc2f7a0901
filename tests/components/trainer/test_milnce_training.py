"""A MIL-NCE training that is cut off, or shared by replicas, ends as one at one go does."""

import dataclasses
import importlib.util
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer import milnce_training, starting_point
from models import export, training

_PROGRAM = pathlib.Path(__file__).with_name("tiny_training.py")
_SPECIFICATION = importlib.util.spec_from_file_location("tiny_training", _PROGRAM)
tiny_training = importlib.util.module_from_spec(_SPECIFICATION)
_SPECIFICATION.loader.exec_module(tiny_training)

_REPOSITORY = _PROGRAM.parents[3]
_DROPOUT = 0.3


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data") / "data"
    tiny_training.write_data(folder)
    return folder


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> pathlib.Path:
    """Returns the output of a run at one go."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        tiny_training.use_tiny_tower(_DROPOUT, patch.setattr)
        tiny_training.make_job(data, folder).run()
    return folder


def _start(job, folder: pathlib.Path, *arguments: object, **environment: str) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    path = folder / "job.json"
    path.write_text(json.dumps(dataclasses.asdict(job)))
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join([str(_REPOSITORY), *sys.path]),
        **environment,
    }
    return subprocess.Popen(
        [sys.executable, str(_PROGRAM), str(path), *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _wait(process: subprocess.Popen, status: int) -> str:
    """Returns what a program printed that ended as expected."""
    try:
        printed = process.communicate(timeout=600)[0].decode()
    finally:
        process.kill()
    assert process.returncode == status, printed[-2000:]
    return printed


def _assert_same_end(cut: pathlib.Path, whole: pathlib.Path) -> None:
    expected, values = tiny_training.checkpoint(whole), tiny_training.checkpoint(cut)
    assert expected.keys() == values.keys()
    # Weights, moving averages, the dropout's random state, Adam's moments and its step.
    assert len(expected) > 20
    for name, value in expected.items():
        np.testing.assert_array_equal(values[name], value, err_msg=name)
    assert tiny_training.log(cut) == tiny_training.log(whole)


# An epoch has three steps; its checkpoint comes after what follows its last one.
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([1, 6], id="before the first checkpoint, at the last step of an epoch"),
        pytest.param([4, 9], id="within an epoch, at the last step of all"),
    ],
)
def test_a_run_killed_at_any_step_ends_as_one_at_one_go(steps, data, whole, tmp_path, monkeypatch):
    tiny_training.use_tiny_tower(_DROPOUT, monkeypatch.setattr)
    job = tiny_training.make_job(data, tmp_path)
    finished = []
    for step in steps:
        _wait(_start(job, tmp_path, _DROPOUT, step), -signal.SIGKILL)
        finished.append(training.finished_epochs(tmp_path / "checkpoints"))
    assert finished == [(step - 1) // 3 for step in steps]
    job.run()
    _assert_same_end(tmp_path, whole)
    assert [line["step"] for line in tiny_training.log(tmp_path)] == [3, 6, 9]


@pytest.mark.slow
def test_a_killed_run_of_our_s3ds_layers_ends_as_one_at_one_go(data, tmp_path, monkeypatch):
    # Its own convolutions, with their gradients, and normalisation.
    tiny_training.use_short_s3d(monkeypatch.setattr)
    settings = {"steps": 4, "steps_per_epoch": 2, "validation_batches": 0}
    at_one_go, cut = tmp_path / "whole", tmp_path / "cut"
    job = tiny_training.make_job(data, cut, **settings)
    killed = _start(job, cut, tiny_training.SHORT_S3D, 3)
    # The SavedModel, which takes long to trace, is not what this is about.
    monkeypatch.setattr(milnce_training.export, "export_text_video_model", lambda *_, **__: None)
    try:
        tiny_training.make_job(data, at_one_go, **settings).run()
        _wait(killed, -signal.SIGKILL)
    finally:
        killed.kill()
    assert training.finished_epochs(cut / "checkpoints") == 1
    job.run()
    _assert_same_end(cut, at_one_go)
    assert [line["step"] for line in tiny_training.log(cut)] == [2, 4]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for free in sockets:
        free.bind(("localhost", 0))
    ports = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    return ports


_SHARED = {"steps": 6, "synchronized_batch_norm": True}
# Not those of the data.
_PUSHED_VECTORS = 2.0 * np.eye(4, 3, k=-1, dtype=np.float32)


@pytest.fixture(scope="module")
def pushed(tmp_path_factory) -> str:
    """Returns the folder of a pushed model that trainings start from."""
    folder = tmp_path_factory.mktemp("pushed") / "model"
    keras.utils.set_random_seed(77)
    model = _new_model(_PUSHED_VECTORS)
    settings = dataclasses.asdict(tiny_training.MODEL)
    export.export_text_video_model(model, folder, tiny_training.WORDS, 2, settings)
    return str(folder)


def _new_model(vectors: np.ndarray) -> keras.Model:
    with pytest.MonkeyPatch.context() as patch:
        tiny_training.use_tiny_tower(0.0, patch.setattr)
        return milnce_training.build_model(tiny_training.MODEL, tiny_training.TRAINING, vectors)


@pytest.fixture(scope="module")
def alone(data, pushed, tmp_path_factory) -> pathlib.Path:
    """Returns the output of a run on one device."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        tiny_training.use_tiny_tower(0.0, patch.setattr)
        tiny_training.make_job(data, folder, pushed, **_SHARED).run()
    return folder


def _assert_near(shared: pathlib.Path, alone: pathlib.Path) -> None:
    expected, values = tiny_training.checkpoint(alone), tiny_training.checkpoint(shared)
    assert expected.keys() == values.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-3, atol=1e-6, err_msg=name)
    lines, expected_lines = tiny_training.log(shared), tiny_training.log(alone)
    assert [line["step"] for line in lines] == [3, 6]
    for line, expected_line in zip(lines, expected_lines, strict=True):
        assert line == pytest.approx(expected_line, rel=1e-4)


def test_two_workers_go_on_as_one_device_would(data, pushed, alone, tmp_path, monkeypatch):
    tiny_training.use_tiny_tower(0.0, monkeypatch.setattr)
    shared = tmp_path / "shared"
    with monkeypatch.context() as patch:
        tiny_training.stop_after(4, _interrupt, patch.setattr)
        with pytest.raises(KeyboardInterrupt):
            tiny_training.make_job(data, shared, pushed, **_SHARED).run()
    job = tiny_training.make_job(data, shared, pushed, strategy="multi_worker", **_SHARED)
    cluster = {"worker": [f"localhost:{port}" for port in _free_ports(2)]}
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    workers = [
        _start(
            job,
            tmp_path / f"worker{index}",
            0.0,
            TF_CONFIG=json.dumps({"cluster": cluster, "task": task}),
        )
        for index, task in enumerate(tasks)
    ]
    try:
        for process in workers:
            _wait(process, 0)
    finally:
        for process in workers:
            process.kill()
    _assert_near(shared, alone)
    # Only the first worker exports.
    assert tf.io.gfile.exists(str(shared / "model" / "saved_model.pb"))


@pytest.mark.slow
def test_two_replicas_of_a_killed_run_end_as_one_device_does(data, pushed, alone, tmp_path):
    job = tiny_training.make_job(data, tmp_path, pushed, strategy="mirrored", **_SHARED)
    _wait(_start(job, tmp_path, 0.0, 4), -signal.SIGKILL)
    assert training.finished_epochs(tmp_path / "checkpoints") == 1
    printed = _wait(_start(job, tmp_path, 0.0), 0)
    assert "Training goes on from the checkpoint at step 3 of 6." in printed
    _assert_near(tmp_path, alone)
    # What the replicas pushed is the start of another training.
    models = []
    for folder in (tmp_path, alone):
        start = starting_point.find(
            tiny_training.MODEL, [], np.zeros((1, 1)), str(folder / "model")
        )
        np.testing.assert_array_equal(start.word_vectors(), _PUSHED_VECTORS)
        models.append(_new_model(start.word_vectors()))
        start.restore(models[-1])
    for weight, expected in zip(models[0].weights, models[1].weights, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-3, atol=1e-6, err_msg=weight.path)


def _interrupt() -> None:
    raise KeyboardInterrupt
