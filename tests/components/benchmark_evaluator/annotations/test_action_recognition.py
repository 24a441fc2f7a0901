import collections

import pytest

from components.benchmark_evaluator.annotations.action_recognition import read_hmdb51, read_ucf101
from components.benchmark_evaluator.annotations.items import LabelledVideo
from components.narrated_video_example_gen.manifest import ManifestError

HEADER = "video_id,label,split1,split2,split3\n"


def reasons(found):
    return [(problem.reason, problem.loses_item) for problem in found.problems]


def write_hmdb51(folder, **lines):
    """Writes a class's three files, each with the same lines unless there are three."""
    for class_name, texts in lines.items():
        texts = [texts] * 3 if isinstance(texts, str) else texts
        for split, text in enumerate(texts, 1):
            (folder / f"{class_name}_test_split{split}.txt").write_text(text)
    return str(folder)


def write_ucf101(folder, classes="1 Archery\n2 Bowling\n", **lists):
    (folder / "classInd.txt").write_text(classes)
    for split in (1, 2, 3):
        for part in ("train", "test"):
            name = f"{part}list0{split}"
            (folder / f"{name}.txt").write_text(lists.get(name, lists.get(part, "")))
    return str(folder)


def test_hmdb51_folder(tmp_path):
    (tmp_path / "class_list.txt").write_text("kick\nkick_ball\n")
    path = write_hmdb51(
        tmp_path,
        kick_ball=["[x]#1_0.avi 1 \nb;2.avi 0 \n", "[x]#1_0.avi 2 \nb;2.avi 1 \n", "b;2.avi 2\n"],
        kick="c.avi 2 \nd.avi 1 \n",
    )
    found = read_hmdb51(path)
    assert found.classes == ("kick", "kick_ball")
    assert found.videos == (
        LabelledVideo("c", 0, ("test", "test", "test")),
        LabelledVideo("d", 0, ("train", "train", "train")),
        LabelledVideo("[x]#1_0", 1, ("train", "test", "")),
        LabelledVideo("b;2", 1, ("", "train", "test")),
    )
    assert found.problems == ()


def test_hmdb51_csv_of_mil_nce(tmp_path):
    path = tmp_path / "hmdb51.csv"
    path.write_text(HEADER + "a.avi,test_drive_test,1,2,0\nb.avi,cut_test,2,1,1\n")
    found = read_hmdb51(str(path))
    assert found.classes == ("cut", "test_drive")
    assert found.videos == (
        LabelledVideo("a", 1, ("train", "test", "")),
        LabelledVideo("b", 0, ("test", "train", "train")),
    )


def test_bad_rows_of_hmdb51_are_problems(tmp_path):
    path = tmp_path / "hmdb51.csv"
    path.write_text(
        HEADER
        + "a.avi,cut_test,1,2,5\n,cut_test,1,1,1\nb.avi,,1,1,1\nc.avi,cut_test,,,\n"
        + "a.avi,cut_test,1,2,1\nd.avi,never_trained_test,2,2,0\n"
    )
    found = read_hmdb51(str(path))
    # A video whose part of a split is unknown is out of that split only.
    assert found.videos[0].parts == ("train", "test", "train")
    assert [problem.reason for problem in found.problems] == [
        *("bad_part", "no_video_id", "no_label", "bad_part", "bad_part", "bad_part"),
        *("duplicate", "unknown_class"),
    ]
    lost = [problem.item for problem in found.problems if problem.loses_item]
    assert [item.split(" in ")[0] for item in lost] == [
        f"{path}, entry 2",
        *("b.avi", "c.avi", "d.avi"),
    ]
    assert found.num_annotated == 5


def test_line_of_a_file_without_its_part_is_a_problem(tmp_path):
    found = read_hmdb51(write_hmdb51(tmp_path, cut="a.avi 1\nb.avi\n", kick="a.avi 2\n"))
    assert [video.video_id for video in found.videos] == ["a"]
    assert reasons(found) == [
        ("bad_part", True),
        ("bad_part", False),
        ("bad_part", False),
        ("duplicate", False),
        ("duplicate", False),
        ("duplicate", False),
    ]
    assert found.num_annotated == 2


def test_hmdb51_that_is_none_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"has no file .*give HMDB51's folder"):
        read_hmdb51(str(tmp_path))
    with pytest.raises(ManifestError, match="nowhere cannot be read"):
        read_hmdb51(str(tmp_path / "nowhere"))
    (tmp_path / "csv").write_text("video_id,label\n")
    with pytest.raises(ManifestError, match="has no column split1, split2, split3"):
        read_hmdb51(str(tmp_path / "csv"))
    write_hmdb51(tmp_path, cut=["a.avi 1\n", "a.avi 1\n"])
    with pytest.raises(ManifestError, match=r"cut_test_split3\.txt cannot be read"):
        read_hmdb51(str(tmp_path))
    with pytest.raises(ManifestError, match="of HMDB51 are one file or folder, not 'train=a'"):
        read_hmdb51("train=a")


def test_ucf101_folder(tmp_path):
    path = write_ucf101(
        tmp_path,
        classes="2 Archery\n10 Bowling\n1 Zumba\n",
        train="Archery/v_Archery_g01_c01.avi 2\n\n",
        test="Bowling/v_Bowling_g01_c01.avi\n",
    )
    found = read_ucf101(path)
    assert found.classes == ("Zumba", "Archery", "Bowling")
    assert found.videos == (
        LabelledVideo("v_Archery_g01_c01", 1, ("train",) * 3),
        LabelledVideo("v_Bowling_g01_c01", 2, ("test",) * 3),
    )
    assert found.problems == ()


def test_bad_rows_of_ucf101_are_problems(tmp_path):
    path = write_ucf101(
        tmp_path,
        train="Archery/a.avi 1\n",
        trainlist01="Archery/a.avi 2\nNone/b.avi 1\nArchery/ 1\nc.avi 1\n",
        test="",
        testlist02="Archery/a.avi\n",
    )
    found = read_ucf101(path)
    assert found.videos == (LabelledVideo("a", 0, ("", "train", "train")),)
    assert reasons(found) == [
        ("unknown_class", False),
        ("unknown_class", True),
        ("no_video_id", True),
        ("no_label", True),
        ("duplicate", False),
    ]
    assert found.problems[0].message == "there is no such class to learn as 'Archery 2'"
    assert found.num_annotated == 4


def test_ucf101_that_is_none_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"classInd\.txt cannot be read"):
        read_ucf101(str(tmp_path))
    path = write_ucf101(tmp_path, classes="Archery\n")
    with pytest.raises(ManifestError, match="has the line 'Archery'"):
        read_ucf101(path)
    path = write_ucf101(tmp_path)
    (tmp_path / "testlist02.txt").unlink()
    with pytest.raises(ManifestError, match=r"testlist02\.txt cannot be read"):
        read_ucf101(path)
    with pytest.raises(
        ManifestError, match=r"classInd\.txt is no folder; give UCF101's with class"
    ):
        read_ucf101(f"{path}/classInd.txt")
    with pytest.raises(ManifestError, match="of UCF101 are one file or folder, not 'train=a'"):
        read_ucf101("train=a")


def test_real_hmdb51(shared_data):
    folder = read_hmdb51(str(shared_data / "annotations" / "hmdb51_splits"))
    csv = read_hmdb51(str(shared_data / "annotations" / "milnce" / "hmdb51.csv"))
    assert set(folder.videos) == set(csv.videos)
    assert folder.classes == csv.classes
    assert len(csv.classes) == 51
    assert len(csv.videos) == csv.num_annotated == folder.num_annotated == 6766
    for split in range(3):
        counts = collections.Counter(video.parts[split] for video in csv.videos)
        assert counts == {"train": 3570, "test": 1530, "": 1666}


def test_real_ucf101(shared_data):
    found = read_ucf101(str(shared_data / "annotations" / "ucf101_splits"))
    assert len(found.classes) == 101
    assert len(found.videos) == found.num_annotated == 13320
    for split, (train, test) in enumerate([(9537, 3783), (9586, 3734), (9624, 3696)]):
        counts = collections.Counter(video.parts[split] for video in found.videos)
        assert counts == {"train": train, "test": test}
