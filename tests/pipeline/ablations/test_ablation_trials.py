"""Trainings that are each done once, with a training that only takes notes."""

import dataclasses

import numpy as np
import pytest

from components.trainer import milnce_training
from pipeline import configs
from pipeline.ablations.data import ClipSet
from pipeline.ablations.trials import Trials
from pipeline.studies import scores

_PRESET = configs.PRESETS["sample-ablation"]
_CLIPS = ClipSet("clips", "f", ("t",), ("v",), ("s",), ("cut",), np.zeros([2, 3], np.float32))


@pytest.fixture
def trained(monkeypatch) -> list:
    """Notes each training's settings in place of training; a model's score is 0.5."""
    done = []

    def train(train_files, eval_files, *, words, vectors, model_config, config, **folders):
        assert (train_files, eval_files, words) == (["t"], ["v"], ["cut"])
        (folders["checkpoint_directory"]).mkdir(parents=True)
        done.append((model_config, config))

    def score(model_folder, clips, clip_set):
        assert clips.files == ("s",)
        assert clips.image_size == _PRESET.evaluation.image_size
        return {"R@10": 0.5}

    monkeypatch.setattr(milnce_training, "train", train)
    monkeypatch.setattr(scores, "text_to_video", score)
    return done


def _with(section, **settings):
    changed = dataclasses.replace(getattr(_PRESET, section), **settings)
    return dataclasses.replace(_PRESET, **{section: changed})


def test_equal_settings_are_trained_once(trained, tmp_path):
    first = Trials(tmp_path, _CLIPS).measure(_PRESET)
    again = Trials(tmp_path, _CLIPS)
    assert again.find(_PRESET) == again.measure(_PRESET) == first
    assert first.metrics == {"R@10": 0.5}
    assert first.seconds >= 0
    assert trained == [(_PRESET.model, _PRESET.training)]
    # Neither checkpoints nor models stay.
    assert [path.name for path in tmp_path.iterdir()] == ["scores"]


@pytest.mark.parametrize(
    "other",
    [
        _with("training", seed=2),
        _with("model", text_model="gru"),
        _with("evaluation", num_windows=1),
    ],
)
def test_other_settings_are_trained_anew(trained, tmp_path, other):
    trials = Trials(tmp_path, _CLIPS)
    trials.measure(_PRESET)
    assert trials.find(other) is None
    trials.measure(other)
    assert len(trained) == 2


def test_other_clips_are_trained_on_anew(trained, tmp_path):
    Trials(tmp_path, _CLIPS).measure(_PRESET)
    other = Trials(tmp_path, dataclasses.replace(_CLIPS, fingerprint="g"))
    assert other.find(_PRESET) is None


def test_interrupted_training_keeps_its_checkpoints(trained, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scores, "text_to_video", stop)
        with pytest.raises(KeyboardInterrupt):
            Trials(tmp_path, _CLIPS).measure(_PRESET)
    assert len(list(tmp_path.glob("*/checkpoints"))) == 1
    assert Trials(tmp_path, _CLIPS).find(_PRESET) is None
