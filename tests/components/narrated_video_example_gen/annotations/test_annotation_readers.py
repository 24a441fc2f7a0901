import collections
import json
import math

import pytest

from components.narrated_video_example_gen.annotations import (
    lsmdc,
    msrvtt,
    segments_csv,
    youcook2,
)
from components.narrated_video_example_gen.annotations.annotation import Annotation
from components.narrated_video_example_gen.manifest import ManifestError


def write(folder, content):
    path = folder / "annotations"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_csv_of_segments(tmp_path):
    path = write(
        tmp_path,
        'video_id,start,end,caption,split,duration,task\na,1,2.5,"pour,  then\nstir",test,60,Cake\n'
        "b,x,inf,,,-1,\n",
    )
    first, second = segments_csv.read(path)
    assert first == Annotation("a", 1.0, 2.5, "pour, then stir", "test", 60.0, "Cake")
    assert math.isnan(second.start)
    assert math.isnan(second.end)
    assert (second.text, second.part, second.duration, second.task) == ("", "", None, "")


def test_youcook2_json(tmp_path):
    path = write(
        tmp_path,
        {
            "database": {
                "GLd3aX16zBg": {
                    "duration": 241.62,
                    "subset": "training",
                    "recipe_type": "113",
                    "annotations": [
                        {"segment": [90, 102], "id": 0, "sentence": "spread margarine"},
                        {"segment": [114, 127.5], "id": 1, "sentence": "place a slice"},
                    ],
                },
                "without": {"duration": 100.0, "subset": "testing", "recipe_type": "7"},
                "broken": {"annotations": [{"segment": [1]}, 5]},
            }
        },
    )
    first, second, third, fourth = youcook2.read(path)
    assert first == Annotation(
        "GLd3aX16zBg", 90.0, 102.0, "spread margarine", "training", 241.62, "113"
    )
    assert (second.start, second.end, second.text) == (114.0, 127.5, "place a slice")
    for annotation in (third, fourth):
        assert annotation.video_id == "broken"
        assert math.isnan(annotation.start)
        assert annotation.text == ""


def test_youcook2_csv_of_mil_nce(tmp_path):
    path = write(tmp_path, "end,start,task,text,video_id\n60,47,226,pick the ends,xHr8X2Wpmno\n")
    assert list(youcook2.read(path)) == [
        Annotation("xHr8X2Wpmno", 47.0, 60.0, "pick the ends", "validation", None, "226")
    ]


def test_msrvtt_json(tmp_path):
    path = write(
        tmp_path,
        {
            "info": {"year": "2016"},
            "sentences": [
                {"caption": "a car is shown", "video_id": "video0", "sen_id": 0},
                {"caption": "a dog  runs", "video_id": "video7010", "sen_id": 1},
                {"caption": "who is this", "video_id": "video5", "sen_id": 2},
                "nothing",
            ],
            "videos": [
                {
                    **{"id": 0, "video_id": "video0", "category": 9, "url": "x"},
                    **{"start time": 137.75, "end time": 149.5, "split": "train"},
                },
                {"id": 1, "video_id": "video7010", "split": "test", "start time": 9},
            ],
        },
    )
    annotations = list(msrvtt.read(path))
    assert annotations[:2] == [
        Annotation("video0", 0.0, math.inf, "a car is shown", "train", 11.75),
        Annotation("video7010", 0.0, math.inf, "a dog runs", "test", None),
    ]
    assert [(a.video_id, a.part) for a in annotations[2:]] == [
        ("video5", "not among the file's videos"),
        ("", "not among the file's videos"),
    ]


def test_msrvtt_csv_of_the_1k_a_test_clips(tmp_path):
    path = write(tmp_path, "key,vid_key,video_id,sentence\nret0,msr9770,video9770,a person\n")
    assert list(msrvtt.read(path)) == [Annotation("video9770", 0.0, math.inf, "a person", "test")]


def test_lsmdc_lines(tmp_path):
    clip = "1004_Juno_00.00.32.306-00.00.40.745"
    times = "00.00.32.306\t00.00.40.745\t00.00.32.306\t00.00.40.745"
    path = write(tmp_path, f'{clip}\t{times}\t"SOMEONE waits.\n\n{clip}\t{times}\n')
    assert list(lsmdc.read(path)) == [
        Annotation(clip, 0.0, math.inf, '"SOMEONE waits.'),
        Annotation(clip, 0.0, math.inf, ""),
    ]


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (segments_csv.read, "video_id,start,end\n", "has no column caption"),
        (youcook2.read, '{"other": {}}', "no videos under 'database'"),
        (youcook2.read, '{"database": {"a": {"dur', "is not well-formed JSON"),
        (youcook2.read, "video_id,start\n", "has no column end, task, text"),
        (msrvtt.read, '{"videos": []}', "no list 'sentences'"),
        (msrvtt.read, "video_id\nvideo0\n", "has no column sentence"),
        (lsmdc.read, "key,vid_key,video_id,sentence\n", "has 1 columns; LSMDC's files have 6"),
    ],
)
def test_file_of_another_format_is_refused(tmp_path, read, content, message):
    with pytest.raises(ManifestError, match=message):
        list(read(write(tmp_path, content)))


@pytest.mark.parametrize("read", [segments_csv.read, youcook2.read, msrvtt.read, lsmdc.read])
def test_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path, read):
    with pytest.raises(ManifestError, match="nowhere cannot be read"):
        list(read(tmp_path / "nowhere"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00\n")
    with pytest.raises(ManifestError, match="bytes cannot be read"):
        list(read(tmp_path / "bytes"))


def test_real_youcook2(shared_data):
    folder = shared_data / "annotations"
    annotations = list(youcook2.read(folder / "youcook2" / "youcookii_annotations_trainval.json"))
    assert collections.Counter(annotation.part for annotation in annotations) == {
        "training": 13829 - 3492,
        "validation": 3492,
    }
    assert len({annotation.video_id for annotation in annotations}) == 1790
    assert all(0 <= a.start < a.end <= a.duration for a in annotations)
    csv = list(youcook2.read(folder / "milnce" / "validation_youcook.csv"))
    assert len(csv) == 3350
    # The CSV is a part of the JSON's validation part.
    segments = {(a.video_id, a.start, a.end, a.text) for a in annotations if a.part == "validation"}
    assert {(a.video_id, a.start, a.end, a.text) for a in csv} <= segments


def test_real_msrvtt_test_clips(shared_data):
    path = shared_data / "annotations" / "msrvtt" / "MSRVTT_JSFUSION_test.csv"
    annotations = list(msrvtt.read(path))
    assert len({annotation.video_id for annotation in annotations}) == 1000
    assert all(annotation.text for annotation in annotations)


def test_real_lsmdc_lists_without_sentences_are_no_annotations(shared_data):
    with pytest.raises(ManifestError, match="has 2 columns"):
        list(lsmdc.read(shared_data / "annotations" / "lsmdc" / "references_val_new.csv"))
