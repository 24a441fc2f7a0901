import pytest

from components.benchmark_evaluator.annotations.items import LabelledVideo
from components.benchmark_evaluator.outcome import Failure
from components.benchmark_evaluator.tasks import official_splits


def videos(*names, label=0):
    return [LabelledVideo(name, label, ("test",)) for name in names]


def test_figures_by_hand():
    tests = [videos("a", "b"), videos("b", "c", "d", "e")]
    found = official_splits.split_figures(tests, [[True, True], [True, False, False, False]])
    assert found.metrics == {"top_1": 0.625, "top_1_split_1": 1.0, "top_1_split_2": 0.25}
    low, high = found.intervals["top_1"]
    assert low < 0.625 < high
    assert found.drawn == "distinct test videos, once for all splits"


def test_clips_of_one_source_of_ucf101_are_drawn_together():
    # Of one source all clips are right, of the other none: a draw has 0, half or all of them.
    names = [f"v_Archery_g{group:02d}_c{clip:02d}" for group in (1, 2) for clip in range(1, 41)]
    found = official_splits.split_figures([videos(*names)], [[True] * 40 + [False] * 40])
    assert found.intervals == {"top_1": (0.0, 1.0)}
    assert found.drawn == "source groups of the test videos, once for all splits"
    # Groups of two classes have the same numbers and are not the same: of these three sources one
    # is right, and one draw in 27 has nothing else.
    archery = videos(*(name for name in names if "_g01_" in name))
    bowling = videos(*(name.replace("Archery", "Bowling") for name in names), label=1)
    found = official_splits.split_figures([archery + bowling], [[True] * 40 + [False] * 80])
    assert found.intervals["top_1"] == (0.0, 1.0)
    assert found.metrics["top_1"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "name",
    [
        # A clip of HMDB-51, one of Kinetics, and names that look nearly like UCF-101's.
        "50_FIRST_DATES_kick_f_cm_np1_ba_med_19",
        "v_abcdefghi_g_000010_000020",
        "v_Archery_g1_c01",
        "Archery_g01_c01",
    ],
)
def test_other_names_are_sources_of_their_own(name):
    found = official_splits.split_figures([videos(name, name + "0")], [[True, False]])
    assert found.drawn.startswith("distinct")


def test_splits_are_checked():
    there = [
        LabelledVideo("a", 0, ("train", "train")),
        LabelledVideo("b", 1, ("train", "test")),
        LabelledVideo("c", 0, ("test", "train")),
    ]
    failures = [Failure("d", "missing_file", "there is no file of the video d")]
    official_splits.check_splits(there, 1, failures)
    with pytest.raises(
        ValueError, match=r"split 2 has 1 test videos and 1 classes to learn \(1 missing_file\)"
    ):
        official_splits.check_splits(there, 2, failures)
