"""How the machines of a training come to do the same job, without training."""

import dataclasses
import json
import subprocess
import sys
import threading

import numpy as np
import pytest

from components.trainer import config, worker
from components.word_vectors import store


@pytest.fixture
def job(tmp_path):
    store.save(tmp_path / "words", ["red"], np.ones((1, 2), np.float32))
    return worker.Job(
        train_files=["clips"],
        eval_files=[],
        model=dataclasses.asdict(config.ModelConfig()),
        training=dataclasses.asdict(config.TrainingConfig(strategy="multi_worker")),
        word_vectors_uri=str(tmp_path / "words"),
        checkpoint_directory=str(tmp_path / "checkpoints"),
        log_directory=str(tmp_path / "logs"),
        model_directory=str(tmp_path / "model"),
    )


def _write(job, path):
    path.write_text(json.dumps(dataclasses.asdict(job)))
    return path


def _set_index(monkeypatch, index):
    task = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(task))


def test_the_first_worker_writes_the_job_and_says_what_to_start(job, tmp_path, monkeypatch, capfd):
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(worker.subprocess, "run", run)
    _set_index(monkeypatch, 0)
    job.run_with_others()
    path = tmp_path / "checkpoints" / "worker.json"
    assert commands == [[sys.executable, "-m", "components.trainer.worker", str(path)]]
    assert f"python -m components.trainer.worker {path}\n" in capfd.readouterr().out
    read = worker.read_job(path)
    assert config.TrainingConfig(**read.training) == config.TrainingConfig(**job.training)
    assert dataclasses.replace(read, training=job.training) == job


def test_a_training_that_fails_is_an_error_of_the_first_worker(job, monkeypatch):
    monkeypatch.setattr(
        worker.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 3)
    )
    with pytest.raises(ValueError, match="ended with status 3; the lines above say why"):
        job.run_with_others()


def test_the_pipeline_runs_on_the_first_worker(job, monkeypatch):
    _set_index(monkeypatch, 1)
    with pytest.raises(ValueError, match="has the task index 1; give it 0"):
        job.run_with_others()


def test_a_worker_waits_for_the_job(job, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(worker, "_SECONDS_BETWEEN_LOOKS", 0.01)
    path = tmp_path / "worker.json"
    later = threading.Timer(0.2, lambda: _write(job, path))
    later.start()
    assert worker.read_job(path).train_files == ["clips"]
    assert f"Waiting for the first worker to write {path}" in capfd.readouterr().out


@pytest.mark.parametrize("text", ["{", "[]", '{"train_files": []}'])
def test_a_file_that_is_no_job_is_one_clear_error(tmp_path, text, capfd):
    path = tmp_path / "worker.json"
    path.write_text(text)
    assert worker.main([str(path)]) == 1
    error = capfd.readouterr().err
    assert f"error: {path} is not the job of a training" in error
    assert error.count("\n") == 1


def test_a_worker_without_its_tf_config_is_one_clear_error(job, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert worker.main([str(_write(job, tmp_path / "worker.json"))]) == 1
    assert "error: strategy 'multi_worker' needs the environment variable TF_CONFIG" in (
        capfd.readouterr().err
    )


def test_a_training_of_one_machine_takes_no_workers(job, tmp_path, capfd):
    job = dataclasses.replace(job, training={"strategy": "one_device"})
    assert worker.main([str(_write(job, tmp_path / "worker.json"))]) == 1
    assert "without training.strategy=multi_worker" in capfd.readouterr().err
