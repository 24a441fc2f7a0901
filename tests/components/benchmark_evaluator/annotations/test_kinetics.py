import pytest

from components.benchmark_evaluator.annotations.items import LabelledVideo
from components.benchmark_evaluator.annotations.kinetics import read_kinetics
from components.narrated_video_example_gen.manifest import ManifestError

HEADER = "label,youtube_id,time_start,time_end,split\n"


def write(path, rows, header=HEADER):
    path.write_text(header + rows)
    return path


def reasons(found):
    return [(problem.reason, problem.loses_item) for problem in found.problems]


def test_public_csvs(tmp_path):
    train = write(tmp_path / "train.csv", '"swing, baseball",---QUuC4vJs,84,94,train\n')
    validation = write(tmp_path / "val.csv", '"swing, baseball",-0WZKTu0xDk,1000,1010,val\n')
    found = read_kinetics(f"train={train},eval={validation}")
    assert found.classes == ("swing, baseball",)
    assert found.videos == (
        LabelledVideo("-0WZKTu0xDk_001000_001010", 0, ("test",)),
        LabelledVideo("---QUuC4vJs_000084_000094", 0, ("train",)),
    )
    assert found.problems == ()


def test_folders_of_clips(tmp_path):
    for name in ("train/air drum/a_b_000001_000011.mp4", "val/air drum/-c_000010_000020.mkv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "val" / "air drum" / "whole.mp4").touch()
    (tmp_path / "val" / "d_000001_000011.mp4").touch()
    (tmp_path / "val" / "air drum" / "notes.txt").touch()
    found = read_kinetics(f"train={tmp_path / 'train'},eval={tmp_path / 'val'}")
    assert found.videos == (
        LabelledVideo("-c_000010_000020", 0, ("test",)),
        LabelledVideo("a_b_000001_000011", 0, ("train",)),
    )
    assert reasons(found) == [("bad_segment", True), ("no_label", True)]
    assert found.num_annotated == 4


def test_bad_rows_are_problems(tmp_path):
    train = write(
        tmp_path / "train.csv",
        "yoga,a,0,10,train\nyoga,a,0,10,train\nyoga,both,0,10,train\nyoga,,0,10,train\n"
        "yoga,b,5,5,train\nyoga,b,9,5,train\nyoga,b,,5,train\nyoga,b,0.5,10.5,train\n",
    )
    evaluation = write(tmp_path / "val.csv", "yoga,both,0,10,val\n,c,0,10,val\nchess,d,0,10,val\n")
    found = read_kinetics(f"train={train},eval={evaluation}")
    assert found.classes == ("yoga",)
    assert [(video.video_id, video.parts) for video in found.videos] == [
        ("both_000000_000010", ("test",)),
        ("a_000000_000010", ("train",)),
    ]
    assert reasons(found) == [
        ("no_label", True),
        ("duplicate", False),
        ("duplicate", False),
        ("no_video_id", True),
        *[("bad_segment", True)] * 4,
        ("unknown_class", True),
    ]
    assert found.problems[-2].message == "0.5 to 10.5 are no whole seconds, as clips are named by"
    assert found.num_annotated == 9


def test_list_without_labels_has_nothing_to_score(tmp_path):
    train = write(tmp_path / "train.csv", "yoga,a,0,10,train\n")
    test = write(tmp_path / "test.csv", "b,0,10,test\n", "youtube_id,time_start,time_end,split\n")
    found = read_kinetics(f"train={train},eval={test}")
    assert [video.video_id for video in found.videos] == ["a_000000_000010"]
    assert reasons(found) == [("no_label", True)]
    assert found.num_annotated == 2


def test_what_is_no_kinetics_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="give Kinetics as train=FILE,eval=FILE"):
        read_kinetics(str(tmp_path))
    with pytest.raises(ManifestError, match="holds no videos"):
        read_kinetics(f"eval={tmp_path}")
    with pytest.raises(ManifestError, match="nowhere cannot be read"):
        read_kinetics(f"eval={tmp_path / 'nowhere'}")
    other = write(tmp_path / "other.csv", "", "video_id,label\n")
    with pytest.raises(ManifestError, match="has no column youtube_id, time_start, time_end"):
        read_kinetics(f"eval={other}")
