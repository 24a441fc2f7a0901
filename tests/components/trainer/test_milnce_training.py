"""A MIL-NCE training that is cut off, or shared by workers, ends as one at one go does."""

import dataclasses
import importlib.util
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

_PROGRAM = pathlib.Path(__file__).with_name("tiny_training.py")
_SPECIFICATION = importlib.util.spec_from_file_location("tiny_training", _PROGRAM)
tiny_training = importlib.util.module_from_spec(_SPECIFICATION)
_SPECIFICATION.loader.exec_module(tiny_training)

_DROPOUT = 0.3


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data") / "data"
    tiny_training.write_data(folder)
    return folder


def _start(job, folder: pathlib.Path, *arguments: object, **environment: str) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    path = folder / "job.json"
    path.write_text(json.dumps(dataclasses.asdict(job)))
    return subprocess.Popen(
        [sys.executable, str(_PROGRAM), str(path), *map(str, arguments)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def test_a_run_killed_at_any_step_ends_as_one_at_one_go(data, tmp_path, monkeypatch):
    tiny_training.use_tiny_tower(_DROPOUT, monkeypatch.setattr)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    tiny_training.make_job(data, whole).run()
    job = tiny_training.make_job(data, cut)
    # One life ends in the second of the three epochs, the next one in the third.
    steps = [random.randint(4, 5), random.randint(7, 8)]
    for step in steps:
        killed = _start(job, cut, _DROPOUT, step)
        printed, _ = killed.communicate()
        assert killed.returncode == -signal.SIGKILL, printed.decode()[-2000:]
    job.run()
    expected, values = tiny_training.checkpoint(whole), tiny_training.checkpoint(cut)
    assert expected.keys() == values.keys()
    # Weights, moving averages, the dropout's random state, Adam's moments and its step.
    assert len(expected) > 20
    for name, value in expected.items():
        np.testing.assert_array_equal(values[name], value, err_msg=f"{name}, killed at {steps}")
    assert tiny_training.log(cut) == tiny_training.log(whole)
    assert [line["step"] for line in tiny_training.log(cut)] == [3, 6, 9]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for free in sockets:
        free.bind(("localhost", 0))
    ports = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    return ports


def test_two_workers_go_on_as_one_device_would(data, tmp_path, monkeypatch):
    tiny_training.use_tiny_tower(0.0, monkeypatch.setattr)
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    settings = {"steps": 6, "synchronized_batch_norm": True}
    tiny_training.make_job(data, alone, **settings).run()
    with monkeypatch.context() as patch:
        tiny_training.stop_after(4, _interrupt, patch.setattr)
        with pytest.raises(KeyboardInterrupt):
            tiny_training.make_job(data, shared, **settings).run()
    job = tiny_training.make_job(data, shared, strategy="multi_worker", **settings)
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
            printed, _ = process.communicate(timeout=300)
            assert process.returncode == 0, printed.decode()[-2000:]
    finally:
        for process in workers:
            process.kill()
    expected, values = tiny_training.checkpoint(alone), tiny_training.checkpoint(shared)
    assert expected.keys() == values.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-3, atol=1e-6, err_msg=name)
    lines, expected_lines = tiny_training.log(shared), tiny_training.log(alone)
    assert [line["step"] for line in lines] == [3, 6]
    for line, expected_line in zip(lines, expected_lines, strict=True):
        assert line == pytest.approx(expected_line, rel=1e-4)
    # Only the first worker exports.
    assert tf.io.gfile.exists(str(shared / "model" / "saved_model.pb"))


def _interrupt() -> None:
    raise KeyboardInterrupt
