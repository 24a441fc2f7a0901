"""Trainings in processes of their own."""

import dataclasses
import os

import numpy as np
import pytest

from components.trainer import milnce_training
from pipeline import configs
from pipeline.ablations import parallel
from pipeline.ablations.data import ClipSet
from pipeline.ablations.trials import Trials
from pipeline.studies import scores

_PRESET = configs.PRESETS["sample-ablation"]


def _seeded(seed):
    return dataclasses.replace(_PRESET, training=dataclasses.replace(_PRESET.training, seed=seed))


@pytest.mark.slow
def test_processes_measure_what_one_process_would(monkeypatch, tmp_path):
    missing = str(tmp_path / "no-such-shard")
    clips = ClipSet("clips", "f", (missing,), (), (missing,), ("cut",), np.zeros([2, 3], "float32"))
    trials = Trials(tmp_path, clips, jobs=2)
    with monkeypatch.context() as patch:
        patch.setattr(milnce_training, "train", lambda *_, **__: None)
        patch.setattr(scores, "text_to_video", lambda *_: {"R@10": 0.5})
        kept = {_seeded(seed): trials.measure(_seeded(seed)) for seed in (1, 2)}
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS")
    # The processes know nothing of the patches: what is kept they find, the rest they train.
    assert dict(parallel.measure(trials, list(kept), jobs=2)) == kept
    with pytest.raises(FileNotFoundError, match="no-such-shard"):
        list(parallel.measure(trials, [_seeded(3)], jobs=2))
    assert os.environ.get("TF_NUM_INTRAOP_THREADS") == threads


def test_cores_are_shared_by_the_trainings(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [Trials(tmp_path, None, jobs).cores for jobs in (1, 3, 8, 16)] == [8, 2, 1, 1]
