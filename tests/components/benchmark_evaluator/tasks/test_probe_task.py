"""Two classes to the left and to the right of 0."""

import numpy as np
import pytest

from components.benchmark_evaluator.annotations.items import LabelledSet, LabelledVideo, Problem
from components.benchmark_evaluator.embedding.row_rules import SpreadRows
from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.outcome import Failure
from components.benchmark_evaluator.settings import ProbeProtocol
from components.benchmark_evaluator.tasks import probe

LEFT, RIGHT = [[-1.0, 0.5], [-1.5, -0.5]], [[1.0, 0.5], [1.5, -0.5]]
ROWS = {
    "train-left": LEFT,
    "train-right": RIGHT,
    "test-left": LEFT,
    "test-right": RIGHT,
    # It is annotated as "right".
    "lost": LEFT,
}
VIDEOS = (
    LabelledVideo("train-left", 0, ("train", "train")),
    LabelledVideo("train-right", 1, ("train", "train")),
    LabelledVideo("test-left", 0, ("test", "test")),
    LabelledVideo("test-right", 1, ("test", "")),
    LabelledVideo("lost", 1, ("", "test")),
)


@pytest.fixture
def score(written_rows):
    def run(videos=VIDEOS, rows=ROWS, problems=(), **protocol):
        annotated = LabelledSet(("left", "right"), tuple(videos), tuple(problems))
        return probe.score(annotated, written_rows(rows), ProbeProtocol(**protocol))

    return run


def test_each_video_is_windows_of_the_whole_file():
    rules = probe.rules(LabelledSet((), VIDEOS, ()), ProbeProtocol(num_windows=7))
    assert set(rules) == set(ROWS)
    assert set(rules.values()) == {SpreadRows(7)}


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        (VIDEOS[1:], "split 1 has 2 test videos and 1 classes to learn"),
        ([*VIDEOS[:2], VIDEOS[3]], "split 2 has 0 test videos and 2 classes to learn"),
    ],
)
def test_a_split_that_cannot_be_probed_is_refused_before_anything_is_embedded(videos, message):
    annotated = LabelledSet((), tuple(videos), (Problem("x", "no_label", "it has none"),))
    with pytest.raises(ValueError, match=message + r" \(1 no_label\)"):
        probe.rules(annotated, ProbeProtocol())
    assert probe.rules(LabelledSet((), (), ()), ProbeProtocol()) == {}


def test_accuracy_is_the_mean_of_the_splits(score):
    found = score()
    assert found.headline == "top_1"
    # The first split is all right, the second half.
    assert found.metrics == {"top_1": 0.75, "top_1_split_1": 1.0, "top_1_split_2": 0.5}
    first, second = found.details["splits"]
    assert (first["num_train"], first["num_test"], first["num_classes"]) == (2, 2, 2)
    assert (second["num_train"], second["num_test"], second["converged"]) == (2, 2, True)
    assert found.details["chance"] == 0.5
    assert (found.items.unit, found.items.annotated, found.items.scored) == ("videos", 5, 5)
    # With "lost" and without "test-left" the second split is all wrong, without "lost" all right.
    assert found.intervals == {"top_1": (0.5, 1.0)}
    assert found.drawn == "distinct test videos, once for all splits"


def test_a_video_of_no_split_is_embedded_and_not_used(score):
    videos = (*VIDEOS, LabelledVideo("unused", 0, ("", "")))
    found = score(videos, {**ROWS, "unused": RIGHT})
    assert found.metrics == score().metrics
    assert (found.items.annotated, found.items.scored) == (6, 6)
    assert found.details["splits"] == score().details["splits"]


def test_what_cannot_be_used_is_counted_and_named(score):
    videos = (
        *VIDEOS,
        LabelledVideo("away", 0, ("train", "train")),
        LabelledVideo("none", 0, ("test", "test")),
        LabelledVideo("blind", 0, ("test", "test")),
        LabelledVideo("empty", 0, ("test", "test")),
    )
    rows = {
        **ROWS,
        "none": Rows(None, ("not_a_video", "it is none")),
        "blind": [[np.inf] * 2] * 2,
        "empty": Rows(np.zeros([0, 2], np.float32)),
    }
    found = score(videos, rows, [Problem("x", "no_label", "it names no class")])
    assert found.items.failures == [
        Failure("x", "no_label", "it names no class"),
        Failure("away", "missing_file", "there is no file of the video away"),
        Failure("none", "not_a_video", "it is none"),
        Failure("blind", "not_finite", "the model's embedding of it is not finite"),
        Failure("empty", "no_rows", "the video ends before that"),
    ]
    assert (found.items.annotated, found.items.found, found.items.scored) == (10, 8, 5)
    assert found.metrics == score().metrics


def test_a_video_that_lacks_windows_is_what_there_is_of_it_and_named(score):
    rows = {
        **ROWS,
        "test-left": [LEFT[0], [np.inf] * 2],
        "test-right": Rows(
            np.array([[np.nan] * 2, RIGHT[0]], np.float32), ("truncated", "it breaks off")
        ),
    }
    found = score(rows=rows)
    assert found.metrics == score().metrics
    assert found.items.scored == 5
    assert found.items.failures == [
        Failure("test-left", "not_finite", "the model's embedding of it is not finite"),
        Failure("test-right", "truncated", "it breaks off"),
    ]


def test_the_windows_of_a_test_video_decide_together(score):
    rows = {**ROWS, "lost": [[-0.1, 0.0], [-0.1, 0.0], [2.0, 0.0]]}
    assert score(rows=rows).metrics["top_1_split_2"] == 1.0


def test_the_classifier_is_that_of_the_settings(score):
    assert score().details["classifier"] == {
        "regularization": 100.0,
        "standardize": False,
    }
    found = score(classifier="mmv-hmdb51", regularization=0.5)
    assert found.details["classifier"]["standardize"] is True
    assert found.details["classifier"]["regularization"] == 0.5


def test_a_split_with_nothing_to_learn_or_to_classify_is_an_error(score):
    with pytest.raises(ValueError, match="2 test videos and 1 classes to learn"):
        score(rows={name: rows for name, rows in ROWS.items() if name != "train-left"})
    with pytest.raises(ValueError, match="0 test videos and 2 classes to learn"):
        score(VIDEOS[:2])
    with pytest.raises(ValueError, match="there are no videos to probe"):
        score([])
