"""Scores that are each measured once."""

import json

import pytest

from pipeline.studies import scores


def test_equal_descriptions_are_measured_once(tmp_path):
    kept = scores.KeptScores(tmp_path / "scores")
    assert kept.find(["model", 1]) is None
    assert kept.get(["model", 1], lambda: {"R@10": 0.5}) == {"R@10": 0.5}
    assert scores.KeptScores(tmp_path / "scores").get(["model", 1], dict) == {"R@10": 0.5}
    assert kept.get(["model", 2], lambda: {"R@10": 0.25}) == {"R@10": 0.25}
    assert kept.find(["model", 1]) == {"R@10": 0.5}


def test_failed_measurement_leaves_nothing(tmp_path):
    kept = scores.KeptScores(tmp_path)

    def fail():
        raise ValueError("too few clips")

    with pytest.raises(ValueError, match="too few clips"):
        kept.get("model", fail)
    # What JSON cannot hold fails while the file is written.
    with pytest.raises(TypeError):
        kept.get("model", lambda: {"R@10": object()})
    assert list(tmp_path.iterdir()) == []


def test_names_are_short_and_differ(tmp_path):
    name = scores.short_name(["a", 1.5])
    assert len(name) == 16
    assert name == scores.short_name(json.loads(json.dumps(["a", 1.5])))
    assert name != scores.short_name(["a", 1.25])
