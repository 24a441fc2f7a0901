"""Steps are embedded as unit vectors, so that a video's rows are its scores, [seconds, steps]."""

import numpy as np
import pytest

from components.benchmark_evaluator.annotations.items import (
    Problem,
    Segment,
    StepSet,
    StepTask,
    StepVideo,
)
from components.benchmark_evaluator.embedding.row_rules import RegularRows
from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.outcome import Failure
from components.benchmark_evaluator.settings import LocalizationProtocol
from components.benchmark_evaluator.tasks import localization

TASKS = {
    "7": StepTask("7", "Make Tea", ("boil", "pour")),
    "8": StepTask("8", "Cut Wood", ("saw", "file")),
    "9": StepTask("9", "Paint", ("stir", "brush")),
}
STEPS = {"boil": [1, 0], "pour": [0, 1], "saw": [1, 0], "file": [0, 1], "stir": [5, 5]}
NEITHER, FIRST, SECOND = [0, 0], [9, 0], [0, 9]


def video(video_id, task_id, *segments):
    return StepVideo(video_id, task_id, tuple(Segment(*segment) for segment in segments))


# Chosen are the seconds 1 and 2 of "a", 0 and 2 of "b", 0 and 1 of "c".
ROWS = {
    "a": [NEITHER, FIRST, SECOND, NEITHER],
    "b": [FIRST, NEITHER, SECOND],
    "c": [FIRST, SECOND],
}
VIDEOS = (
    # "pour" is chosen one second too late.
    video("a", "7", (0, 1.0, 2.0), (1, 1.0, 2.0)),
    # It does not show "boil".
    video("b", "7", (1, 2.2, 2.9)),
    # "file" is chosen one second too late.
    video("c", "8", (0, 0.0, 1.0), (1, 0.0, 0.5)),
)


@pytest.fixture
def score(written_rows, written_texts):
    def run(videos=VIDEOS, rows=ROWS, problems=(), steps=STEPS, **protocol):
        return localization.score(
            StepSet(TASKS, tuple(videos), tuple(problems)),
            written_rows(rows),
            written_texts(steps),
            LocalizationProtocol(**protocol),
        )

    return run


def test_rows_are_seconds_or_what_the_scoring_takes():
    def step(**protocol):
        rules = localization.rules(StepSet(TASKS, VIDEOS, ()), LocalizationProtocol(**protocol))
        assert set(rules) == {"a", "b", "c"}
        (rule,) = set(rules.values())
        assert isinstance(rule, RegularRows)
        return rule.step

    assert step() == step(scoring="howto_crosstask") == 1.0
    assert step(scoring="drop_dtw") == 3.2
    assert step(scoring="drop_dtw", row_seconds=2.0) == 2.0


def test_recall_of_crosstask_is_pooled_over_a_tasks_videos_and_averaged_over_tasks(score):
    found = score()
    # Two hits for the three steps that "a" and "b" show, and one for the two of "c".
    assert found.details["recall_by_task"] == {
        "Make Tea": pytest.approx(2 / 3),
        "Cut Wood": pytest.approx(1 / 2),
    }
    assert found.headline == "average_recall"
    assert found.metrics == {"average_recall": pytest.approx(7 / 12)}
    assert found.details["videos_by_task"] == {"Make Tea": 2, "Cut Wood": 1}
    assert (found.details["num_tasks"], found.details["tasks_annotated"]) == (2, 3)
    assert (found.details["cost"], found.details["row_seconds"]) == ("log_softmax", 1.0)
    assert (found.items.unit, found.items.annotated, found.items.scored) == ("videos", 3, 3)


def test_recall_of_the_unofficial_code_takes_ends_in_and_averages_videos(score):
    found = score(scoring="howto_crosstask")
    # With the second after each segment all is hit.
    assert found.metrics == {"average_recall": pytest.approx(1.0, abs=1e-4)}
    assert found.details["cost"] == "similarity"
    videos = (VIDEOS[0], video("b", "7", (0, 2.0, 3.0)))
    found = score(videos, scoring="howto_crosstask")
    assert found.details["recall_by_task"] == {"Make Tea": pytest.approx(0.5, abs=1e-4)}


def test_recall_of_drop_dtw_is_one_over_all_occurrences(score):
    videos = (
        video("a", "7", (0, 8.5, 9.6), (0, 0.0, 3.2), (1, 3.2, 6.4)),
        video("c", "8", (1, 4.0, 6.4)),
    )
    rows = {"a": [FIRST, SECOND, FIRST], "c": [FIRST, SECOND]}
    found = score(videos, rows, scoring="drop_dtw")
    # The centre of the third row is at 8 s, shortly before its step; the others are hit.
    assert found.details["recall_by_task"] == {"all": 0.75}
    assert found.metrics == {"average_recall": 0.75}
    assert found.details["row_seconds"] == 3.2


def test_rows_of_another_length_count_in_seconds(score):
    videos = [video("a", "7", (0, 2.0, 4.0), (1, 4.0, 6.0))]
    assert score(videos, row_seconds=2.0).metrics == {"average_recall": 1.0}
    # At a second each, step 1 is chosen at 1 s and step 2 at 2 s.
    assert score(videos).metrics == {"average_recall": 0.0}


def test_the_cost_may_be_another(score):
    # The log-softmax compares the steps of a second, the similarity the seconds of a step.
    rows = {"a": [[1, 0], [9, 9], [0, 1]]}
    videos = [video("a", "7", (0, 0.0, 1.0), (1, 2.0, 3.0))]
    assert score(videos, rows).metrics == {"average_recall": 1.0}
    assert score(videos, rows, cost="similarity").metrics == {"average_recall": 0.5}


def test_a_video_of_two_tasks_is_scored_for_each(score):
    videos = [video("c", "7", (0, 0.0, 1.0)), video("c", "8", (0, 1.0, 2.0))]
    found = score(videos)
    assert found.details["recall_by_task"] == {"Make Tea": 1.0, "Cut Wood": 0.0}
    assert (found.items.annotated, found.items.found, found.items.scored) == (2, 2, 2)


def test_what_cannot_be_scored_is_counted_and_named(score):
    shown = (0, 0.0, 1.0)
    videos = (
        *VIDEOS,
        video("short", "8", shown),
        video("cut", "8", shown),
        video("none", "8", shown),
        video("gap", "7", shown),
        video("blind", "7", shown),
        video("away", "7", shown),
    )
    rows = {
        **ROWS,
        "short": [FIRST],
        "cut": Rows(np.array([FIRST, SECOND], np.float32), ("truncated", "it breaks off")),
        "none": Rows(None, ("not_a_video", "it is none")),
        "gap": [FIRST, [np.nan] * 2, SECOND],
        "blind": [FIRST, [np.inf] * 2, SECOND],
    }
    problems = [Problem("d of task 7", "no_annotation", "there is none")]
    found = score(videos, rows, problems)
    items = found.items
    assert (items.annotated, items.found, items.scored) == (10, 8, 3)
    assert items.failures == [
        Failure("d of task 7", "no_annotation", "there is none"),
        Failure(
            "short of task 8",
            "too_short",
            "1 seconds cannot show 2 steps of one second each",
        ),
        Failure("cut of task 8", "truncated", "it breaks off"),
        Failure("none of task 8", "not_a_video", "it is none"),
        Failure("gap of task 7", "no_frames", "the video has no frames there"),
        Failure("blind of task 7", "not_finite", "the model's embedding of it is not finite"),
        Failure("away of task 7", "missing_file", "there is no file of the video away"),
    ]
    assert found.metrics == score().metrics


def test_a_task_with_a_step_that_has_no_embedding_is_not_scored(score):
    found = score(steps={**STEPS, "pour": [np.nan, 0]})
    message = "the model's embedding of 'pour' is not finite"
    assert found.items.failures == [
        Failure("a of task 7", "not_finite", message),
        Failure("b of task 7", "not_finite", message),
    ]
    assert (found.items.found, found.items.scored) == (3, 1)
    assert found.details["recall_by_task"] == {"Cut Wood": 0.5}


def test_a_video_that_ends_before_its_steps_is_scored_without_them_and_named(score):
    found = score((video("a", "7", (0, 1.0, 2.0), (1, 4.0, 6.0)), VIDEOS[2]))
    assert found.details["recall_by_task"] == {"Make Tea": 1.0, "Cut Wood": 0.5}
    assert found.items.failures == [
        Failure("a of task 7", "cut_off", "the video ends at 4 s, before 1 of its segments begin")
    ]
    assert found.items.scored == 2


def test_intervals_keep_each_tasks_number_of_videos(score):
    found = score()
    low, high = found.intervals["average_recall"]
    # "a" twice gives 1/2 and "b" twice 1, beside the 1/2 of "c" in every draw.
    assert (low, high) == (pytest.approx(1 / 2), pytest.approx(3 / 4))
    found = score(VIDEOS[1:])
    assert found.intervals["average_recall"] == (0.75, 0.75)


def test_nothing_to_score_is_an_error_that_says_why(score):
    with pytest.raises(ValueError, match=r"no video was localised \(2 missing_file, 1 too_short\)"):
        score(rows={"a": [FIRST]})
