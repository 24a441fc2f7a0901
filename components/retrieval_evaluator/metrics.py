"""Retrieval metrics: one rank for each query, recalls and the median rank.

The right candidate of query i is candidate i, the diagonal of the score matrix, as in the MIL-NCE
evaluation. Captions may repeat (a narrator says "and now the glue" in many clips): the clip that a
caption was said in still counts as the only right one, so such queries keep the score honest but
below what a person would give.

Ties: the reference code sorts and keeps every position whose score equals the right one's, so that
a tied query enters its statistics several times and a NaN vanishes. Here each query has exactly one
rank, the mean of the ranks that its tied candidates share, and a NaN is an error.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

RECALL_LEVELS = (1, 5, 10)
RECALL_NAMES = tuple(f"R@{level}" for level in RECALL_LEVELS)

# 8 MiB of scores in double precision.
_BLOCK_ENTRIES = 1 << 20


@dataclasses.dataclass(frozen=True)
class QueryRanks:
    """The ranks of the right candidates.

    Attributes:
      ranks: float64 [Q], from 1; ends in .5 where an odd number of candidates ties.
      ties: int64 [Q], how many other candidates have the score of the right one.
      num_candidates: number of candidates that each query ranks, N.
    """

    ranks: np.ndarray
    ties: np.ndarray
    num_candidates: int


def query_ranks(scores: np.ndarray, correct: np.ndarray | None = None) -> QueryRanks:
    """Ranks the right candidate of each query by score, the highest first.

    rank = 1 + (candidates with a higher score) + (other candidates with the same score) / 2.

    Args:
      scores: [Q, N], a row for each query and a column for each candidate.
      correct: int [Q], the column of each query's right candidate; without it the diagonal.

    Raises:
      ValueError: the shapes do not fit, or a score is NaN.
    """
    scores = np.asarray(scores)
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(f"scores must be a matrix with entries, not of shape {scores.shape}")
    num_queries, num_candidates = scores.shape
    if correct is None:
        if num_queries != num_candidates:
            raise ValueError(
                f"{num_queries} queries and {num_candidates} candidates have no diagonal: say "
                "which candidate is right for each query"
            )
        correct = np.arange(num_queries)
    correct = np.asarray(correct)
    if correct.shape != (num_queries,):
        raise ValueError(f"{num_queries} queries, but right candidates of shape {correct.shape}")
    if correct.min() < 0 or correct.max() >= num_candidates:
        raise ValueError(f"a right candidate lies outside of 0..{num_candidates - 1}")
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} of the scores are NaN")
    right = scores[np.arange(num_queries), correct][:, None]
    higher = (scores > right).sum(axis=1)
    ties = (scores == right).sum(axis=1) - 1
    return QueryRanks(1.0 + higher + ties / 2.0, ties, num_candidates)


def dot_scores(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Returns the dot products of raw embeddings, rounded so that equal embeddings score equally.

    A matrix product may add up the same numbers in another order from column to column, which
    would break ties by chance; so it is done in float64 and rounded to float32.

    Args:
      queries: [Q, D].
      candidates: [N, D].

    Returns:
      float32 [Q, N].

    Raises:
      ValueError: a score is too large for float32, in which it would tie with others.
    """
    with np.errstate(over="ignore"):
        scores = queries.astype(np.float64) @ candidates.astype(np.float64, copy=False).T
        scores = scores.astype(np.float32)
    if np.isinf(scores).any():
        raise ValueError("scores are too large for float32: scale the embeddings down")
    return scores


def score_blocks(queries: np.ndarray, candidates: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yields dot products block by block, so that the whole score matrix is never in memory.

    Args:
      queries: [Q, D].
      candidates: [N, D].

    Yields:
      The first query of a block, and the block's scores, float32 [rows, N].

    Raises:
      ValueError: a score is too large for float32, in which it would tie with others.
    """
    candidates = candidates.astype(np.float64)
    rows = max(1, _BLOCK_ENTRIES // max(1, len(candidates)))
    for start in range(0, len(queries), rows):
        yield start, dot_scores(queries[start : start + rows], candidates)


def embedding_ranks(
    queries: np.ndarray, candidates: np.ndarray, correct: np.ndarray | None = None
) -> QueryRanks:
    """Ranks the right candidate of each query by dot product, without the whole score matrix.

    Args:
      queries: [Q, D].
      candidates: [N, D].
      correct: int [Q], the right candidate of each query; without it candidate i is query i's.

    Raises:
      ValueError: the shapes do not fit, or a score is NaN.
    """
    is_paired = correct is not None or len(queries) == len(candidates)
    if not is_paired or queries.ndim != 2 or queries.shape[1:] != candidates.shape[1:]:
        raise ValueError(
            f"queries of shape {queries.shape} and candidates of shape {candidates.shape} do not "
            "pair up"
        )
    if not len(queries):
        raise ValueError("there is nothing to rank")
    correct = np.arange(len(queries)) if correct is None else np.asarray(correct)
    if correct.shape != (len(queries),):
        raise ValueError(f"{len(queries)} queries, but right candidates of shape {correct.shape}")
    blocks = [
        query_ranks(scores, correct[start : start + len(scores)])
        for start, scores in score_blocks(queries, candidates)
    ]
    return QueryRanks(
        np.concatenate([block.ranks for block in blocks]),
        np.concatenate([block.ties for block in blocks]),
        len(candidates),
    )


def summarize_ranks(ranked: QueryRanks) -> Mapping[str, float | int]:
    """Returns recalls (fractions of the queries), median rank and counts.

    `num_ties` is the number of queries whose right candidate shares its score with another one.

    Args:
      ranked: the ranks of the queries.
    """
    recalls = {
        name: float(np.mean(ranked.ranks <= level))
        for name, level in zip(RECALL_NAMES, RECALL_LEVELS, strict=True)
    }
    return {
        **recalls,
        "median_rank": float(np.median(ranked.ranks)),
        "num_queries": len(ranked.ranks),
        "num_candidates": ranked.num_candidates,
        "num_ties": int(np.count_nonzero(ranked.ties)),
    }


def retrieval_metrics(
    scores: np.ndarray, correct: np.ndarray | None = None
) -> Mapping[str, float | int]:
    """Returns R@1, R@5, R@10, median rank, counts and number of tied queries of a score matrix.

    Text to video takes text rows and video columns; video to text takes the transpose.

    Args:
      scores: [Q, N], a row for each query and a column for each candidate.
      correct: int [Q], the column of each query's right candidate; without it the diagonal.

    Raises:
      ValueError: the shapes do not fit, or a score is NaN.
    """
    return summarize_ranks(query_ranks(scores, correct))


def random_metrics(num_candidates: int) -> Mapping[str, float]:
    """Returns what guessing is expected to give: R@K = K / N and median rank (N + 1) / 2.

    Args:
      num_candidates: number of candidates, N.

    Raises:
      ValueError: there are no candidates.
    """
    if num_candidates < 1:
        raise ValueError("there are no candidates to guess from")
    recalls = {
        name: min(1.0, level / num_candidates)
        for name, level in zip(RECALL_NAMES, RECALL_LEVELS, strict=True)
    }
    return {**recalls, "median_rank": (num_candidates + 1) / 2}
