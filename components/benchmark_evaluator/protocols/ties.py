"""What a tie is worth in retrieval: the rules that published evaluations follow, by name."""

from collections.abc import Callable, Mapping

import numpy as np

from components.retrieval_evaluator.metrics import RECALL_LEVELS, RECALL_NAMES, QueryRanks


def _reference(ranked: QueryRanks) -> np.ndarray:
    """Returns one entry for each candidate that ties with the right one, itself included."""
    first = np.repeat(ranked.ranks - ranked.ties / 2.0, ranked.ties + 1)
    ends = np.cumsum(ranked.ties + 1)
    place_in_tie = np.arange(len(first)) - np.repeat(ends - (ranked.ties + 1), ranked.ties + 1)
    return first + place_in_tie


TIE_RULES: Mapping[str, Callable[[QueryRanks], np.ndarray]] = {
    "mean": lambda ranked: ranked.ranks,
    "optimistic": lambda ranked: ranked.ranks - ranked.ties / 2.0,
    "pessimistic": lambda ranked: ranked.ranks + ranked.ties / 2.0,
    "reference": _reference,
}


def ranks_by_rule(ranked: QueryRanks, rule: str) -> np.ndarray:
    """Returns the ranks that count.

    Args:
      ranked: the ranks of the queries, Q of them, and their ties.
      rule: "mean", the mean of the ranks that the tied candidates share, as everywhere in this
        project; "optimistic", the best of them (frozen-in-time's default); "pessimistic", the
        worst; "reference", all of them: in the code of both papers a tied query enters the
        statistics once for each candidate that ties (facts/protocols.md, section 6).

    Returns:
      float64 [Q], with "reference" [Q + ties].

    Raises:
      ValueError: there is no such rule.
    """
    if rule not in TIE_RULES:
        raise ValueError(f"there is no rule {rule!r} for ties; there are {', '.join(TIE_RULES)}")
    return np.asarray(TIE_RULES[rule](ranked), np.float64)


def recalls(ranks: np.ndarray) -> dict[str, float]:
    """Returns R@1, R@5, R@10 as fractions, and the median rank.

    Args:
      ranks: float [Q], from 1.
    """
    return {
        **{
            name: float(np.mean(ranks <= level))
            for name, level in zip(RECALL_NAMES, RECALL_LEVELS, strict=True)
        },
        "median_rank": float(np.median(ranks)),
    }
