"""Clips of a second, whose features are unit vectors that say their label; two frames in each."""

import numpy as np
import pytest

from components.benchmark_evaluator.annotations.items import (
    Problem,
    Segment,
    SegmentedSet,
    SegmentedVideo,
)
from components.benchmark_evaluator.embedding.row_rules import RegularRows
from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.outcome import Failure
from components.benchmark_evaluator.settings import SegmentationProtocol
from components.benchmark_evaluator.tasks import segmentation

PROTOCOL = SegmentationProtocol(
    clip_seconds=1.0, label_rate=2.0, position_size=2, epochs=30, learning_rate=0.1
)
LABELS = ("background", "pour", "stir")
ONE = np.eye(3)


def video(video_id, part, duration, *segments):
    steps = tuple(Segment(*segment) for segment in segments)
    return SegmentedVideo(video_id, part, duration, steps)


VIDEOS = (
    video("a", "train", 6.0, (1, 1.0, 3.0), (2, 4.0, 5.0)),
    video("b", "train", 4.0, (2, 0.0, 1.0), (1, 3.0, 4.0)),
    video("c", "test", 5.0, (1, 0.0, 2.0), (2, 3.0, 4.0)),
    video("d", "test", 3.0, (2, 1.0, 3.0)),
)
ROWS = {
    "a": ONE[[0, 1, 1, 0, 2, 0]],
    "b": ONE[[2, 0, 0, 1]],
    "c": ONE[[1, 1, 0, 2, 0]],
    "d": ONE[[0, 2, 2]],
}


@pytest.fixture
def score(written_rows):
    def run(videos=VIDEOS, rows=ROWS, problems=()):
        annotated = SegmentedSet(LABELS, tuple(videos), tuple(problems))
        return segmentation.score(annotated, written_rows(rows), PROTOCOL)

    return run


def test_each_clip_has_a_row():
    rules = segmentation.rules(SegmentedSet(LABELS, VIDEOS, ()), SegmentationProtocol())
    assert rules == dict.fromkeys("abcd", RegularRows(1.5))


def test_features_that_say_their_label_are_all_right(score):
    found = score()
    assert found.headline == "frame_accuracy"
    # "background" is the label of 5 of the 10 seconds to learn from, and of 3 of the 8 others.
    assert found.metrics == {"frame_accuracy": 1.0, "majority_class_accuracy": 3 / 8}
    assert found.intervals == {"frame_accuracy": (1.0, 1.0)}
    details = found.details
    assert details["majority_class"] == "background"
    assert (details["num_train"], details["num_test"], details["num_frames"]) == (2, 2, 16)
    assert (details["num_labels"], details["mean_accuracy_of_videos"]) == (3, 1.0)
    assert (found.items.unit, found.items.annotated, found.items.scored) == ("videos", 4, 4)


def test_a_step_that_ends_within_a_clip_costs_frames(score):
    # The last frame of the second clip is background, and the clip's features say "pour".
    videos = [*VIDEOS[:2], video("c", "test", 5.0, (1, 0.0, 1.5), (2, 3.0, 4.0)), VIDEOS[3]]
    found = score(videos)
    assert found.metrics["frame_accuracy"] == 15 / 16
    assert found.metrics["majority_class_accuracy"] == 7 / 16
    assert found.details["mean_accuracy_of_videos"] == pytest.approx((9 / 10 + 1) / 2)
    low, high = found.intervals["frame_accuracy"]
    assert (low, high) == (9 / 10, 1.0)


def test_frames_count_as_far_as_the_annotation_goes(score):
    # Of "c" 5 s are annotated and 4 have features, of which the last clip, "stir", also labels the
    # background of the fifth; of "d" two clips have features beyond the annotation.
    found = score(rows={**ROWS, "c": ONE[[1, 1, 0, 2]], "d": ONE[[0, 2, 2, 1, 1]]})
    assert found.details["num_frames"] == 2 * (5 + 3)
    assert found.metrics["frame_accuracy"] == 14 / 16
    assert found.items.failures == []


def test_a_video_whose_features_end_early_is_not_scored_on_what_it_has(score):
    # Of "c" 5 s are annotated and 3 have features; "a" would be one to learn from.
    found = score(rows={**ROWS, "a": ONE[[0, 1, 1, 0]], "c": ONE[[1, 1, 0]]})
    assert found.items.failures == [
        Failure("a", "too_short", "its features end at 4 s, and 6 s are annotated"),
        Failure("c", "too_short", "its features end at 3 s, and 5 s are annotated"),
    ]
    assert (found.items.found, found.items.scored) == (4, 2)
    assert found.details["num_frames"] == 2 * 3


def test_a_training_video_may_end_a_clip_early(score):
    found = score(rows={**ROWS, "a": ONE[[0, 1, 1, 0, 2]]})
    assert found.metrics["frame_accuracy"] == 1.0
    assert found.items.scored == 4


def test_what_cannot_be_used_is_counted_and_named(score):
    videos = (
        *VIDEOS,
        video("away", "train", 4.0, (1, 0.0, 1.0)),
        video("cut", "train", 2.0, (1, 0.0, 1.0)),
        video("none", "test", 4.0, (1, 0.0, 1.0)),
        video("gap", "test", 2.0, (1, 0.0, 1.0)),
        video("blind", "train", 2.0, (1, 0.0, 1.0)),
    )
    rows = {
        **ROWS,
        "cut": Rows(np.float32([ONE[1], [np.nan] * 3]), ("truncated", "it breaks off")),
        "none": Rows(None, ("not_a_video", "it is none")),
        "gap": [ONE[1], [np.nan] * 3],
        "blind": [[np.inf] * 3, ONE[0]],
    }
    found = score(videos, rows, [Problem("x", "bad_duration", "it has none")])
    assert (found.items.annotated, found.items.found, found.items.scored) == (10, 8, 4)
    assert found.items.failures == [
        Failure("x", "bad_duration", "it has none"),
        Failure("away", "missing_file", "there is no file of the video away"),
        Failure("cut", "truncated", "it breaks off"),
        Failure("none", "not_a_video", "it is none"),
        Failure("gap", "no_frames", "the video has no frames there"),
        Failure("blind", "not_finite", "the model's embedding of it is not finite"),
    ]
    assert found.metrics == score().metrics


@pytest.mark.parametrize(("names", "what"), [("ab", "score"), ("cd", "train")])
def test_a_part_without_videos_is_refused(score, names, what):
    rows = {name: ROWS[name] for name in names}
    message = rf"there is no video to {what} on.*2 of 4 videos are there \(2 missing_file\)"
    with pytest.raises(ValueError, match=message):
        score(rows=rows)


@pytest.mark.parametrize(("names", "what"), [("ab", "score"), ("cd", "train")])
def test_a_part_that_is_not_annotated_is_refused_before_anything_is_embedded(names, what):
    videos = tuple(video for video in VIDEOS if video.video_id in names)
    annotated = SegmentedSet(LABELS, videos, (Problem("x", "bad_part", "it has none"),))
    message = rf"there is no video to {what} on.*2 of 3 videos are there \(1 bad_part\)"
    with pytest.raises(ValueError, match=message):
        segmentation.rules(annotated, PROTOCOL)
    assert segmentation.rules(SegmentedSet(LABELS, (), ()), PROTOCOL) == {}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"position_size": 7}, "position_size is 7"),
        ({"position_size": -2}, "position_size is -2"),
        ({"clip_seconds": 0.05}, "a clip of 0.05 s has no frame at 10 a second"),
        ({"epochs": 0}, "must be above 0"),
        ({"seed": -1}, "seed is -1"),
        ({"label_rate": 0.0}, "must be above 0"),
    ],
)
def test_settings_that_could_fail_only_after_all_videos_are_refused_first(changed, message):
    with pytest.raises(ValueError, match=message):
        SegmentationProtocol(**changed)
