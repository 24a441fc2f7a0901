"""Clip n is embedded as unit vector n, so that a caption's embedding is its row of scores."""

import math
import tracemalloc

import numpy as np
import pytest

from components.benchmark_evaluator.annotations.items import CaptionedClip, Problem, RetrievalSet
from components.benchmark_evaluator.embedding.row_rules import ClipRows
from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.outcome import Failure
from components.benchmark_evaluator.settings import RetrievalProtocol
from components.benchmark_evaluator.tasks import retrieval
from models.description import ModelDescription

# One better, none, three better, one that ties: ranks 2, 1, 4 and 1.5.
SCORES = {
    "a": [4.0, 5.0, 1.0, 0.0],
    "b": [1.0, 9.0, 2.0, 3.0],
    "c": [3.0, 2.0, 1.0, 4.0],
    "d": [0.0, 0.0, 1.0, 1.0],
}
ONE = np.eye(4)


def clip(video_id, start, *texts, end=None):
    return CaptionedClip(video_id, start, start + 5.0 if end is None else end, texts)


CLIPS = (clip("v", 0.0, "a"), clip("w", 0.0, "b"), clip("v", 5.0, "c"), clip("u", 0.0, "d"))
ROWS = {"v": ONE[[0, 2]], "w": ONE[[1]], "u": ONE[[3]]}


@pytest.fixture
def score(written_rows, written_texts):
    def run(clips=CLIPS, rows=ROWS, scores=SCORES, problems=(), told=(), **protocol):
        return retrieval.score(
            RetrievalSet(tuple(clips), tuple(problems)),
            written_rows(rows),
            written_texts(scores, *told),
            RetrievalProtocol(**protocol),
        )

    return run


def test_a_video_needs_a_row_for_each_of_its_clips():
    clips = (*CLIPS, clip("u", 7.0, "e", end=math.inf))
    assert retrieval.rules(RetrievalSet(clips, ()), RetrievalProtocol(num_windows=3)) == {
        "v": ClipRows(((0.0, 5.0), (5.0, 10.0)), 3),
        "w": ClipRows(((0.0, 5.0),), 3),
        "u": ClipRows(((0.0, 5.0), (7.0, math.inf)), 3),
    }


def test_recalls_by_hand(score):
    found = score()
    assert found.headline == "R@10"
    assert found.metrics == {"R@1": 0.25, "R@5": 1.0, "R@10": 1.0, "median_rank": 1.75}
    assert (found.items.annotated, found.items.found, found.items.scored) == (4, 4, 4)
    assert found.items.is_complete
    details = found.details
    assert details["num_queries"] == details["num_candidates"] == 4
    assert (details["num_videos"], details["num_ties"]) == (3, 1)
    assert details["random"]["median_rank"] == 2.5
    # Down the columns: twice none is higher; one is and two tie; two are.
    assert details["video_to_text"] == {"R@1": 0.5, "R@5": 1.0, "R@10": 1.0, "median_rank": 2.0}


def test_each_rule_for_ties_is_told_and_one_decides(score):
    details = score().details["by_tie_rule"]
    assert {rule: figures["R@1"] for rule, figures in details.items()} == {
        "mean": 0.25,
        "optimistic": 0.5,
        "pessimistic": 0.25,
        # The tied query counts twice.
        "reference": 0.4,
    }
    assert score(ties="optimistic").metrics == details["optimistic"]
    assert score(ties="reference").metrics == details["reference"]


def test_a_clip_may_have_several_captions(score):
    clips = (clip("v", 0.0, "a", "b"), clip("w", 0.0, "d"), clip("u", 0.0, "b"))
    scores = {"a": [2.0, 1.0, 0.0], "b": [1.0, 2.0, 3.0], "d": [0.0, 1.0, 2.0]}
    found = score(clips, {"v": ONE[[0], :3], "w": ONE[[1], :3], "u": ONE[[2], :3]}, scores)
    # Queries a, b, d, b find clips 0, 0, 1, 2 at ranks 1, 3, 2, 1.
    assert found.metrics == {"R@1": 0.5, "R@5": 1.0, "R@10": 1.0, "median_rank": 1.5}
    details = found.details
    assert (details["num_queries"], details["num_candidates"]) == (4, 3)
    assert details["num_repeated_captions"] == 1
    # Clip 0's best caption is its first. To clip 1 both "b" are nearer; to clip 2 its own "b" and
    # the other one of clip 0 are the same.
    assert details["video_to_text"]["R@1"] == pytest.approx(1 / 3)
    assert details["video_to_text"]["median_rank"] == 1.5


def test_what_cannot_be_scored_is_counted_and_named(score):
    rows = {
        "v": Rows(np.array([ONE[0], [np.nan] * 4], np.float32), ("truncated", "it breaks off")),
        "w": Rows(np.array([ONE[1], [np.inf] * 4], np.float32)),
        "u": Rows(None, ("not_a_video", "it is none")),
    }
    clips = (*CLIPS, clip("w", 5.0, "e"), clip("w", 12.5, "f"), clip("t", 1.0, "g"))
    problems = [
        Problem("row 3", "no_text", "it is empty"),
        Problem("row 4", "duplicate", "it is there twice", loses_item=False),
    ]
    found = score(clips, rows, SCORES, problems)
    items = found.items
    assert (items.unit, items.annotated, items.found, items.scored) == ("clips", 8, 6, 2)
    assert not items.is_complete
    assert items.failures == [
        Failure("row 3", "no_text", "it is empty"),
        Failure("row 4", "duplicate", "it is there twice"),
        Failure("v 5-10", "truncated", "it breaks off"),
        Failure("w 5-10", "not_finite", "the model's embedding of it is not finite"),
        Failure("w 12.5-17.5", "no_rows", "the video ends before that"),
        Failure("u 0-5", "not_a_video", "it is none"),
        Failure("t 1-6", "missing_file", "there is no file of the video t"),
    ]
    # Neither as candidates nor as queries: "a" has clip 1 before its own, "b" is right.
    assert found.metrics == {"R@1": 0.5, "R@5": 1.0, "R@10": 1.0, "median_rank": 1.5}
    assert found.details["num_candidates"] == found.details["num_queries"] == 2


def test_fewer_than_two_clips_are_an_error_that_says_why(score):
    rows = {"w": ONE[[1]], "u": Rows(None, ("not_a_video", "it is none"))}
    with pytest.raises(
        ValueError, match=r"but 1 of 4 can be scored \(2 missing_file, 1 not_a_video\)"
    ):
        score(rows=rows)


def test_intervals_hold_the_figures_and_draw_whole_videos(score):
    found = score()
    assert set(found.intervals) == set(found.metrics)
    for name, (low, high) in found.intervals.items():
        assert low <= found.metrics[name] <= high
    # A draw of w alone finds all, one without w none.
    assert found.intervals["R@1"] == (0.0, 1.0)
    assert found.drawn == "videos"
    # Of one video each draw is the same.
    clips = [clip("v", number, name) for number, name in enumerate(SCORES)]
    found = score(clips, {"v": ONE})
    assert found.intervals == {name: (value, value) for name, value in found.metrics.items()}
    assert found.metrics["R@1"] == 0.25


def test_captions_are_cut_to_their_first_words(score):
    clips = [
        clip("v", 0.0, "a, and then something else"),
        clip("w", 0.0, "b"),
        clip("v", 5.0, "c -- d"),
        clip("u", 0.0, "d"),
    ]
    assert score(clips, max_words=1).metrics == score().metrics
    assert score(clips, max_words=1).details["num_unknown_captions"] == 0
    assert score(clips, max_words=1).details["max_words"] == 1
    # Two of the whole sentences are none that are written down.
    assert score(clips).details["num_unknown_captions"] == 2
    assert score(clips).details["max_words"] is None


def test_words_that_the_model_does_not_know_do_not_count(score):
    clips = [
        clip("v", 0.0, "Well, A, and then B or something else"),
        clip("w", 0.0, "b"),
        clip("v", 5.0, "um: c -- d"),
        clip("u", 0.0, "d"),
    ]
    scores = {**SCORES, "well, a": SCORES["a"], "um: c": SCORES["c"]}
    told = ModelDescription("milnce", {}, None, ["a", "b", "c", "d"]), 20
    found = score(clips, scores=scores, told=told, max_words=1)
    assert found.metrics == score().metrics
    assert found.details["max_words"] == 1
    # Where capitals count, one sentence has more known words than one, and the others have none.
    told = ModelDescription("gated", {}, None, ["A", "B"], case_sensitive=True), 20
    scores = {**SCORES, "Well, A": SCORES["a"], "um: c -- d": SCORES["c"]}
    assert score(clips, scores=scores, told=told, max_words=1).metrics == score().metrics


def test_the_models_own_limit_is_told_and_no_more_is_promised(score):
    told = None, 16
    assert score(told=told).details["max_words"] == 16
    assert score(told=told, max_words=16).details["max_words"] == 16
    with pytest.raises(
        ValueError, match=r"max_words is 17, but the model hub/model keeps 16 words"
    ):
        score(told=told, max_words=17)


def test_captions_whose_embedding_is_not_finite_are_named_and_not_scored(score):
    clips = (*CLIPS[:3], clip("u", 0.0, "bad", "d", "worse"))
    scores = {**SCORES, "bad": [np.nan, 0, 0, 0], "worse": [0, 0, 0, np.inf]}
    found = score(clips, scores=scores)
    message = "the model's embedding of the sentence is not finite"
    assert found.items.failures == [
        Failure("u 0-5, caption 1", "not_finite", message),
        Failure("u 0-5, caption 3", "not_finite", message),
    ]
    assert found.items.failed_by_reason() == {"not_finite": 2}
    assert found.metrics == score().metrics
    assert (found.items.scored, found.details["num_queries"]) == (4, 4)


def test_a_clip_whose_captions_are_all_lost_is_lost(score):
    found = score(scores={**SCORES, "b": [np.nan] * 4})
    assert (found.items.annotated, found.items.found, found.items.scored) == (4, 4, 3)
    assert [failure.item for failure in found.items.failures] == ["w 0-5, caption 1"]
    # Without the second column: "a" and "c" have 4, 1, 0 and 3, 1, 4, "d" ties as before.
    assert found.metrics["median_rank"] == 1.5
    assert found.details["num_candidates"] == found.details["num_queries"] == 3
    with pytest.raises(ValueError, match=r"but 1 of 4 can be scored \(3 not_finite\)"):
        score(scores={**dict.fromkeys("abd", [np.nan] * 4), "c": SCORES["c"]})


def test_a_clip_that_the_video_cuts_off_is_scored_and_named(score):
    rows = {**ROWS, "v": Rows(ONE[[0, 2]].astype(np.float32), cut_off=(1,))}
    found = score(rows=rows)
    assert found.metrics == score().metrics
    assert found.items.scored == 4
    assert [(failure.item, failure.reason) for failure in found.items.failures] == [
        ("v 5-10", "cut_off")
    ]


def test_ten_thousand_clips_are_scored_without_their_score_matrix(written_rows):
    """A score matrix of float64 would take 763 MiB, one of float32 382."""
    num_clips, size = 10_000, 32
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal([num_clips, size]).astype(np.float32)
    clips = [clip(f"v{n // 500}", float(n), str(n)) for n in range(num_clips)]

    class Texts:
        description = max_words = None

        def embed_text(self, texts, finite):
            return vectors[[int(text or 0) for text in texts]] if texts != [""] else vectors[:1] * 0

    tracemalloc.start()
    try:
        found = retrieval.score(
            RetrievalSet(tuple(clips), ()),
            written_rows({f"v{n}": vectors[500 * n :][:500] for n in range(20)}),
            Texts(),
            RetrievalProtocol(),
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.items.scored == num_clips
    assert found.metrics["R@1"] > 0.9
    assert peak < vectors.nbytes + 350 * 2**20
