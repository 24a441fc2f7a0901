import collections
import json
import math

import pytest

from components.benchmark_evaluator.annotations.items import CaptionedClip
from components.benchmark_evaluator.annotations.retrieval import read_retrieval
from components.narrated_video_example_gen.manifest import ManifestError


def write(folder, content, name="annotations"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def reasons(found):
    return [(problem.reason, problem.loses_item) for problem in found.problems]


def msrvtt(captions, parts):
    """Returns a document of MSR-VTT's: captions as (video, text), and each video's part."""
    return {
        "videos": [{"video_id": video, "split": part} for video, part in parts.items()],
        "sentences": [{"video_id": video, "caption": text} for video, text in captions],
    }


def test_youcook2_json_gives_its_validation_part(tmp_path):
    def video(part, *segments):
        annotations = [{"segment": list(times), "sentence": text} for *times, text in segments]
        return {"subset": part, "duration": 90.0, "annotations": annotations}

    path = write(
        tmp_path,
        {
            "database": {
                "t": video("training", (0, 5, "boil"), (3, 1, "a bad one nobody asks for")),
                "v": video(
                    "validation", (1, 4, "chop"), (1, 4, "slice"), (7, 7, "zero"), (8, 9, "")
                ),
            }
        },
    )
    found = read_retrieval("youcook2", path)
    # The same seconds twice are two candidates, as in the reference code.
    assert found.clips == (
        CaptionedClip("v", 1.0, 4.0, ("chop",)),
        CaptionedClip("v", 1.0, 4.0, ("slice",)),
    )
    assert reasons(found) == [("bad_segment", True), ("no_text", True)]
    assert found.problems[0].item == f"v in {path}, entry 5"
    assert found.problems[0].message == "7 to 7 s is no stretch of a video"
    assert found.num_annotated == 4


def test_msrvtt_json_gives_its_test_part_with_all_captions_or_the_first(tmp_path):
    captions = [("a", "one"), ("b", "two"), ("a", "three"), ("a", ""), ("c", "four"), ("b", "two")]
    path = write(tmp_path, msrvtt(captions, {"a": "test", "b": "test", "c": "train"}))
    found = read_retrieval("msrvtt", path)
    assert found.clips == (
        CaptionedClip("a", 0.0, math.inf, ("one", "three")),
        CaptionedClip("b", 0.0, math.inf, ("two", "two")),
    )
    # A video with other captions is not lost for an empty one.
    assert reasons(found) == [("no_text", False)]
    assert found.num_annotated == 2
    first = read_retrieval("msrvtt", path, captions="first")
    assert [clip.texts for clip in first.clips] == [("one",), ("two",)]


def test_msrvtt_video_without_a_usable_caption_is_one_lost_clip(tmp_path):
    captions = [("a", "one"), ("b", ""), ("b", " "), ("unknown", "x"), ("unknown", "y")]
    path = write(tmp_path, msrvtt(captions, {"a": "test", "b": "test"}))
    found = read_retrieval("msrvtt", path)
    assert reasons(found) == [
        ("no_text", True),
        ("no_text", False),
        ("bad_part", True),
        ("bad_part", False),
    ]
    assert found.num_annotated == 3


def test_list_of_videos_takes_the_place_of_the_parts(tmp_path):
    captions = [("a", "one"), ("b", "two"), ("c", "three"), (None, "whose?")]
    path = write(tmp_path, msrvtt(captions, {"a": "train", "b": "test", "c": "validate"}))
    videos = write(tmp_path, "\n c \na\n\nmissing\na\n", "list.txt")
    found = read_retrieval("msrvtt", path, videos)
    assert [clip.video_id for clip in found.clips] == ["a", "c"]
    assert reasons(found) == [("not_annotated", True), ("no_video_id", False)]
    assert found.problems[0].item == "missing"
    assert found.num_annotated == 3
    # The CSV of 1k-A is a list too.
    videos = write(tmp_path, "key,video_id,sentence\nret0,b,x\n", "list.csv")
    assert [clip.video_id for clip in read_retrieval("msrvtt", path, videos).clips] == ["b"]


def test_list_of_other_videos_or_no_list_at_all_is_refused(tmp_path):
    path = write(tmp_path, msrvtt([("a", "one")], {"a": "test"}))
    with pytest.raises(ManifestError, match=r"has no video of those that .*list\.txt lists"):
        read_retrieval("msrvtt", path, write(tmp_path, "b\n", "list.txt"))
    with pytest.raises(ManifestError, match="'a person walks', which is no video's id"):
        read_retrieval("msrvtt", path, write(tmp_path, "a person walks\n", "list.txt"))
    with pytest.raises(ManifestError, match="nowhere cannot be read"):
        read_retrieval("msrvtt", path, str(tmp_path / "nowhere"))


def test_lsmdc_keeps_each_row_a_clip(tmp_path):
    times = "0\t1\t0\t1"
    rows = [f"{video}\t{times}\t{text}\n" for video, text in ("ax", "ay", "b ", " z")]
    found = read_retrieval("lsmdc", write(tmp_path, "".join(rows)))
    assert found.clips == (
        CaptionedClip("a", 0.0, math.inf, ("x",)),
        CaptionedClip("a", 0.0, math.inf, ("y",)),
    )
    assert reasons(found) == [("no_text", True), ("no_video_id", True)]
    assert found.num_annotated == 4


def test_csv_with_parts(tmp_path):
    path = write(
        tmp_path,
        "video_id,start,end,caption,split\n"
        "a,0,5,stir,eval\na,0,5,stir the pot,TEST\na,5,9,pour,train\nb,1,2,cut,val\nb,2,3,eat,\n"
        "c,0,nan,x,eval\nc,0,nan,x,eval\nc,-1,4,x,eval\n,0,1,x,eval\nd,0,1,x,holdout\n",
    )
    found = read_retrieval("csv", path)
    assert found.clips == (CaptionedClip("a", 0.0, 5.0, ("stir", "stir the pot")),)
    assert reasons(found) == [
        ("bad_segment", True),
        ("bad_segment", True),
        ("bad_segment", True),
        ("no_video_id", True),
        ("bad_part", True),
    ]
    assert found.num_annotated == 6


def test_csv_without_parts_is_all_evaluated(tmp_path):
    path = write(tmp_path, "video_id,start,end,caption\na,0,5,stir\nb,0,5,pour\n")
    assert [clip.video_id for clip in read_retrieval("csv", path).clips] == ["a", "b"]


@pytest.mark.parametrize("rows", ["", "a,0,5,stir,train\n"])
def test_file_without_an_evaluation_part_is_refused(tmp_path, rows):
    path = write(tmp_path, "video_id,start,end,caption,split\n" + rows)
    with pytest.raises(ManifestError, match="has nothing to evaluate on"):
        read_retrieval("csv", path)


@pytest.mark.parametrize(
    ("benchmark", "content", "message"),
    [
        ("youcook2", '{"database": {"a": {', "is not well-formed JSON"),
        ("youcook2", "video_id,start\n", "has no column end, task, text"),
        ("msrvtt", "video_id\na\n", "has no column sentence"),
        ("lsmdc", "a,b\n", "LSMDC's files have 6"),
        ("csv", "", "has no column video_id, start, end, caption"),
        ("coin", "", "'coin' is no retrieval benchmark"),
    ],
)
def test_file_of_another_format_is_refused(tmp_path, benchmark, content, message):
    with pytest.raises(ManifestError, match=message):
        read_retrieval(benchmark, write(tmp_path, content))


def test_unknown_choice_of_captions_and_missing_file_are_refused(tmp_path):
    with pytest.raises(ManifestError, match="it must be all or first"):
        read_retrieval("csv", "", captions="last")
    with pytest.raises(ManifestError, match="nowhere cannot be read"):
        read_retrieval("csv", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("benchmark", ["youcook2", "msrvtt", "lsmdc", "csv"])
def test_files_by_parts_are_refused(benchmark):
    message = f"of {benchmark} are one file or folder, not 'train=a,eval=b'"
    with pytest.raises(ManifestError, match=message):
        read_retrieval(benchmark, "train=a,eval=b")


def test_real_youcook2(shared_data):
    annotations = shared_data / "annotations"
    found = read_retrieval("youcook2", str(annotations / "milnce" / "validation_youcook.csv"))
    assert len(found.clips) == found.num_annotated == 3350
    assert len({clip.video_id for clip in found.clips}) == 436
    times = collections.Counter((c.video_id, c.start, c.end) for c in found.clips)
    assert [(clip, n) for clip, n in times.items() if n > 1] == [(("oJZUxU9szWA", 120, 252), 2)]
    path = annotations / "youcook2" / "youcookii_annotations_trainval.json"
    found = read_retrieval("youcook2", str(path))
    assert len(found.clips) == found.num_annotated == 3492
    assert len({clip.video_id for clip in found.clips}) == 457


def test_real_msrvtt(shared_data, tmp_path):
    folder = shared_data / "annotations" / "msrvtt"
    found = read_retrieval("msrvtt", str(folder / "MSRVTT_JSFUSION_test.csv"))
    assert len(found.clips) == found.num_annotated == 1000
    assert len({clip.texts for clip in found.clips}) == 995

    full = (folder / "ce_test_list_full.txt").read_text().split()
    miech = folder / "ce_test_list_miech.txt"
    parts = dict.fromkeys(miech.read_text().split(), "train") | dict.fromkeys(full, "test")
    captions = [(video, f"{video} {n}") for video in parts for n in range(2)]
    path = write(tmp_path, msrvtt(captions, parts))
    assert len(read_retrieval("msrvtt", path).clips) == 2990
    for videos in (miech, folder / "ce_val_list_jsfusion.txt"):
        found = read_retrieval("msrvtt", path, str(videos))
        assert len(found.clips) == found.num_annotated == 1000
        assert all(len(clip.texts) == 2 for clip in found.clips)
