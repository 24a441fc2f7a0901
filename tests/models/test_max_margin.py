import time

import numpy as np
import pytest
import tensorflow as tf

from models.max_margin import (
    max_margin_ranking,
    other_video_negatives,
    reference_weights,
    sampled_negatives,
)


def same_video(num_videos: int, pairs_per_video: int) -> np.ndarray:
    video = np.arange(num_videos * pairs_per_video) // pairs_per_video
    return video[:, None] == video[None, :]


def test_loss_by_hand():
    scores = np.array([[0.8, 0.75, 0.1], [0.9, 0.6, 0.3], [0.2, 0.4, 0.35]])
    weights = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    # With margin 0.1, max(0, 0.1 + s_ij - s_ii) and max(0, 0.1 + s_ji - s_ii) of each negative:
    # (0, 1): 0.05 and 0.2; (0, 2): 0 and 0; (1, 0): 0.4 and 0.25; (2, 1) twice: 0.15 and 0.05.
    expected = (0.25 + 0.0 + 0.65 + 2 * 0.20) / 5
    assert float(max_margin_ranking(scores, weights)) == pytest.approx(expected, rel=1e-6)
    # With margin 0 those are 0 and 0.1; 0 and 0; 0.3 and 0.15; 0.05 and 0 (-0.05).
    expected = (0.1 + 0.0 + 0.45 + 2 * 0.05) / 5
    assert float(max_margin_ranking(scores, weights, 0.0)) == pytest.approx(expected, rel=1e-5)


def test_size_of_the_batch_and_scale_of_the_weights_do_not_change_the_mean():
    for size, scale in ((4, 1.0), (4, 7.0), (9, 1.0)):
        weights = scale * (1.0 - np.eye(size))
        loss = max_margin_ranking(np.full((size, size), 0.3), weights)
        assert float(loss) == pytest.approx(0.2, rel=1e-6)


def test_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(6, 6)).astype(np.float32)
    weights = sampled_negatives(rng, 3, 2) * rng.random((6, 6), np.float32)
    tensor = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        loss = max_margin_ranking(tensor, weights)
    gradient = np.asarray(tape.gradient(loss, tensor))
    assert np.abs(gradient).max() > 0.01
    step = 1e-3
    for index in np.ndindex(*scores.shape):
        sides = []
        for sign in (1, -1):
            moved = scores.copy()
            moved[index] += sign * step
            sides.append(float(max_margin_ranking(moved, weights)))
        difference = (sides[0] - sides[1]) / (2 * step)
        assert difference == pytest.approx(float(gradient[index]), abs=5e-4)


def test_loss_is_float32_for_scores_in_bfloat16():
    scores = tf.cast(tf.eye(4) * 0.5, tf.bfloat16)
    assert max_margin_ranking(scores, 1.0 - np.eye(4)).dtype == tf.float32


@pytest.mark.parametrize(("videos", "pairs"), [(2, 2), (2, 5), (5, 3), (4, 8), (32, 64)])
def test_exactly_half_of_the_negatives_are_of_the_same_video(videos, pairs):
    weights = sampled_negatives(np.random.default_rng(0), videos, pairs)
    assert weights.shape == (videos * pairs, videos * pairs)
    assert weights.dtype == np.float32
    assert set(np.unique(weights)) == {0.0, 1.0}
    same = same_video(videos, pairs)
    inside = np.where(same, weights, 0.0)
    # All other pairs of the video, and never the pair itself.
    np.testing.assert_array_equal(inside, same & ~np.eye(len(same), dtype=bool))
    np.testing.assert_array_equal(inside.sum(axis=1), pairs - 1)
    np.testing.assert_array_equal(np.where(same, 0.0, weights).sum(axis=1), pairs - 1)


def test_pairs_of_other_videos_are_drawn_uniformly():
    rng = np.random.default_rng(1)
    draws = 2000
    counts = sum(sampled_negatives(rng, 4, 3).astype(int) for _ in range(draws))
    others = counts[~same_video(4, 3)]
    # Each pair draws 2 of 9: 444 of 2,000 times expected, with a standard deviation of 18.6.
    assert others.mean() == pytest.approx(draws * 2 / 9)
    assert abs(others - draws * 2 / 9).max() < 5 * 18.6


def test_rows_draw_for_themselves():
    weights = sampled_negatives(np.random.default_rng(0), 8, 4)
    other = np.where(same_video(8, 4), 0.0, weights)
    rows = {tuple(row) for row in other}
    assert len(rows) == len(weights)


@pytest.mark.parametrize("draw", [sampled_negatives, other_video_negatives])
def test_draws_are_those_of_their_generator(draw):
    first = draw(np.random.default_rng(7), 5, 4)
    np.testing.assert_array_equal(draw(np.random.default_rng(7), 5, 4), first)
    assert not np.array_equal(draw(np.random.default_rng(8), 5, 4), first)
    rng = np.random.default_rng(7)
    draw(rng, 5, 4)
    assert not np.array_equal(draw(rng, 5, 4), first)


def test_one_pair_a_video_has_all_others_as_negatives():
    for draw in (sampled_negatives, other_video_negatives):
        np.testing.assert_array_equal(draw(np.random.default_rng(0), 5, 1), 1.0 - np.eye(5))


def test_one_video_has_only_its_own_negatives():
    weights = sampled_negatives(np.random.default_rng(0), 1, 4)
    np.testing.assert_array_equal(weights, 1.0 - np.eye(4))


def test_batches_without_negatives_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="a batch of one pair has no negatives"):
        sampled_negatives(rng, 1, 1)
    with pytest.raises(ValueError, match="a batch of 1 video has no negatives of other videos"):
        other_video_negatives(rng, 1, 4)
    with pytest.raises(ValueError, match="a batch of 1 video has no negatives of other videos"):
        reference_weights(1, 4)


@pytest.mark.parametrize(("videos", "pairs", "count"), [(5, 3, 4), (32, 8, 14), (2, 2, 2)])
def test_as_many_negatives_of_other_videos(videos, pairs, count):
    weights = other_video_negatives(np.random.default_rng(0), videos, pairs)
    assert weights.dtype == np.float32
    assert not weights[same_video(videos, pairs)].any()
    assert set(np.unique(weights)) == {0.0, 1.0}
    np.testing.assert_array_equal(weights.sum(axis=1), count)


def test_other_videos_with_too_few_pairs_give_all():
    # Of 6 wanted negatives the one other video has 4.
    weights = other_video_negatives(np.random.default_rng(0), 2, 4)
    np.testing.assert_array_equal(weights, ~same_video(2, 4))


def test_reference_weights_by_hand():
    # Two videos of two pairs, h = 0.75: 2 * 0.75 inside, 2 * 0.25 / 1 outside.
    inside, outside = 1.5, 0.5
    expected = [
        [inside, inside, outside, outside],
        [inside, inside, outside, outside],
        [outside, outside, inside, inside],
        [outside, outside, inside, inside],
    ]
    np.testing.assert_allclose(reference_weights(2, 2, 0.75), expected, rtol=1e-6)


@pytest.mark.parametrize(("videos", "pairs", "rate"), [(4, 2, 0.5), (32, 64, 0.5), (3, 5, 0.2)])
def test_reference_weights_have_mean_1_and_the_rate_inside(videos, pairs, rate):
    weights = reference_weights(videos, pairs, rate)
    assert weights.dtype == np.float32
    assert weights.mean(dtype=np.float64) == pytest.approx(1.0, rel=1e-6)
    inside = weights[same_video(videos, pairs)].sum(dtype=np.float64)
    assert inside / weights.sum(dtype=np.float64) == pytest.approx(rate, rel=1e-6)


def test_reference_weights_of_the_reference_batch():
    weights = reference_weights(32, 64)
    assert weights[0, 0] == 16.0
    assert weights[0, -1] == pytest.approx(0.516, abs=5e-4)


def test_perfect_separation_costs_what_the_reference_pays_for_its_diagonal():
    # Four videos of two pairs, margin 0.1: 0.05 weighted, 0.025 unweighted, 0 by the paper.
    scores = 2.0 * np.eye(8) - 1.0
    weighted = max_margin_ranking(scores, reference_weights(4, 2))
    assert float(weighted) == pytest.approx(0.05, rel=1e-6)
    unweighted = max_margin_ranking(scores, np.ones((8, 8)))
    assert float(unweighted) == pytest.approx(0.025, rel=1e-6)
    paper = max_margin_ranking(scores, sampled_negatives(np.random.default_rng(0), 4, 2))
    assert float(paper) == 0.0


def test_reference_weighs_nothing_with_one_pair_a_video():
    np.testing.assert_array_equal(reference_weights(4, 1), np.ones((4, 4)))


def test_drawing_does_not_hold_up_the_training():
    started = time.process_time()
    sampled_negatives(np.random.default_rng(0), 32, 64)
    # A step of this batch takes seconds on the same cores.
    assert time.process_time() - started < 0.3
