"""Nothing is trained here: the logits of each split's classifier are written down."""

import numpy as np
import pytest

from components.benchmark_evaluator.annotations.items import LabelledSet, LabelledVideo, Problem
from components.benchmark_evaluator.benchmarks import find_benchmark
from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.outcome import Failure
from components.benchmark_evaluator.tasks import fine_tuning

LEFT, RIGHT = [[2.0, 0.0], [2.0, 0.0]], [[0.0, 2.0], [0.0, 2.0]]
LOGITS = {"test-left": LEFT, "test-right": RIGHT, "lost": LEFT}
VIDEOS = (
    LabelledVideo("train-left", 0, ("train", "train")),
    LabelledVideo("train-right", 1, ("train", "train")),
    LabelledVideo("test-left", 0, ("test", "test")),
    LabelledVideo("test-right", 1, ("test", "")),
    LabelledVideo("lost", 1, ("", "test")),
)
BLIND = Failure("test-left", "not_finite", "the model's embedding of it is not finite")


@pytest.fixture
def trained():
    """The training videos of each training, by file and class."""
    return []


@pytest.fixture
def looked_at():
    """The files that were looked at, once for each evaluation."""
    return []


@pytest.fixture
def score(monkeypatch, written_rows, trained, looked_at):
    def run(videos=VIDEOS, logits=LOGITS, files=None, broken=(), problems=(), **protocol):
        def find_unreadable(paths, kept_in, progress):
            looked_at.append(paths)
            return {path: ("not_a_video", "it is none") for path in paths if path in broken}

        monkeypatch.setattr(fine_tuning, "find_unreadable", find_unreadable)
        monkeypatch.setattr(
            fine_tuning,
            "train_classifier",
            lambda model, good, *rest, **settings: trained.append(good) or "classifier",
        )
        monkeypatch.setattr(fine_tuning, "embed_videos", lambda jobs, *rest: written_rows(logits))
        annotated = LabelledSet(("left", "right"), tuple(videos), tuple(problems))
        names = [video.video_id for video in videos] if files is None else files
        settings = find_benchmark("hmdb51_fine_tuning").defaults.replaced({"protocol": protocol})
        place = fine_tuning.Place("model", "store", pytest.fail, 1, None, pytest.fail)
        return fine_tuning.score(annotated, {name: (name,) for name in names}, settings, place)

    return run


def test_accuracy_is_the_mean_of_the_splits(score, trained, looked_at):
    found = score()
    assert found.metrics == {"top_1": 0.75, "top_1_split_1": 1.0, "top_1_split_2": 0.5}
    assert found.intervals == {"top_1": (0.5, 1.0)}
    assert found.drawn == "distinct test videos, once for all splits"
    assert trained == [[("train-left", 0), ("train-right", 1)]] * 2
    assert found.details["splits"][1] == {"top_1": 0.5, "num_train": 2, "num_test": 2}
    assert (found.items.annotated, found.items.found, found.items.scored) == (5, 5, 5)
    assert score(splits=1).metrics == {"top_1": 1.0, "top_1_split_1": 1.0}
    # "lost" is in the second split alone.
    assert looked_at == [[video.video_id for video in VIDEOS[:last]] for last in (5, 4)]


def test_windows_that_are_lost_are_named_and_the_others_decide(score):
    cut = np.float32([RIGHT[0], [np.nan] * 2])
    logits = {
        **LOGITS,
        "test-left": [[np.inf] * 2, LEFT[0]],
        "test-right": Rows(cut, ("truncated", "it breaks off")),
    }
    found = score(logits=logits)
    assert found.metrics == score().metrics
    # "test-left" is a test in both splits and named once.
    assert found.items.failures == [BLIND, Failure("test-right", "truncated", "it breaks off")]
    assert found.items.failed_by_reason() == {"not_finite": 1, "truncated": 1}
    assert found.items.scored == 5


def test_videos_without_any_window_are_named_and_not_scored(score):
    logits = {
        **LOGITS,
        "test-left": [[np.inf] * 2] * 2,
        "lost": RIGHT,
        "none": Rows(None, ("not_a_video", "it is none")),
    }
    videos = (
        *VIDEOS,
        LabelledVideo("none", 0, ("test", "test")),
        LabelledVideo("away", 0, ("train", "train")),
    )
    files = [video.video_id for video in videos[:-1]]
    found = score(videos, logits, files, problems=[Problem("x", "no_label", "it names no class")])
    assert found.metrics == {"top_1": 1.0, "top_1_split_1": 1.0, "top_1_split_2": 1.0}
    assert found.items.failures == [
        Failure("x", "no_label", "it names no class"),
        Failure("away", "missing_file", "there is no file of the video away"),
        BLIND,
        Failure("none", "not_a_video", "it is none"),
    ]
    assert (found.items.annotated, found.items.found, found.items.scored) == (8, 6, 4)
    with pytest.raises(ValueError, match=r"split 1 has no test video that .*\(2 not_finite\)"):
        score(logits={name: [[np.inf] * 2] for name in LOGITS})


def test_a_video_that_cannot_be_read_is_named_and_neither_trained_on_nor_tested(score, trained):
    found = score((*VIDEOS, LabelledVideo("more", 0, ("train", "test"))), broken=["more"])
    assert found.items.failures == [Failure("more", "not_a_video", "it is none")]
    assert trained[0] == [("train-left", 0), ("train-right", 1)]
    assert [split["num_train"] for split in found.details["splits"]] == [2, 2]
    assert found.items.scored == 5


@pytest.mark.parametrize(
    ("files", "broken", "message"),
    [
        (
            ["train-left", "train-right"],
            [],
            r"split 1 has 0 test videos and 2 .*\(3 missing_file\)",
        ),
        (["train-left", "train-right", "test-right"], [], "split 2 has 0 test videos"),
        (["train-left", "test-left"], [], "split 1 has 1 test videos and 1 classes to learn"),
        (None, ["test-left", "lost"], r"split 2 has 0 test videos .*\(2 not_a_video\)"),
    ],
)
def test_nothing_is_trained_before_all_splits_have_their_videos(
    score, trained, files, broken, message
):
    with pytest.raises(ValueError, match=message):
        score(files=files, broken=broken)
    assert trained == []


def test_no_videos_at_all_are_an_error(score):
    with pytest.raises(ValueError, match="there are no videos to train on"):
        score([])
