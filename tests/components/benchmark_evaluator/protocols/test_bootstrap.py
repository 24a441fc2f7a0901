import numpy as np
import pytest

from components.benchmark_evaluator.protocols import bootstrap


def test_a_constant_has_an_interval_of_no_width():
    values = np.full(20, 0.25)
    assert bootstrap.interval(lambda drawn: values[drawn].mean(), 20) == (0.25, 0.25)


def test_the_interval_of_a_share_is_that_of_the_binomial():
    values = np.repeat([0.0, 1.0], 200)
    low, high = bootstrap.interval(lambda drawn: values[drawn].mean(), 400, repetitions=4000)
    width = 1.96 * np.sqrt(0.25 / 400)
    assert low == pytest.approx(0.5 - width, abs=0.005)
    assert high == pytest.approx(0.5 + width, abs=0.005)


def test_the_same_seed_gives_the_same_interval_and_another_another():
    values = np.random.default_rng(0).normal(size=50)
    first, again, other = (
        bootstrap.interval(lambda drawn: values[drawn].mean(), 50, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_groups_are_drawn_from_on_their_own():
    values = np.array([0.0, 0, 0, 1])
    # Of the last group there is nothing else to draw.
    assert bootstrap.interval(lambda drawn: values[drawn].mean(), [3, 1]) == (0.25, 0.25)
    with pytest.raises(ValueError, match="nothing to draw from"):
        bootstrap.interval(lambda drawn: 1.0, [2, 0])


def test_draws_without_a_value_are_left_out():
    def share_of_first(drawn):
        return np.nan if 0 not in drawn else 1.0

    assert bootstrap.interval(share_of_first, 3) == (1.0, 1.0)
    with pytest.raises(ValueError, match="no draw has a value"):
        bootstrap.interval(lambda drawn: np.nan, 3)
    with pytest.raises(ValueError, match="nothing to draw from"):
        bootstrap.interval(lambda drawn: 1.0, 0)


def test_splits_draw_a_group_once_for_all_of_them():
    # Two videos of "x" and one of "y" in the first split, "y" and "z" in the second.
    groups = [["x", "y", "x"], ["y", "z"]]
    right = [[True, False, False], [True, False]]
    mean_accuracy, num_groups = bootstrap.split_accuracies(groups, right)
    assert num_groups == 3
    x, y, z = range(3)
    # As found: 1 of 3 and 1 of 2.
    assert mean_accuracy(np.array([x, y, z])) == pytest.approx((1 / 3 + 1 / 2) / 2)
    # "y" three times: 0 of 3 and 3 of 3.
    assert mean_accuracy(np.array([y, y, y])) == 0.5
    # "x" twice and "z": 2 of 4, and 0 of 1.
    assert mean_accuracy(np.array([x, x, z])) == 0.25
    # "y" twice and "x": 1 of 4 and 2 of 2.
    assert mean_accuracy(np.array([y, x, y])) == pytest.approx((1 / 4 + 1) / 2)
    assert np.isnan(mean_accuracy(np.array([x, x, x])))


def test_splits_that_share_their_videos_are_no_further_evidence():
    # Three times the same tests: the interval is that of one split, not narrower.
    right = np.random.default_rng(0).random(200) < 0.5
    one, three = (
        bootstrap.interval(*bootstrap.split_accuracies([range(200)] * count, [right] * count))
        for count in (1, 3)
    )
    assert three == pytest.approx(one)
