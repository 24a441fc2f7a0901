import math

import numpy as np
import pytest
import tensorflow as tf

from models import losses
from models.losses import Scores

INF = math.inf

# exp s(i, j): clips in rows, captions in columns. Own scores log 6 and log 3; the negatives of clip
# 0 are the caption log 1 and the clip log 2, those of clip 1 the caption log 2 and the clip log 1.
TWO_CLIPS = [[6, 1], [2, 3]]
# Two candidates a clip. Clip 0: own 1 and 3, captions 2 and 2, clips 1 and 1.
# Clip 1: own 2 and 4, captions 1 and 1, clips 2 and 2.
TWO_CANDIDATES = [[1, 3, 2, 2], [1, 1, 2, 4]]


def scores_of(exponentials, **settings) -> Scores:
    """Returns the scores of clips along the axes, of which the rows are then the scores."""
    return losses.score_pairs(np.eye(2), np.log(exponentials).T, **settings)


def numbered_scores(batch: int, candidates: int, **settings) -> Scores:
    """Returns scores that say what they are of: s(i, j, k) = 100 i + 10 j + k."""
    captions = [10 * j + k for j in range(batch) for k in range(candidates)]
    text = np.array(captions)[:, None] + 100 * np.arange(batch)
    return losses.score_pairs(np.eye(batch), text, **settings)


def test_scores_of_own_candidates():
    np.testing.assert_allclose(numbered_scores(3, 2).own, [[0, 1], [110, 111], [220, 221]])


@pytest.mark.parametrize(
    ("negatives", "num_negatives", "expected"),
    [
        ("captions", None, [230, 231, 200, 201, 210, 211]),
        ("videos", None, [320, 321, 20, 21, 120, 121]),
        ("symmetric", None, [230, 231, 200, 201, 210, 211, 320, 321, 20, 21, 120, 121]),
        ("captions", 3, [230, 231, 200]),
        ("videos", 5, [320, 321, 20, 21, 120]),
        ("symmetric", 6, [230, 231, 200, 320, 321, 20]),
        ("symmetric", 12, [230, 231, 200, 201, 210, 211, 320, 321, 20, 21, 120, 121]),
    ],
)
def test_negatives_are_those_of_the_next_clips_round_the_batch(negatives, num_negatives, expected):
    # Of clip 2 of 4: the clips after it are 3, then 0, then 1.
    scores = numbered_scores(4, 2, negatives=negatives, num_negatives=num_negatives)
    row = np.asarray(scores.negatives)[2]
    assert sorted(row[row > -INF]) == sorted(expected)
    assert scores.num_negatives == len(expected)


@pytest.mark.parametrize("num_negatives", [2, 4, 10, None])
def test_equal_scores_count_the_negatives(num_negatives):
    scores = losses.score_pairs(np.zeros((6, 3)), np.zeros((6, 3)), num_negatives=num_negatives)
    np.testing.assert_allclose(losses.nce(scores), [math.log(1 + (num_negatives or 10))] * 6)


@pytest.mark.parametrize(
    ("negatives", "expected"),
    [("symmetric", [3 / 2, 2]), ("captions", [7 / 6, 5 / 3]), ("videos", [4 / 3, 4 / 3])],
)
def test_nce_by_hand(negatives, expected):
    # (6 + 1 + 2) / 6 and (3 + 2 + 1) / 3.
    loss = losses.nce(scores_of(TWO_CLIPS, negatives=negatives))
    np.testing.assert_allclose(loss, np.log(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("negatives", "expected"),
    [
        ("symmetric", [7 / 6 * math.sqrt(2 * 3), 4 / 3 * math.sqrt(3 * 2)]),
        ("captions", [7 / 6 * 2, 4 / 3 * 3]),
        ("videos", [7 / 6 * 3, 4 / 3 * 2]),
    ],
)
def test_binary_classification_by_hand(negatives, expected):
    # -log sigmoid(log a) = log((1 + a) / a), and of a negative -log sigmoid(-log a) = log(1 + a).
    loss = losses.binary_classification(scores_of(TWO_CLIPS, negatives=negatives))
    np.testing.assert_allclose(loss, np.log(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("negatives", "expected"),
    [
        ("symmetric", [math.sqrt(1 * 4 / 3), math.sqrt(8 / 3 * 4 / 3)]),
        ("captions", [1, 8 / 3]),
        ("videos", [4 / 3, 4 / 3]),
    ],
)
def test_max_margin_by_hand(negatives, expected):
    # With a margin of log 4: 4 * 1 / 6 is below 1 and costs nothing; 4 * 2 / 6; 4 * 2 / 3; 4 / 3.
    loss = losses.max_margin(scores_of(TWO_CLIPS, negatives=negatives), margin=math.log(4))
    np.testing.assert_allclose(loss, np.log(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("negatives", "positives", "expected"),
    [
        ("symmetric", "once", [10 / 4, 12 / 6]),
        ("symmetric", "twice", [14 / 4, 18 / 6]),
        ("captions", "once", [8 / 4, 8 / 6]),
        ("videos", "once", [6 / 4, 10 / 6]),
    ],
)
def test_mil_nce_by_hand(negatives, positives, expected):
    scores = scores_of(TWO_CANDIDATES, negatives=negatives)
    loss = losses.mil_nce(scores, positives)
    np.testing.assert_allclose(loss, np.log(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("negatives", "expected"),
    [("symmetric", [9 / 3, 10 / 4]), ("captions", [7 / 3, 6 / 4]), ("videos", [5 / 3, 8 / 4])],
)
def test_max_nce_by_hand(negatives, expected):
    loss = losses.max_nce(scores_of(TWO_CANDIDATES, negatives=negatives))
    np.testing.assert_allclose(loss, np.log(expected), rtol=1e-6)


@pytest.mark.parametrize(
    ("negatives", "sums"), [("symmetric", [6, 6]), ("captions", [4, 2]), ("videos", [2, 4])]
)
def test_attention_nce_by_hand(negatives, sums):
    # Weights 1/2, 1/2 and 3/4, 1/4: the scores are log(3)/2 and 3/4 log(2) + 1/4 log(4).
    attention = np.log([[5, 5], [3, 1]])
    loss = losses.attention_nce(scores_of(TWO_CANDIDATES, negatives=negatives), attention)
    own = np.array([math.sqrt(3), 2 ** (3 / 4) * 4 ** (1 / 4)])
    np.testing.assert_allclose(loss, np.log(1 + np.array(sums) / own), rtol=1e-6)


@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize(
    ("positives", "perfect", "equal"),
    [("once", 0.0, math.log(9)), ("twice", math.log(2), math.log(10))],
)
def test_limits_of_mil_nce(candidates, positives, perfect, equal):
    # Equal embeddings, B = 5: K of (2*5-1)*K or 2*5*K equal terms are the clip's own.
    zeros = losses.score_pairs(np.zeros((5, 4)), np.zeros((5 * candidates, 4)))
    loss = losses.mil_nce(zeros, positives)
    np.testing.assert_allclose(loss, [equal] * 5, rtol=1e-6)
    separate = losses.score_pairs(50.0 * np.eye(5), np.repeat(np.eye(5), candidates, axis=0))
    loss = losses.mil_nce(separate, positives)
    np.testing.assert_allclose(loss, [perfect] * 5, atol=1e-6)


def test_one_good_candidate_is_enough():
    text = np.repeat(np.eye(3), 2, axis=0)
    text[1::2] = 0
    scores = losses.score_pairs(50.0 * np.eye(3), text)
    np.testing.assert_allclose(losses.mil_nce(scores), [0] * 3, atol=1e-6)
    np.testing.assert_allclose(losses.max_nce(scores), [0] * 3, atol=1e-6)
    # Equal attention sees a score of 25 against 8 of 0; the bad one alone is 1 of 5 equal terms.
    np.testing.assert_allclose(losses.attention_nce(scores, np.zeros((3, 2))), [0] * 3, atol=1e-6)
    bad = losses.score_pairs(50.0 * np.eye(3), text[1::2])
    np.testing.assert_allclose(losses.nce(bad), [math.log(5)] * 3, rtol=1e-6)


def test_large_scores_neither_overflow_nor_lose_the_answer():
    # Scores [[9, 10], [9, 10]] * 1000: clip 0 loses by 1000 to a caption and ties with a clip, clip
    # 1 ties with a clip and wins by 1000.
    scores = losses.score_pairs([[1000.0], [1000.0]], [[9.0], [10.0]])
    np.testing.assert_allclose(losses.nce(scores), [1000, math.log(2)], rtol=1e-6)
    np.testing.assert_allclose(losses.max_margin(scores, 0.5), [500.5, 0.25], rtol=1e-6)
    np.testing.assert_allclose(losses.binary_classification(scores), [9500, 9500], rtol=1e-6)


def test_half_precision_embeddings_are_scored_in_float32():
    # Scores 258 and 259.5, of which bfloat16 would make 258 and 260.
    video = tf.constant([[3.0], [3.0]], tf.bfloat16)
    text = tf.constant([[86.0], [86.5]], tf.bfloat16)
    loss = losses.nce(losses.score_pairs(video, text))
    assert loss.dtype == tf.float32
    expected = np.log([2 + math.exp(1.5), 2 + math.exp(-1.5)])
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"negatives": "both"}, "'both'; it must be one of symmetric, captions, videos"),
        ({"num_negatives": 0}, "must be at least 1, or None"),
        ({"num_negatives": 3}, "need an even number"),
        ({"num_negatives": 6}, "is 6, but a batch of 2 clips has 4; enlarge the batch"),
        ({"num_negatives": 3, "negatives": "videos"}, "is 3, but a batch of 2 clips has 2"),
        ({"all_video": np.eye(2)}, "give both or neither"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        scores_of(TWO_CANDIDATES, **settings)


def test_a_batch_without_negatives_is_refused():
    one, three = np.ones((1, 2)), np.ones((3, 2))
    with pytest.raises(ValueError, match="one clip has no negatives: give it more clips"):
        losses.score_pairs(one, three)
    # One clip of a larger batch has some.
    assert losses.score_pairs(one, one, three, three).num_negatives == 4


@pytest.mark.parametrize("loss", [losses.nce, losses.max_margin, losses.binary_classification])
def test_losses_of_one_candidate_refuse_several(loss):
    with pytest.raises(ValueError, match="takes one candidate per clip, not 2"):
        loss(scores_of(TWO_CANDIDATES))


def test_mil_nce_refuses_an_unknown_form():
    with pytest.raises(ValueError, match="'thrice'; it must be one of once, twice"):
        losses.mil_nce(scores_of(TWO_CANDIDATES), "thrice")
