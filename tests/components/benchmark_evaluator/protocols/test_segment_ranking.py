import numpy as np
import pytest

from components.benchmark_evaluator.protocols import segment_ranking


def test_average_precision_by_hand():
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    positive = np.array([True, False, True, False])
    assert segment_ranking.average_precision(scores, positive, 2) == (1 + 2 / 3) / 2
    # A positive that was never listed still counts in the denominator.
    assert segment_ranking.average_precision(scores, positive, 4) == (1 + 2 / 3) / 4


def test_all_positives_give_one_and_none_listed_gives_zero():
    assert segment_ranking.average_precision(np.arange(3.0), np.ones(3, bool), 3) == 1.0
    assert segment_ranking.average_precision(np.zeros(0), np.zeros(0, bool), 5) == 0.0


def test_ties_do_not_follow_the_order_of_the_input():
    positive = np.arange(200) < 100
    precision = segment_ranking.average_precision(np.zeros(200), positive, 100)
    reverse = segment_ranking.average_precision(np.zeros(200), positive[::-1], 100)
    assert 0.4 < precision < 0.6
    assert 0.4 < reverse < 0.6


def test_the_list_is_cut_before_unrated_segments_go():
    segments = ["a:0", "a:5", "b:0", "b:5"]
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    kept = segment_ranking.rated_in_list(segments, scores, {"a:5", "b:0", "b:5"}, top_n=3)
    assert kept.tolist() == [1, 2]


def test_classes_by_hand():
    segments = ["a:0", "a:5", "b:0"]
    truth = {
        3: {"a:0": True, "b:0": False},
        7: {"a:5": True, "b:0": True},
        9: {"a:0": False},
    }
    scores = np.array([[0.1, 0.9, 0.5], [0.5, 0.3, 0.5], [0.9, 0.2, 0.5]])
    # Class 3: b:0 is above a:0. Class 7: the unrated a:0 costs nothing. Class 9 has no positive.
    expected = {3: 1 / 2, 7: 1.0}
    assert segment_ranking.average_precisions(segments, scores, truth) == expected
    cut = segment_ranking.average_precisions(segments, scores, truth, top_n=2)
    assert cut == {3: 0.0, 7: 1 / 2}


def test_bad_scores_are_refused():
    with pytest.raises(ValueError, match="2 segments and 1 classes, but scores of shape"):
        segment_ranking.average_precisions(["a:0", "a:5"], np.zeros([2, 2]), {1: {}})
    with pytest.raises(ValueError, match="1 of the scores are not finite"):
        segment_ranking.average_precision(np.array([np.nan]), np.array([True]), 1)
    with pytest.raises(ValueError, match="without a positive"):
        segment_ranking.average_precision(np.zeros(1), np.array([False]), 0)
