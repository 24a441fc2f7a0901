import numpy as np
import pytest

from components.retrieval_evaluator import metrics

# Rows are texts, columns are videos. Text 0 finds its video first. Text 1: video 2 is better, so
# rank 2. Text 2: both others are better, so rank 3.
# Down the columns: video 0: text 2 (8) is below 9, rank 1. Video 1: text 2 (7) beats 5, rank 2.
# Video 2: text 1 (6) beats 3, text 0 (1) does not, rank 2.
_SCORES = np.array(
    [
        [9.0, 2.0, 1.0],
        [4.0, 5.0, 6.0],
        [8.0, 7.0, 3.0],
    ]
)


def test_text_to_video_by_hand():
    assert metrics.retrieval_metrics(_SCORES) == {
        "R@1": 1 / 3,
        "R@5": 1.0,
        "R@10": 1.0,
        "median_rank": 2.0,
        "num_queries": 3,
        "num_candidates": 3,
        "num_ties": 0,
    }
    np.testing.assert_array_equal(metrics.query_ranks(_SCORES).ranks, [1, 2, 3])


def test_video_to_text_is_the_transpose():
    np.testing.assert_array_equal(metrics.query_ranks(_SCORES.T).ranks, [1, 2, 2])


def test_recall_levels_by_hand():
    # Query i of 12 has i better candidates: ranks 1..12.
    scores = np.zeros((12, 12))
    for query in range(12):
        others = [column for column in range(12) if column != query]
        scores[query, others[:query]] = 2.0
        scores[query, query] = 1.0
    result = metrics.retrieval_metrics(scores)
    assert result["R@1"] == 1 / 12
    assert result["R@5"] == 5 / 12
    assert result["R@10"] == 10 / 12
    assert result["median_rank"] == 6.5


def test_a_tied_query_has_one_rank_the_mean_of_the_shared_ones():
    # Text 0: one better, two others tie with the right one: ranks 2, 3, 4 are shared, mean 3.
    # Text 1: one tie at the top: (1 + 2) / 2. Texts 2 and 3 have no tie.
    scores = np.array(
        [
            [5.0, 7.0, 5.0, 5.0],
            [0.0, 3.0, 3.0, 1.0],
            [0.0, 0.0, 1.0, 0.0],
            [2.0, 2.0, 2.0, 1.0],
        ]
    )
    ranked = metrics.query_ranks(scores)
    np.testing.assert_array_equal(ranked.ranks, [3.0, 1.5, 1.0, 4.0])
    np.testing.assert_array_equal(ranked.ties, [2, 1, 0, 0])
    result = metrics.summarize_ranks(ranked)
    assert result["num_ties"] == 2
    assert result["num_queries"] == 4
    assert result["R@1"] == 0.25
    assert result["median_rank"] == 2.25


def test_a_constant_matrix_has_one_middle_rank_a_query():
    # The reference code makes 10,000 ranks of this and R@1 0.01.
    result = metrics.retrieval_metrics(np.zeros((100, 100)))
    assert result["num_queries"] == 100
    assert result["median_rank"] == 50.5
    assert result["num_ties"] == 100
    assert (result["R@1"], result["R@5"], result["R@10"]) == (0.0, 0.0, 0.0)


def test_right_candidates_off_the_diagonal():
    scores = np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
    ranked = metrics.query_ranks(scores, correct=np.array([3, 2]))
    np.testing.assert_array_equal(ranked.ranks, [1, 3])
    assert ranked.num_candidates == 4


@pytest.mark.parametrize("where", [(0, 0), (0, 1)])
def test_nan_is_an_error(where):
    scores = np.eye(2)
    scores[where] = np.nan
    with pytest.raises(ValueError, match="1 of the scores are NaN"):
        metrics.query_ranks(scores)


@pytest.mark.parametrize(
    ("scores", "correct", "message"),
    [
        (np.zeros((2, 3)), None, "no diagonal"),
        (np.zeros((0, 0)), None, "matrix with entries"),
        (np.zeros(3), None, "matrix with entries"),
        (np.zeros((2, 3)), np.array([0]), "2 queries"),
        (np.zeros((2, 3)), np.array([0, 3]), "outside of 0..2"),
    ],
)
def test_shapes_that_do_not_fit(scores, correct, message):
    with pytest.raises(ValueError, match=message):
        metrics.query_ranks(scores, correct)


def test_random_row():
    assert metrics.random_metrics(200) == {
        "R@1": 0.005,
        "R@5": 0.025,
        "R@10": 0.05,
        "median_rank": 100.5,
    }
    assert metrics.random_metrics(4)["R@10"] == 1.0


def test_embedding_ranks_agree_with_the_whole_matrix_in_small_blocks(monkeypatch):
    generator = np.random.default_rng(3)
    text = generator.normal(size=(11, 5)).astype(np.float32)
    video = generator.normal(size=(11, 5)).astype(np.float32)
    video[7] = video[2]
    whole = metrics.query_ranks(metrics.dot_scores(text, video))
    monkeypatch.setattr(metrics, "_BLOCK_ENTRIES", 3 * 11)
    blocks = metrics.embedding_ranks(text, video)
    np.testing.assert_array_equal(blocks.ranks, whole.ranks)
    np.testing.assert_array_equal(blocks.ties, whole.ties)
    assert blocks.ties[2] == blocks.ties[7] == 1


def test_equal_embeddings_always_tie():
    generator = np.random.default_rng(0)
    text = generator.normal(size=(37, 512)).astype(np.float32)
    video = np.repeat(generator.normal(size=(1, 512)), 37, axis=0).astype(np.float32)
    np.testing.assert_array_equal(metrics.embedding_ranks(text, video).ties, np.full(37, 36))


def test_embeddings_that_do_not_pair_up():
    with pytest.raises(ValueError, match="do not pair up"):
        metrics.embedding_ranks(np.zeros((2, 3)), np.zeros((3, 3)))
