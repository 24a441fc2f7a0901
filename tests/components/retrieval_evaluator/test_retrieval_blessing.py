import pytest

from components.retrieval_evaluator import blessing
from components.retrieval_evaluator.config import EvaluatorConfig

_RANDOM = {"R@1": 0.01, "R@5": 0.05, "R@10": 0.1}


def _measured(recall):
    return {"R@10": recall, "num_candidates": 100}


def _decide(recall, baseline=None, **settings):
    return blessing.decide(_measured(recall), _RANDOM, baseline, EvaluatorConfig(**settings))


@pytest.mark.parametrize(
    ("recall", "margin", "blessed"),
    [(0.2, 1.0, True), (0.19, 1.0, False), (0.11, 0.0, True), (0.1, 0.0, False), (1.0, 99, True)],
)
def test_a_model_must_beat_random_by_the_margin(recall, margin, blessed):
    decision = _decide(recall, min_recall_margin=margin)
    assert decision.blessed is blessed
    assert decision.reason.startswith("Blessed" if blessed else "Not blessed")


@pytest.mark.parametrize(
    ("recall", "tolerance", "blessed"),
    [(0.6, 0.0, True), (0.59, 0.0, False), (0.59, 0.02, True), (0.57, 0.02, False)],
)
def test_a_model_must_be_no_worse_than_the_last_pushed(recall, tolerance, blessed):
    baseline = blessing.Baseline("hub/1", {"R@10": 0.6}, {"R@10": 0.9})
    decision = _decide(recall, baseline, max_regression=tolerance)
    assert decision.blessed is blessed
    assert "60.0%" in decision.reason
    assert "hub/1" in decision.reason


def test_a_broken_last_model_blocks_and_says_what_to_do():
    decision = _decide(0.9, blessing.Baseline("hub/1", error="it is gone"))
    assert not decision.blessed
    assert "hub/1 could not be scored (it is gone)" in decision.reason
    assert "move that folder away" in decision.reason


def test_a_recall_that_guessing_reaches_tells_nothing():
    decision = blessing.decide(
        {"R@10": 1.0, "num_candidates": 8}, {"R@10": 1.0}, None, EvaluatorConfig()
    )
    assert not decision.blessed
    assert "with 8 clips R@10 is 100 % even for guessing" in decision.reason


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("num_windows", 0),
        ("frame_rate", -1.0),
        ("max_clips", -1),
        ("max_regression", -0.1),
        ("recall_name", "R@2"),
    ],
)
def test_settings_out_of_range(setting, value):
    with pytest.raises(ValueError, match=f"evaluation.{setting} is"):
        EvaluatorConfig(**{setting: value})
