import itertools

import numpy as np
import pytest

from components.benchmark_evaluator.protocols import step_localization


def _brute_force(costs):
    num_seconds, num_steps = costs.shape
    return min(
        sum(costs[second, step] for step, second in enumerate(chosen))
        for chosen in itertools.combinations(range(num_seconds), num_steps)
    )


@pytest.mark.parametrize(
    ("num_seconds", "num_steps"),
    [(seconds, steps) for seconds in range(1, 9) for steps in range(1, 5) if steps <= seconds],
)
def test_the_dynamic_program_is_as_cheap_as_brute_force(num_seconds, num_steps):
    rng = np.random.default_rng(100 * num_seconds + num_steps)
    for _ in range(20):
        # Few distinct values, so that there are ties, and negative ones.
        costs = rng.integers(-3, 4, [num_seconds, num_steps]).astype(float)
        chosen = step_localization.assign_steps(costs)
        assert (np.diff(chosen) > 0).all()
        assert costs[chosen, np.arange(num_steps)].sum() == _brute_force(costs)


def test_every_zero_one_cost_of_four_seconds_and_two_steps():
    for bits in itertools.product((0.0, 1.0), repeat=8):
        costs = np.array(bits).reshape(4, 2)
        chosen = step_localization.assign_steps(costs)
        assert chosen[0] < chosen[1]
        assert costs[chosen, [0, 1]].sum() == _brute_force(costs)


def test_steps_follow_one_another_at_once_where_that_is_cheapest():
    costs = np.array([[5.0, 5], [1, 5], [5, 1], [5, 5]])
    assert step_localization.assign_steps(costs).tolist() == [1, 2]


def test_the_first_second_may_be_the_first_step_and_the_last_the_last():
    costs = np.array([[0.0, 9], [9, 9], [9, 0]])
    assert step_localization.assign_steps(costs).tolist() == [0, 2]


def test_a_video_of_an_hour_with_twelve_steps():
    shown = 300 * np.arange(12) + 7
    # All seconds speak against all steps, one of each step less than the others.
    costs = np.full([3600, 12], 1000.0)
    costs[shown, np.arange(12)] = 1.0
    assert step_localization.assign_steps(costs).tolist() == shown.tolist()
    scores = np.zeros([3600, 12])
    scores[shown, np.arange(12)] = 1000.0
    localized = step_localization.localize(
        "t", scores, [(step, second, second + 1) for step, second in enumerate(shown)]
    )
    assert localized.hits.all()


def test_as_many_seconds_as_steps_leave_one_assignment():
    assert step_localization.assign_steps(np.zeros([3, 3])).tolist() == [0, 1, 2]


def test_ties_are_decided_as_in_crosstasks_code():
    # It ends in the last step; before it, staying in the background wins over a later step.
    assert step_localization.assign_steps(np.zeros([4, 1])).tolist() == [3]
    assert step_localization.assign_steps(np.zeros([5, 2])).tolist() == [0, 4]


def test_too_few_seconds_are_refused():
    with pytest.raises(step_localization.TooShortError, match="2 seconds cannot show 3 steps"):
        step_localization.assign_steps(np.zeros([2, 3]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_costs_and_scores_that_are_not_finite_are_refused(bad):
    values = np.zeros([3, 2])
    values[1, 1] = bad
    with pytest.raises(ValueError, match="1 of the costs are not finite"):
        step_localization.assign_steps(values)
    with pytest.raises(ValueError, match="1 of the scores are not finite"):
        step_localization.step_costs(values)


def test_costs_of_a_second_by_hand():
    costs = step_localization.step_costs(np.log([[1.0, 3.0]]))
    np.testing.assert_allclose(costs, -np.log([[0.25, 0.75]]))
    np.testing.assert_array_equal(
        step_localization.step_costs(np.array([[1.0, 3.0]]), "similarity"), [[-1, -3]]
    )
    with pytest.raises(ValueError, match="no cost 'cosine'"):
        step_localization.step_costs(np.zeros([1, 1]), "cosine")


def test_truth_rows_exclusive_and_inclusive():
    segments = [(0, 1.5, 2.5), (1, 2.0, 3.0)]
    exclusive = step_localization.step_truth(segments, 5, 2, "exclusive")
    assert exclusive.T.astype(int).tolist() == [[0, 1, 1, 0, 0], [0, 0, 1, 0, 0]]
    inclusive = step_localization.step_truth(segments, 5, 2, "inclusive")
    assert inclusive.T.astype(int).tolist() == [[0, 1, 1, 1, 0], [0, 0, 1, 1, 0]]


def test_a_video_by_hand():
    # Similarities point at seconds 0 and 2; the truth of step 1 begins later.
    scores = np.array([[9.0, 0], [0, 0], [0, 9], [0, 0]])
    localized = step_localization.localize("t", scores, [(0, 0, 1), (1, 3, 4)])
    assert localized.hits.tolist() == [True, False]
    assert localized.present.tolist() == [True, True]


@pytest.mark.parametrize("ends", ["exclusive", "inclusive"])
def test_a_step_behind_the_last_second_is_none_that_the_video_shows(ends):
    scores = np.array([[9.0, 0], [0, 9]])
    # The second step begins with a third second, of which there are no scores; the first lasts on.
    localized = step_localization.localize("t", scores, [(0, 0, 5), (1, 2, 4)], ends=ends)
    assert localized.present.tolist() == [True, False]
    assert localized.hits.tolist() == [True, False]


def test_occurrences_keep_the_videos_own_order_and_repeats():
    # Step 1, step 0, step 1 again; the last occurrence is missed.
    scores = np.array([[0.0, 9], [9, 0], [0, 0], [0, 9]])
    segments = [(0, 1.0, 2.0), (1, 0.0, 1.0), (1, 2.0, 3.0)]
    localized = step_localization.localize_occurrences("t", scores, segments)
    assert localized.hits.tolist() == [True, True, False]
    assert step_localization.micro_recall([localized]) == {"all": 2 / 3}
    with pytest.raises(step_localization.TooShortError):
        step_localization.localize_occurrences("t", scores[:2], segments)


def _video(task, hits, present):
    return step_localization.Localized(task, np.array(hits, bool), np.array(present, bool))


def test_recall_is_pooled_for_each_task_and_then_averaged():
    videos = [
        _video("a", [1, 1], [1, 1]),
        _video("a", [0, 0], [1, 0]),
        _video("b", [0, 1], [1, 1]),
    ]
    pooled = step_localization.pooled_recall(videos)
    assert pooled == {"a": 2 / 3, "b": 1 / 2}
    assert step_localization.average_recall(pooled) == pytest.approx(7 / 12)
    by_video = step_localization.mean_video_recall(videos)
    assert by_video["a"] == pytest.approx((1 + 0) / 2, abs=1e-5)
    assert by_video["b"] == pytest.approx(1 / 2, abs=1e-5)


def test_no_video_has_no_recall():
    with pytest.raises(ValueError, match="no task"):
        step_localization.average_recall({})
