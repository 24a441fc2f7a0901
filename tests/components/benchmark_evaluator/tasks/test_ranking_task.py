"""Segments with two features, of which the first says "cat" and the second says "dog"."""

import numpy as np
import pytest

from components.benchmark_evaluator.annotations.items import Problem, RatedSegment, RatedSet
from components.benchmark_evaluator.embedding.row_rules import ClipRows
from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.outcome import Failure
from components.benchmark_evaluator.settings import RankingProtocol
from components.benchmark_evaluator.tasks import ranking

CAT, DOG, BIRD = range(3)
NUMBERS = (3, 31, 30)


def rated(video_id, part, *ratings):
    return [
        RatedSegment(video_id, start, label, positive, part) for start, label, positive in ratings
    ]


SEGMENTS = (
    # The second segment comes first, and is rated for two classes.
    *rated("a", "train", (20.0, CAT, False), (5.0, CAT, True), (5.0, DOG, False)),
    *rated("b", "train", (0.0, DOG, True)),
    *rated("c", "test", (0.0, CAT, True), (5.0, CAT, False), (10.0, CAT, True)),
    *rated("d", "test", (0.0, DOG, True), (5.0, DOG, False)),
)
ROWS = {
    "a": [[2.0, 0.0], [0.0, 0.5]],
    "b": [[0.0, 2.0]],
    "c": [[2.0, 0.5], [0.5, 0.0], [1.0, 1.0]],
    "d": [[1.0, 2.0], [1.0, 0.0]],
}


@pytest.fixture
def score(written_rows):
    def run(segments=SEGMENTS, rows=ROWS, problems=(), **protocol):
        annotated = RatedSet(NUMBERS, tuple(segments), tuple(problems))
        return ranking.score(annotated, written_rows(rows), RankingProtocol(**protocol))

    return run


def test_a_video_needs_a_row_for_each_segment_in_the_order_of_time():
    rules = ranking.rules(RatedSet(NUMBERS, SEGMENTS, ()), RankingProtocol(num_windows=3))
    assert rules["a"] == ClipRows(((5.0, 10.0), (20.0, 25.0)), 3)
    assert rules["d"] == ClipRows(((0.0, 5.0), (5.0, 10.0)), 3)
    assert set(rules) == {"a", "b", "c", "d"}


def test_features_that_say_their_class_are_ranked_without_a_mistake(score):
    found = score()
    assert found.headline == "mAP"
    assert found.metrics == {"mAP": 1.0}
    assert found.intervals == {"mAP": (1.0, 1.0)}
    assert found.details == {
        "num_train": 4,
        "num_test": 5,
        "num_classes": 3,
        # Nobody rated anything for the third.
        "num_classes_scored": 2,
        "num_classes_without_training": 0,
        "num_positives_not_listed": 0,
        "average_precision_by_class": {"3": 1.0, "31": 1.0},
    }
    items = found.items
    assert (items.unit, items.annotated, items.found, items.scored) == ("rated segments", 9, 9, 9)


def test_a_mistake_costs_its_class(score):
    # The cat that looks least like one is behind the segment without a cat: 1/1 and 2/3.
    found = score(rows={**ROWS, "c": [[2.0, 0.5], [1.0, 0.0], [0.0, 1.0]]})
    precisions = found.details["average_precision_by_class"]
    assert precisions == {"3": pytest.approx(5 / 6), "31": 1.0}
    assert found.metrics == {"mAP": pytest.approx(11 / 12)}
    # A draw of "c" alone has no dog, one of "d" alone no cat. Twice "c" has the places 1, 2 and,
    # behind the two without a cat, 5 and 6.
    assert found.intervals == {"mAP": (pytest.approx((1 + 1 + 3 / 5 + 4 / 6) / 4), 1.0)}
    assert found.drawn == "test videos"
    # In a list of one for each class the second cat is not found at all.
    found = score(top_n=1)
    assert found.details["average_precision_by_class"]["3"] == 0.5
    assert found.details["num_positives_not_listed"] == 1


def test_a_lost_positive_is_missed_and_not_forgotten(score):
    # The second cat has no features: of two positives one is found.
    rows = {**ROWS, "c": [[2.0, 0.5], [0.5, 0.0], [np.inf] * 2]}
    found = score(rows=rows)
    assert found.details["average_precision_by_class"] == {"3": 0.5, "31": 1.0}
    assert found.metrics == {"mAP": 0.75}
    assert found.items.failed_by_reason() == {"not_finite": 1}
    assert (found.items.scored, found.details["num_test"]) == (8, 4)
    # A class that lost all its positives scores 0 and is no class less.
    found = score(rows={name: rows for name, rows in ROWS.items() if name != "d"})
    assert found.details["average_precision_by_class"] == {"3": 1.0, "31": 0.0}
    assert found.details["num_positives_not_listed"] == 1
    assert found.metrics == {"mAP": 0.5}
    # A video that is lost is drawn like others: "d" alone gives 0 and "c" alone 1.
    assert found.intervals == {"mAP": (0.0, 1.0)}


def test_a_segment_that_the_video_cuts_off_is_scored_and_named(score):
    rows = {**ROWS, "a": Rows(np.float32(ROWS["a"]), cut_off=(1,))}
    found = score(rows=rows)
    assert found.metrics == {"mAP": 1.0}
    assert [(failure.item, failure.reason) for failure in found.items.failures] == [
        ("a:20 class 3", "cut_off")
    ]
    assert found.items.scored == 9


def test_a_class_that_cannot_be_learned_counts_all_the_same(score):
    birds = (
        *rated("b", "train", (0.0, BIRD, True)),
        *rated("c", "test", (0.0, BIRD, True)),
        *rated("d", "test", (0.0, BIRD, False)),
    )
    found = score((*SEGMENTS, *birds))
    assert found.details["num_classes_scored"] == 3
    assert found.details["num_classes_without_training"] == 1
    # All scores are the same, so chance with a fixed seed decides.
    assert found.details["average_precision_by_class"]["30"] in (0.5, 1.0)


def test_what_cannot_be_used_is_counted_and_named(score):
    segments = (
        *SEGMENTS,
        *rated("away", "train", (0.0, CAT, True)),
        *rated("none", "test", (5.0, DOG, True)),
        *rated("cut", "test", (2.5, CAT, True), (7.5, CAT, True), (7.5, DOG, False)),
    )
    rows = {
        **ROWS,
        "none": Rows(None, ("not_a_video", "it is none")),
        "cut": Rows(np.float32([[2.0, 0.0], [np.nan] * 2]), ("truncated", "it breaks off")),
    }
    found = score(segments, rows, [Problem("x", "bad_record", "it is none")])
    assert found.items.failures == [
        Failure("x", "bad_record", "it is none"),
        Failure("away:0 class 3", "missing_file", "there is no file of the video away"),
        Failure("none:5 class 31", "not_a_video", "it is none"),
        Failure("cut:7.5 class 3", "truncated", "it breaks off"),
        Failure("cut:7.5 class 31", "truncated", "it breaks off"),
    ]
    items = found.items
    assert (items.annotated, items.found, items.scored) == (15, 13, 10)
    assert found.details["num_test"] == 6
    # Of four cats one is lost, of two dogs one.
    assert found.metrics == {"mAP": (3 / 4 + 1 / 2) / 2}


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ("abx", "4 rated segments to learn from and 0 to rank"),
        ("cdx", "0 rated segments to learn from and 5 to rank: give both parts"),
    ],
)
def test_a_part_that_is_missing_is_refused(score, kept, message):
    segments = [segment for segment in SEGMENTS if segment.video_id in kept]
    with pytest.raises(ValueError, match=message):
        ranking.rules(RatedSet(NUMBERS, tuple(segments), ()), RankingProtocol())
    with pytest.raises(ValueError, match=message):
        score(rows={name: rows for name, rows in ROWS.items() if name in kept})


def test_files_that_name_no_part_are_to_be_ranked(score):
    unnamed = tuple(rated("a", "", (5.0, CAT, True)))
    with pytest.raises(ValueError, match="0 rated segments to learn from and 1 to rank"):
        ranking.rules(RatedSet(NUMBERS, unnamed, ()), RankingProtocol())
    assert ranking.rules(RatedSet(NUMBERS, (), ()), RankingProtocol()) == {}


def test_nothing_to_find_is_an_error(score):
    segments = [segment for segment in SEGMENTS if segment.video_id in "ab"]
    with pytest.raises(ValueError, match="no class has a positive segment to find"):
        score((*segments, *rated("d", "test", (5.0, DOG, False))))
