import numpy as np
import pytest

from components.benchmark_evaluator.protocols import segmentation


def test_frames_and_clips_by_hand():
    labels = segmentation.frame_labels([(2, 0.5, 2.0), (1, 1.5, 2.5)], 4.0, 2.0)
    assert labels.tolist() == [0, 2, 2, 1, 1, 0, 0, 0]
    clips = segmentation.clip_of_frames(8, 2.0, 1.5)
    assert clips.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert segmentation.clip_labels(labels, clips).tolist() == [2, 1, 0]


def test_features_of_a_clip_are_its_own_the_videos_and_its_place():
    local = np.array([[1.0, 2], [3, 6]], np.float32)
    features = segmentation.clip_features(local, 2)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        features, [[1, 2, 2, 4, half, half], [3, 6, 2, 4, half, -half]], rtol=1e-6
    )
    assert features.dtype == np.float32


def test_places_of_different_clips_differ_and_lie_alike_in_long_and_short_videos():
    places = segmentation.position_embedding(50, 8)
    assert np.unique(places.round(5), axis=0).shape == (50, 8)
    np.testing.assert_allclose(
        segmentation.position_embedding(1, 8), segmentation.position_embedding(3, 8)[1:2]
    )
    assert segmentation.position_embedding(3, 0).shape == (3, 0)
    with pytest.raises(ValueError, match="even number"):
        segmentation.position_embedding(3, 5)


def test_frequencies_of_a_place_go_from_half_a_turn_to_32_over_the_video():
    # Of the first of 10 clips, whose centre is at 1/20 of the video: pi, 8 pi and 64 pi times that.
    angles = np.pi / 20 * np.array([1, 8, 64])
    np.testing.assert_allclose(
        segmentation.position_embedding(10, 6)[0],
        [*np.sin(angles), *np.cos(angles)],
        atol=1e-6,
    )


def test_places_of_neighbours_are_alike_and_of_far_clips_are_not():
    places = segmentation.position_embedding(120, 64)
    likeness = places @ places[60] / 32
    assert likeness[60] == pytest.approx(1.0)
    # Sine and cosine of an angle have length 1: this is the mean cosine of 32 angles.
    assert likeness[61] > 0.8
    assert np.abs(likeness[[0, 30, 90, 119]]).max() < 0.5


def test_accuracy_counts_frames_and_not_videos():
    predicted = [np.array([0, 1, 1]), np.array([2])]
    labels = [np.array([0, 1, 2]), np.array([1])]
    assert segmentation.frame_accuracy(predicted, labels) == 0.5
    with pytest.raises(ValueError, match="no frames"):
        segmentation.frame_accuracy([], [])


def test_the_majority_is_that_of_all_videos_together():
    assert segmentation.majority_label([np.array([3, 3]), np.array([1, 1, 1]), np.array([0])]) == 1
    assert segmentation.majority_label([np.array([5]), np.array([0, 0])]) == 0
    with pytest.raises(ValueError, match="no frames"):
        segmentation.majority_label([])
