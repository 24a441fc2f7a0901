import math

import numpy as np
import pytest
import tensorflow as tf

from models.losses import mil_nce, mil_nce_per_clip


def log_sum_exp(*values: float) -> float:
    return math.log(math.fsum(math.exp(value) for value in values))


def test_nce_of_two_clips_by_hand():
    # One dimension, K = 1; rows are clips, columns captions: scores [[3, 1], [6, 2]].
    video, text = np.array([[1.0], [2.0]]), np.array([[3.0], [1.0]])
    losses = mil_nce_per_clip(video, text)
    # Clip 0: own caption 3; its other caption 1, its caption's other clip 6.
    # Clip 1: own caption 2; 6 and 1.
    np.testing.assert_allclose(
        losses, [log_sum_exp(3, 1, 6) - 3, log_sum_exp(2, 6, 1) - 2], rtol=1e-6
    )
    np.testing.assert_allclose(losses, [3.05499, 4.02475], atol=1e-5)
    np.testing.assert_allclose(mil_nce(video, text), np.mean(losses), rtol=1e-6)


def test_two_candidates_by_hand():
    # Clips 1 and -1, candidates of clip 0: 2 and 0; of clip 1: 1 and -3.
    # Scores of clip 0: own 2, 0, others' 1, -3; of clip 1: own -1, 3, others' -2, 0.
    video = np.array([[1.0], [-1.0]])
    text = np.array([[2.0], [0.0], [1.0], [-3.0]])
    np.testing.assert_allclose(
        mil_nce_per_clip(video, text),
        [
            # Negatives: clip 0 with the candidates of 1; clip 1 with the candidates of 0.
            log_sum_exp(2, 0, 1, -3, -2, 0) - log_sum_exp(2, 0),
            log_sum_exp(-1, 3, -2, 0, 1, -3) - log_sum_exp(-1, 3),
        ],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        mil_nce_per_clip(video, text, positives="twice"),
        [
            log_sum_exp(2, 0, 2, 0, 1, -3, -2, 0) - log_sum_exp(2, 0),
            log_sum_exp(-1, 3, -1, 3, -2, 0, 1, -3) - log_sum_exp(-1, 3),
        ],
        rtol=1e-5,
    )


@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize(
    ("positives", "perfect", "equal"),
    [("once", 0.0, math.log(9)), ("twice", math.log(2), math.log(10))],
)
def test_limits(candidates, positives, perfect, equal):
    # Equal embeddings, B = 5: K of (2*5-1)*K or 2*5*K equal terms are the clip's own.
    zeros = mil_nce_per_clip(np.zeros((5, 4)), np.zeros((5 * candidates, 4)), positives=positives)
    np.testing.assert_allclose(zeros, [equal] * 5, rtol=1e-6)
    video = 50.0 * np.eye(5)
    text = np.repeat(np.eye(5), candidates, axis=0)
    np.testing.assert_allclose(mil_nce(video, text, positives=positives), perfect, atol=1e-6)


def test_one_good_candidate_is_enough():
    video = 50.0 * np.eye(3)
    text = np.repeat(np.eye(3), 2, axis=0)
    text[1::2] = 0
    np.testing.assert_allclose(mil_nce(video, text), 0, atol=1e-6)
    # With K = 1 the bad candidates would cost: 1 of 5 equal terms.
    np.testing.assert_allclose(mil_nce(video, text[1::2]), math.log(5), rtol=1e-6)


def test_a_single_clip_has_no_negatives():
    video, text = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, -6.0]])
    assert float(mil_nce(video, text)) == 0
    video = tf.constant(video)
    with tf.GradientTape() as tape:
        tape.watch(video)
        loss = mil_nce(video, text)
    assert not np.any(tape.gradient(loss, video))


def test_large_scores_neither_overflow_nor_lose_the_answer():
    # Scores [[9, 10], [9, 10]] * 1000: clip 0 loses by 1000 to both, clip 1 wins by 0 and 1000.
    video, text = np.array([[1000.0], [1000.0]]), np.array([[9.0], [10.0]])
    np.testing.assert_allclose(
        mil_nce_per_clip(video, text), [1000.0 + 0.0, math.log(2)], rtol=1e-6
    )


def test_half_precision_embeddings_are_scored_in_float32():
    # 257 * 257 needs 17 bits; bfloat16 keeps 8, so scores computed in it would be equal.
    video = tf.constant([[256.0], [256.0]], tf.bfloat16)
    text = tf.constant([[256.0], [258.0]], tf.bfloat16)
    losses = mil_nce_per_clip(video, text)
    assert losses.dtype == tf.float32
    np.testing.assert_allclose(losses, [512.0, math.log(2)], rtol=1e-6)


@pytest.mark.parametrize("positives", ["once", "twice"])
def test_gradients_equal_finite_differences(positives):
    rng = np.random.default_rng(0)
    video = rng.normal(size=(3, 2)).astype(np.float32)
    text = rng.normal(size=(6, 2)).astype(np.float32)
    inputs = [tf.constant(video), tf.constant(text)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = mil_nce(*inputs, positives=positives)
    gradients = tape.gradient(loss, inputs)
    step = 1e-2
    for which, gradient in enumerate(gradients):
        for index in np.ndindex(*gradient.shape):
            sides = []
            for sign in (1, -1):
                moved = [video.copy(), text.copy()]
                moved[which][index] += sign * step
                sides.append(float(mil_nce(*moved, positives=positives)))
            difference = (sides[0] - sides[1]) / (2 * step)
            assert difference == pytest.approx(float(gradient[index]), abs=2e-4)


@pytest.mark.parametrize("positives", ["once", "twice"])
def test_parts_of_a_gathered_batch_give_the_losses_of_the_whole(positives):
    rng = np.random.default_rng(0)
    video, text = rng.normal(size=(6, 4)), rng.normal(size=(18, 4))
    whole = mil_nce_per_clip(video, text, positives=positives)
    parts = [
        mil_nce_per_clip(
            video[start : start + 2],
            text[3 * start : 3 * start + 6],
            video,
            text,
            offset=start,
            positives=positives,
        )
        for start in (0, 2, 4)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5)


def test_traces_with_an_unknown_batch():
    signature = [tf.TensorSpec([None, 4]), tf.TensorSpec([None, 4])]
    traced = tf.function(mil_nce_per_clip, input_signature=signature)
    rng = np.random.default_rng(0)
    for batch in (2, 5):
        video = rng.normal(size=(batch, 4)).astype(np.float32)
        text = rng.normal(size=(batch * 3, 4)).astype(np.float32)
        np.testing.assert_allclose(
            traced(video, text), mil_nce_per_clip(video, text), rtol=1e-5, atol=1e-6
        )


def test_wrong_arguments_are_refused():
    video, text = np.zeros((2, 4)), np.zeros((2, 4))
    with pytest.raises(ValueError, match="positives must be 'once' or 'twice', not 'thrice'"):
        mil_nce(video, text, positives="thrice")
    with pytest.raises(ValueError, match="give both or neither"):
        mil_nce(video, text, all_video=video)
