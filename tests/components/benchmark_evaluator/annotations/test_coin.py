import json

import pytest

from components.benchmark_evaluator.annotations.coin import read_coin
from components.benchmark_evaluator.annotations.items import Segment, SegmentedVideo
from components.narrated_video_example_gen.manifest import ManifestError


def step(number, start, end, label="a step"):
    return {"id": number, "segment": [start, end], "label": label}


def video(*steps, **fields):
    known = {"subset": "testing", "duration": 60.0, "start": 1.5, "end": 50.25}
    return {**known, "class": "MakeTea", "annotation": list(steps), **fields}


def write(folder, content):
    path = folder / "coin.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def reasons(found):
    return [(problem.reason, problem.loses_item) for problem in found.problems]


def test_database(tmp_path):
    videos = {
        "a": video(step("10", 2.0, 3.0, "pour"), step("9", 1.0, 2.5, "boil")),
        "b": video(step(212, 0, 60, "drink"), subset="training"),
    }
    found = read_coin(write(tmp_path, {"database": videos}))
    # Numbers, not strings, order the steps.
    assert found.labels == ("background", "boil", "pour", "drink")
    assert found.videos == (
        SegmentedVideo("a", "test", 60.0, (Segment(2, 2.0, 3.0), Segment(1, 1.0, 2.5))),
        SegmentedVideo("b", "train", 60.0, (Segment(3, 0.0, 60.0),)),
    )
    assert found.problems == ()


def test_list_of_videos(tmp_path):
    objects = [{"a": video(step("1", 2, 3))}, {"b": video(step("2", 2, 3), subset="validation")}]
    found = read_coin(write(tmp_path, objects))
    # Two steps of one name are two labels.
    assert found.labels == ("background", "a step", "a step")
    assert [(one.video_id, one.part) for one in found.videos] == [("a", "test"), ("b", "test")]


def test_bad_videos_are_problems(tmp_path):
    good = step("1", 2, 3)
    objects = [
        {"a": video(good)},
        {"a": video(good)},
        {"": video(good)},
        {"b": video(good, subset="dev")},
        {"c": video(good, duration=None)},
        {"e": video()},
        {"f": 5},
        7,
    ]
    found = read_coin(write(tmp_path, objects))
    assert [one.video_id for one in found.videos] == ["a"]
    assert reasons(found) == [
        ("duplicate", False),
        ("no_video_id", True),
        ("bad_part", True),
        ("bad_duration", True),
        ("no_segment", True),
        ("bad_part", True),
        ("no_video_id", True),
    ]
    assert found.num_annotated == 7


def test_bad_steps_are_problems(tmp_path):
    steps = [
        step("1", 2, 3, "boil"),
        step("1", 4, 5, "boil water"),
        step("2", 3, 3),
        step("2", 4, 3),
        step("2", None, 3),
        {"id": "2", "label": "x", "segment": 7},
        step("2", 4, 5, ""),
        step("two", 4, 5),
        step("1.5", 4, 5),
        "step",
    ]
    objects = [{"a": video(*steps)}, {"b": video(step("3", 3, 1))}]
    found = read_coin(write(tmp_path, objects))
    assert found.labels == ("background", "boil")
    assert [len(one.segments) for one in found.videos] == [2]
    assert reasons(found) == [
        ("two_labels", False),
        *[("bad_segment", False)] * 4,
        *[("no_label", False)] * 4,
        ("bad_segment", False),
        ("no_segment", True),
    ]
    assert found.problems[0].item.endswith("coin.json, entry 1, step 2")
    assert found.problems[0].message == "number 1 is 'boil water' here, and 'boil' before"
    assert found.num_annotated == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not well-formed JSON"),
        ("id,label\n", "is not well-formed JSON"),
        ('{"database": {"a": {', "is not well-formed JSON"),
        ("{}", "has neither videos under 'database' nor a list"),
        ("[]", "has neither videos under 'database' nor a list"),
    ],
)
def test_file_of_another_format_is_refused(tmp_path, content, message):
    with pytest.raises(ManifestError, match=message):
        read_coin(write(tmp_path, content))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="nowhere cannot be read"):
        read_coin(str(tmp_path / "nowhere"))


def test_files_by_parts_are_refused():
    with pytest.raises(ManifestError, match="of COIN are one file or folder, not 'train=a,eval=b'"):
        read_coin("train=a,eval=b")


def test_real_test_list(shared_data):
    path = shared_data / "annotations" / "coin" / "pdpp_coin_test_30.json"
    found = read_coin(str(path))
    assert len(found.videos) == found.num_annotated == 3006
    assert {one.part for one in found.videos} == {"test"}
    assert sum(len(one.segments) for one in found.videos) == 11583
    assert all(s.end <= one.duration for one in found.videos for s in one.segments)
    # 764 of the 778 steps occur, 30 of them with the name of another one.
    assert len(found.labels) == 1 + 764
    assert len(set(found.labels)) == 1 + 734
