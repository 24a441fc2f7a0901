import numpy as np
import pytest

from components.benchmark_evaluator.protocols import segment_ranking
from components.benchmark_evaluator.protocols.segment_ranking import RankedClass


def test_average_precision_by_hand():
    positive = np.array([True, False, True, False])
    assert segment_ranking.average_precision(positive, 2) == (1 + 2 / 3) / 2
    # A positive that was never listed still counts in the denominator.
    assert segment_ranking.average_precision(positive, 4) == (1 + 2 / 3) / 4


def test_all_positives_give_one_and_none_listed_gives_zero():
    assert segment_ranking.average_precision(np.ones(3, bool), 3) == 1.0
    assert segment_ranking.average_precision(np.zeros(0, bool), 5) == 0.0
    with pytest.raises(ValueError, match="without a positive"):
        segment_ranking.average_precision(np.array([False]), 0)


def test_the_best_come_first_and_ties_do_not_follow_the_order_of_the_input():
    assert segment_ranking.best_first(np.array([0.1, 0.9, -2.0, 0.5])).tolist() == [1, 3, 0, 2]
    order = segment_ranking.best_first(np.zeros(200))
    assert sorted(order.tolist()) == list(range(200))
    # Of the first half of the list about half is from the first half of the input.
    assert 35 < np.count_nonzero(order[:100] < 100) < 65
    with pytest.raises(ValueError, match="1 of the scores are not finite"):
        segment_ranking.best_first(np.array([np.nan]))


def ranked(segments, scores, truth, **arguments):
    groups = {name: ord(name[0]) for of_class in truth.values() for name in of_class}
    return segment_ranking.ranked_classes(segments, scores, truth, groups, **arguments)


def precisions(*arguments, **named):
    found = ranked(*arguments, **named)
    return {label: of_class.average_precision() for label, of_class in found.items()}


def test_classes_by_hand():
    segments = ["a:0", "a:5", "b:0"]
    truth = {
        3: {"a:0": True, "b:0": False},
        7: {"a:5": True, "b:0": True},
        9: {"a:0": False},
    }
    scores = np.array([[0.1, 0.9, 0.5], [0.5, 0.3, 0.5], [0.9, 0.2, 0.5]])
    # Class 3: b:0 is above a:0. Class 7: the unrated a:0 costs nothing. Class 9 has no positive.
    assert precisions(segments, scores, truth) == {3: 1 / 2, 7: 1.0}
    # The list is cut before unrated segments go, and its length limits no denominator.
    assert precisions(segments, scores, truth, top_n=2) == {3: 0.0, 7: 1 / 2}


def test_a_positive_without_a_score_counts_in_the_denominator():
    truth = {3: {"a:0": True, "gone:0": True, "b:0": False}, 7: {"gone:0": True, "b:0": False}}
    scores = np.array([[0.9, 0.1], [0.2, 0.8]])
    # Class 7 lost its only positive: it scores 0 and stays.
    assert precisions(["a:0", "b:0"], scores, truth) == {3: 0.5, 7: 0.0}


def test_chance_decides_what_a_cut_through_ties_leaves():
    segments = [f"a:{place}" for place in range(200)]
    truth = {3: {name: place < 100 for place, name in enumerate(segments)}}
    for sign in (1, -1):
        (found,) = ranked(segments[::sign], np.zeros([200, 1]), truth, top_n=100).values()
        assert 35 < np.count_nonzero(found.positive) < 65


def test_groups_that_are_there_several_times_or_not_at_all():
    # From group 0 a positive, from 1 a negative and a positive; one positive of group 2 is lost.
    found = RankedClass(
        np.array([False, True, True]), np.array([1, 0, 1], np.int64), np.array([2], np.int64)
    )
    assert found.average_precision() == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert found.average_precision(np.array([1, 1, 1])) == found.average_precision()
    # Twice group 0: -, +, +, +.
    assert found.average_precision(np.array([2, 1, 0])) == pytest.approx(
        (1 / 2 + 2 / 3 + 3 / 4) / 3
    )
    assert found.average_precision(np.array([3, 0, 0])) == 1.0
    assert found.average_precision(np.array([0, 0, 3])) == 0.0
    alone = RankedClass(np.array([True]), np.array([0]), np.zeros(0, np.int64))
    assert np.isnan(alone.average_precision(np.array([0])))


def test_scores_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="2 segments and 1 classes, but scores of shape"):
        ranked(["a:0", "a:5"], np.zeros([2, 2]), {1: {}})
