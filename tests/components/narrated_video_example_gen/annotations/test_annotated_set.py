import math

import pytest

from components.narrated_video_example_gen.annotations import annotated_set
from components.narrated_video_example_gen.annotations.annotated_set import (
    AnnotatedVideo,
    read_annotated_set,
)
from components.narrated_video_example_gen.config import ANNOTATION_FORMATS, IngestConfig
from components.narrated_video_example_gen.ledger import Entry
from components.narrated_video_example_gen.manifest import ManifestError, VideoRow
from components.narrated_video_example_gen.subtitles.caption import Caption

HEADER = "video_id,start,end,caption,split\n"


@pytest.fixture(name="read")
def fixture_read(tmp_path):
    def read(rows, splits="own", header=HEADER):
        path = tmp_path / "segments.csv"
        path.write_text(header + rows)
        return read_annotated_set(IngestConfig(annotations=str(path), annotation_splits=splits))

    return read


def splits_of(annotated):
    return {video_id: video.split for video_id, video in annotated.videos.items()}


def reasons(entries):
    return [(e.video_id, e.clip_index, e.stage, e.reason) for e in entries]


def test_every_format_of_the_settings_has_a_reader():
    assert set(annotated_set.READERS) == set(ANNOTATION_FORMATS)


@pytest.mark.parametrize(
    ("splits", "rows", "expected", "other"),
    [
        # Three parts: the validation part is neither.
        (
            "own",
            "a,0,1,x,train\nb,0,1,x,val\nc,0,1,x,test\n",
            {"a": "train", "c": "eval"},
            {"b": "validation"},
        ),
        (
            "eval",
            "a,0,1,x,train\nb,0,1,x,val\nc,0,1,x,test\n",
            {"c": "eval"},
            {"a": "training", "b": "validation"},
        ),
        # Two parts.
        ("own", "a,0,1,x,training\nb,0,1,x,Validation\n", {"a": "train", "b": "eval"}, {}),
        ("eval", "a,0,1,x,train\nb,0,1,x,validate\n", {"b": "eval"}, {"a": "training"}),
        # No parts: all of it, or the hash.
        ("eval", "a,0,1,x,\nb,0,1,x,\n", {"a": "eval", "b": "eval"}, {}),
        ("own", "a,0,1,x,\nb,0,1,x,\n", {"a": None, "b": None}, {}),
        # Parts of some.
        ("own", "a,0,1,x,eval\nb,0,1,x,\n", {"a": "eval", "b": None}, {}),
        ("eval", "a,0,1,x,eval\nb,0,1,x,\n", {"a": "eval"}, {"b": "unnamed"}),
        ("own", "a,0,1,x,train\n", {"a": "train"}, {}),
    ],
)
def test_parts_become_splits(read, splits, rows, expected, other):
    annotated = read(rows, splits)
    assert splits_of(annotated) == expected
    assert annotated.other_parts == other
    assert annotated.entries == []


@pytest.mark.parametrize("rows", ["", "a,0,1,x,train\n"])
def test_nothing_to_evaluate_on_is_refused(read, rows):
    with pytest.raises(ManifestError, match="nothing to evaluate on"):
        read(rows, "eval")


def test_annotations_that_cannot_be_used_are_in_the_ledger(read):
    annotated = read(
        "a,9,12,fold,\na,1,2,cut,\na,5,5,no length,\na,7,6,reversed,\na,-1,6,early,\n"
        "a,x,6,no start,\na,nan,6,no number,\na,1,inf,no end,\na,1,2,,\na,1,1e300,no video,\n"
        ",1,2,no video,\nb,0,1,other,holdout\nc,3,2,reversed,\n",
    )
    assert annotated.videos["a"].captions == (Caption(1.0, 2.0, "cut"), Caption(9.0, 12.0, "fold"))
    assert annotated.videos["c"].captions == ()
    assert "b" not in annotated.videos
    assert reasons(annotated.entries) == [
        *(("a", number, "annotations", "bad_annotation") for number in range(2, 10)),
        ("", 10, "annotations", "bad_annotation"),
        ("b", 11, "annotations", "bad_annotation"),
        ("c", 12, "annotations", "bad_annotation"),
    ]
    messages = {entry.clip_index: entry.message for entry in annotated.entries}
    assert messages[3] == "7 to 6 s is no stretch of a video"
    assert messages[8] == "the sentence is empty"
    assert messages[10] == "it names no video"
    assert messages[11] == "its part 'holdout' is neither training, validation nor test"


def test_a_video_is_in_one_part(read):
    annotated = read("a,0,1,x,test\na,1,2,y,train\n")
    assert splits_of(annotated) == {"a": "eval"}
    assert len(annotated.videos["a"].captions) == 1
    assert [(e.clip_index, e.reason, e.message) for e in annotated.entries] == [
        (1, "other_part", "the video is in the set's test part")
    ]


def test_named_files_decide_and_nothing_that_is_scored_is_trained_on(tmp_path):
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text(HEADER + "a,0,1,x,test\nb,0,1,x,val\nc,0,1,x,train\n")
    test.write_text(HEADER + "b,0,1,z,train\n")
    config = IngestConfig(annotations=f"train={train},eval={test}", annotation_splits="own")
    annotated = read_annotated_set(config)
    assert splits_of(annotated) == {"b": "eval", "a": "train", "c": "train"}
    assert [caption.text for caption in annotated.videos["b"].captions] == ["z"]
    assert annotated.videos["b"].path == str(test)
    assert [(e.path, *reasons([e])[0]) for e in annotated.entries] == [
        (str(train), "b", 1, "annotations", "other_part")
    ]
    scored = read_annotated_set(IngestConfig(annotations=config.annotations))
    assert splits_of(scored) == {"b": "eval"}
    assert scored.entries == []
    with pytest.raises(ManifestError, match="nothing to evaluate on"):
        read_annotated_set(IngestConfig(annotations=f"train={train}"))


def test_join_gives_the_videos_that_are_there_their_captions(read):
    annotated = read(
        "a,9,12,fold,test,30,Boat\na,1,2,cut,test,30,Boat\nb,5,4,nothing,test,,\n"
        "c,0,1,x,train,,\ngone,0,1,x,test,,\nlost,1,0,x,test,,\nlisted,0,1,x,test,,\n",
        "eval",
        "video_id,start,end,caption,split,duration,task\n",
    )
    rows = [
        VideoRow("a", "a.mp4", split="train"),
        VideoRow("b", "b.mp4"),
        VideoRow("c", "c.mp4"),
        VideoRow("d", "d.mp4"),
    ]
    missing = [
        Entry(name, f"{name}.mp4", None, "manifest", "missing_file", "there is no such file")
        for name in ("listed", "unrelated")
    ]
    kept, entries = annotated.join(rows, missing)
    captions = (Caption(1.0, 2.0, "cut"), Caption(9.0, 12.0, "fold"))
    assert kept == [
        VideoRow("a", "a.mp4", split="eval", captions=captions, duration=30.0, task="Boat")
    ]
    assert sorted(reasons(e for e in entries if e.clip_index is None)) == [
        ("b", None, "filter", "not_annotated"),
        ("c", None, "filter", "other_part"),
        ("d", None, "filter", "not_annotated"),
        ("gone", None, "annotations", "missing_file"),
        ("listed", None, "annotations", "missing_file"),
        ("lost", None, "filter", "not_annotated"),
        ("unrelated", None, "filter", "not_annotated"),
    ]
    assert reasons(e for e in entries if e.clip_index is not None) == [
        ("b", 2, "annotations", "bad_annotation"),
        ("lost", 5, "annotations", "bad_annotation"),
    ]


def test_what_the_manifest_knows_comes_first(read):
    annotated = read(
        "a,1,2,cut,,30,Boat\n", header="video_id,start,end,caption,split,duration,task\n"
    )
    row = VideoRow("a", "", duration=31.5, task="Fold a Boat", split="train", search_rank=3)
    (kept,), _ = annotated.join([row], [])
    assert (kept.duration, kept.task, kept.split) == (31.5, "Fold a Boat", "train")
    assert kept.search_rank == 3


def test_rows_of_someone_who_has_features_alone(read):
    annotated = read("a,1,2,cut,test\n")
    path = annotated.videos["a"].path
    assert annotated.videos["a"] == AnnotatedVideo(path, (Caption(1, 2, "cut"),), "eval", None, "")
    kept, entries = annotated.join(annotated.rows(), [])
    assert kept == [
        VideoRow("a", "", split="eval", captions=(Caption(1.0, 2.0, "cut"),), listed_in=path)
    ]
    assert kept[0].source == path
    assert entries == []


def test_real_youcook2_has_its_published_parts(shared_data):
    path = shared_data / "annotations" / "youcook2" / "youcookii_annotations_trainval.json"
    own = IngestConfig(annotations=str(path), annotation_format="youcook2", annotation_splits="own")
    annotated = read_annotated_set(own)
    splits = list(splits_of(annotated).values())
    assert (splits.count("train"), splits.count("eval")) == (1333, 457)
    assert sum(len(video.captions) for video in annotated.videos.values()) == 13829
    assert annotated.entries == []
    scored = read_annotated_set(IngestConfig(annotations=str(path), annotation_format="youcook2"))
    assert sum(len(video.captions) for video in scored.videos.values()) == 3492
    assert len(scored.other_parts) == 1333


def test_real_msrvtt_test_clips_last_as_long_as_their_videos(shared_data):
    path = shared_data / "annotations" / "msrvtt" / "MSRVTT_JSFUSION_test.csv"
    annotated = read_annotated_set(IngestConfig(annotations=str(path), annotation_format="msrvtt"))
    assert len(annotated.videos) == 1000
    ((caption,),) = {video.captions for video in [annotated.videos["video9770"]]}
    assert caption == Caption(0.0, math.inf, "a person is connecting something to system")
