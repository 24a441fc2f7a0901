import numpy as np
import pytest

from components.benchmark_evaluator.protocols import ties
from components.retrieval_evaluator.metrics import query_ranks


def _reference_ranks(scores):
    """Zero-based ranks as the papers' `metrics.py` finds them, plus one."""
    order = np.sort(-scores, axis=1)
    right = np.diag(-scores)[:, np.newaxis]
    return np.where(order - right == 0)[1] + 1


def test_each_rule_by_hand():
    # The right candidate of query 0 ties with one other behind one better; query 1 is alone first.
    scores = np.array([[2.0, 3, 2, 1], [0, 9, 0, 0], [1, 1, 1, 1], [4, 3, 2, 1]])
    ranked = query_ranks(scores)
    assert ties.ranks_by_rule(ranked, "mean").tolist() == [2.5, 1, 2.5, 4]
    assert ties.ranks_by_rule(ranked, "optimistic").tolist() == [2, 1, 1, 4]
    assert ties.ranks_by_rule(ranked, "pessimistic").tolist() == [3, 1, 4, 4]
    assert ties.ranks_by_rule(ranked, "reference").tolist() == [2, 3, 1, 1, 2, 3, 4, 4]


def test_the_reference_rule_is_the_reference_code():
    scores = np.random.default_rng(3).integers(0, 4, [40, 40]).astype(float)
    found = ties.ranks_by_rule(query_ranks(scores), "reference")
    np.testing.assert_array_equal(found, _reference_ranks(scores))


def test_a_constant_matrix_enters_ten_thousand_times():
    ranks = ties.ranks_by_rule(query_ranks(np.ones([100, 100])), "reference")
    assert len(ranks) == 10_000
    assert ties.recalls(ranks) == {"R@1": 0.01, "R@5": 0.05, "R@10": 0.1, "median_rank": 50.5}


@pytest.mark.parametrize("rule", ties.TIE_RULES)
def test_without_ties_all_rules_and_the_reference_agree(rule):
    scores = np.random.default_rng(5).permutation(60 * 60).reshape(60, 60)
    ranks = ties.ranks_by_rule(query_ranks(scores), rule)
    expected = _reference_ranks(scores)
    np.testing.assert_array_equal(ranks, expected)
    assert ties.recalls(ranks) == {
        "R@1": np.sum(expected == 1) / 60,
        "R@5": np.sum(expected <= 5) / 60,
        "R@10": np.sum(expected <= 10) / 60,
        "median_rank": np.median(expected),
    }


def test_another_rule_is_refused():
    with pytest.raises(ValueError, match=r"no rule 'lucky'.*mean, optimistic"):
        ties.ranks_by_rule(query_ranks(np.eye(2)), "lucky")
