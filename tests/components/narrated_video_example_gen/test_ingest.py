import dataclasses
import json
import pathlib

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv

from components.narrated_video_example_gen import ingest, ledger
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.manifest import ManifestError
from schemas import records

SMALL = IngestConfig(
    frame_rate=2.0, short_side=32, min_clip_seconds=2.0, eval_fraction=0.3, videos_per_shard=3
)
TEN_SECONDS = [n / 5 for n in range(50)]


def read_clips(output, split):
    paths = sorted(map(str, (output / "clips" / f"Split-{split}").glob("*")))
    dataset = tf.data.TFRecordDataset(paths)
    return [
        {
            name: tensor.numpy()
            for name, tensor in records.parse_clip(serialized, SMALL.bag_size).items()
        }
        for serialized in dataset
    ]


def read_captions(output, split):
    paths = sorted(map(str, (output / "examples" / f"Split-{split}").glob("*.gz")))
    examples = []
    for serialized in tf.data.TFRecordDataset(paths, compression_type="GZIP"):
        features = tf.train.Example.FromString(serialized.numpy()).features.feature
        examples.append(
            (
                features["video_id"].bytes_list.value[0],
                features["caption/string"].bytes_list.value[0],
            )
        )
    return examples


def read_ledger(output):
    return [json.loads(line) for line in (output / "ledger.jsonl").read_text().splitlines()]


def srt(*lines):
    return "\n".join(
        f"{n}\n{clock(start)} --> {clock(end)}\n{text}\n"
        for n, (start, end, text) in enumerate(lines)
    )


def clock(seconds):
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},000"


@pytest.fixture(name="good_folder")
def fixture_good_folder(tmp_path, write_video):
    folder = tmp_path / "videos"
    folder.mkdir()
    video = write_video(folder / "good0.mp4", TEN_SECONDS).read_bytes()
    for number in range(8):
        (folder / f"good{number}.mp4").write_bytes(video)
        (folder / f"good{number}.srt").write_text(
            srt((1, 3, f"fold number {number}"), (6, 9, f"cut number {number}"))
        )
    return folder


@pytest.fixture(name="broken_folder")
def fixture_broken_folder(good_folder, write_video, write_sound):
    """Eight good videos, and eight that are broken in a different way each."""
    video = (good_folder / "good0.mp4").read_bytes()
    two_lines = srt((0, 2, "fold"), (7, 9, "cut"))
    write_video(good_folder / "truncated.mp4", TEN_SECONDS, options={"movflags": "faststart"})
    data = (good_folder / "truncated.mp4").read_bytes()
    (good_folder / "truncated.mp4").write_bytes(data[: len(data) * 7 // 10])
    (good_folder / "zero.mp4").write_bytes(b"")
    (good_folder / "text.mp4").write_text("how to fold a paper boat\n" * 99)
    write_sound(good_folder / "sound.mp4", 10.0)
    (good_folder / "silent.mp4").write_bytes(video)
    (good_folder / "latin.mp4").write_bytes(video)
    write_video(good_folder / "frame.mp4", [0.0])
    (good_folder / "marathon.mp4").write_bytes(video)
    for name in ("truncated", "zero", "text", "sound", "frame"):
        (good_folder / f"{name}.srt").write_text(two_lines)
    (good_folder / "latin.srt").write_bytes(srt((0, 2, "Käse für später")).encode("latin-1"))
    four_hours = range(0, 4 * 3600, 5)
    (good_folder / "marathon.srt").write_text(srt(*((s, s + 5, f"line {s}") for s in four_hours)))
    return good_folder


def test_broken_folder_ends_well_with_the_right_ledger(broken_folder, tmp_path):
    output = tmp_path / "output"
    summary = ingest.run_ingest(str(broken_folder), str(output), SMALL, num_workers=1)
    assert summary == {
        "videos": {
            "read": 16,
            "kept": 11,
            "left_out": {
                "empty_file": 1,
                "no_subtitle_track": 1,
                "no_video_stream": 1,
                "not_a_video": 1,
                "one_frame": 1,
            },
        },
        # 2 of each good video, 1 of the truncated and the Latin-1 one, 2 of four hours.
        "clips": {"read": 2899, "kept": 20, "left_out": {"past_end": 2878, "truncated": 1}},
    }
    assert json.loads((output / "summary.json").read_text()) == summary
    lines = read_ledger(output)
    assert sorted(
        (line["video_id"], line["stage"], line["reason"])
        for line in lines
        if line["clip_index"] is None
    ) == [
        ("frame", "video", "one_frame"),
        ("silent", "subtitles", "no_subtitle_track"),
        ("sound", "video", "no_video_stream"),
        ("text", "video", "not_a_video"),
        ("zero", "video", "empty_file"),
    ]
    of_clips = [line for line in lines if line["clip_index"] is not None]
    assert [
        (line["clip_index"], line["stage"], line["reason"])
        for line in of_clips
        if line["video_id"] == "truncated"
    ] == [(1, "video", "truncated")]
    assert [
        (line["clip_index"], line["stage"], line["reason"])
        for line in of_clips
        if line["video_id"] == "marathon"
    ] == [(index, "clip", "past_end") for index in range(2, 2880)]
    assert len(of_clips) == 2879
    clips = read_clips(output, "train") + read_clips(output, "eval")
    (latin,) = (clip for clip in clips if clip["video_id"] == b"latin")
    assert latin["caption/string"][0].decode() == "Käse für später"
    assert not (output / "parts").exists()


def test_records_of_both_kinds_agree_and_splits_share_no_video(good_folder, tmp_path):
    output = tmp_path / "output"
    ingest.run_ingest(str(good_folder), str(output), SMALL, num_workers=1)
    videos = {}
    for split in ("train", "eval"):
        clips = read_clips(output, split)
        assert sorted((c["video_id"], c["caption/string"][0]) for c in clips) == sorted(
            read_captions(output, split)
        )
        assert all(len(clip["image/encoded"]) in (4, 6) for clip in clips)
        videos[split] = {clip["video_id"] for clip in clips}
        names = sorted(path.name for path in (output / "clips" / f"Split-{split}").iterdir())
        count = -(-len(videos[split]) // SMALL.videos_per_shard)
        assert names == [f"clips-{n:05d}-of-{count:05d}.tfrecord" for n in range(count)]
    assert videos["train"] | videos["eval"] == {f"good{n}".encode() for n in range(8)}
    assert sorted((output / "videos.jsonl").read_text().splitlines()) == sorted(
        json.dumps(
            {
                "video_id": video_id.decode(),
                "path": str(good_folder / f"{video_id.decode()}.mp4"),
                "split": split,
                "clips": 2,
            }
        )
        for split, video_ids in videos.items()
        for video_id in video_ids
    )
    assert not videos["train"] & videos["eval"]
    assert (output / "captions" / "good3.csv").read_text() == (
        "start,end,text\n1.0,3.0,fold number 3\n6.0,9.0,cut number 3\n"
    )


def test_a_second_run_writes_the_same_ledger(broken_folder, tmp_path):
    for name in ("first", "second"):
        ingest.run_ingest(str(broken_folder), str(tmp_path / name), SMALL, num_workers=1)
    first, second = (
        (tmp_path / name / "ledger.jsonl").read_bytes() for name in ("first", "second")
    )
    assert first == second


def test_too_many_failures_end_the_run_with_the_reasons_and_the_ledger(broken_folder, tmp_path):
    for number in range(8):
        (broken_folder / f"good{number}.mp4").write_bytes(b"")
    output, kept = tmp_path / "output", tmp_path / "kept"
    message = (
        r"13 of 16 videos failed \(9 empty file, 1 no subtitle track, 1 no video stream\); "
        rf"ingest.max_failed_fraction allows 50%. See {output}/ledger.jsonl"
    )
    with pytest.raises(ingest.IngestError, match=message):
        ingest.run_ingest(str(broken_folder), str(output), SMALL, num_workers=1)
    assert len([line for line in read_ledger(output) if line["clip_index"] is None]) == 13
    assert not kept.exists()


def test_filtered_videos_have_not_failed_but_no_clip_is_an_error(good_folder, tmp_path):
    config = IngestConfig(min_words=100)
    with pytest.raises(
        ingest.IngestError, match=r"none of 8 videos gave a clip \(8 too few words\)"
    ):
        ingest.run_ingest(str(good_folder), str(tmp_path / "output"), config, num_workers=1)


def test_folder_without_videos_is_an_error(tmp_path):
    (tmp_path / "videos").mkdir()
    with pytest.raises(ingest.IngestError, match="there are no videos in"):
        ingest.run_ingest(str(tmp_path / "videos"), str(tmp_path / "output"), SMALL, num_workers=1)
    with pytest.raises(ManifestError, match="neither a folder"):
        ingest.run_ingest(str(tmp_path / "gone"), str(tmp_path / "output"), SMALL, num_workers=1)


def test_manifest_filters_and_fixed_splits(good_folder, tmp_path):
    manifest = good_folder / "list.csv"
    manifest.write_text(
        "path,views,split\ngood0.mp4,5000,eval\ngood1.mp4,5,train\ngood2.mp4,5000,train\n"
        "good3.mp4,5000,eval\ngood4.mp4,,train\n"
    )
    output = tmp_path / "output"
    config = IngestConfig(frame_rate=2.0, short_side=32, min_views=100)
    summary = ingest.run_ingest(str(manifest), str(output), config, num_workers=1)
    assert summary["videos"] == {"read": 5, "kept": 4, "left_out": {"too_few_views": 1}}
    assert {video_id for video_id, _ in read_captions(output, "train")} == {b"good2", b"good4"}
    assert {video_id for video_id, _ in read_captions(output, "eval")} == {b"good0", b"good3"}


def test_videos_of_a_benchmark_are_left_out_and_counted(good_folder, tmp_path):
    excluded = tmp_path / "excluded.csv"
    excluded.write_text(
        "video_id,benchmark\ngood1,youcook2\ngood4,coin\ngood5,coin\ngone,coin\ngood6,\n"
    )
    output = tmp_path / "output"
    config = dataclasses.replace(SMALL, exclude_videos=str(excluded))
    summary = ingest.run_ingest(str(good_folder), str(output), config, num_workers=1)
    assert summary["videos"] == {
        "read": 8,
        "kept": 4,
        "left_out": {"in_coin": 2, "in_a_benchmark": 1, "in_youcook2": 1},
    }
    found = {entry["video_id"]: entry["message"] for entry in read_ledger(output)}
    assert found["good1"] == "the benchmark youcook2 scores this video"
    assert found["good6"] == "a benchmark scores this video"
    for split in ("train", "eval"):
        kept = {video_id for video_id, _ in read_captions(output, split)}
        assert kept.isdisjoint({b"good1", b"good4", b"good5", b"good6"})


@pytest.fixture
def annotated_with_parts(good_folder, tmp_path):
    """Returns settings of videos 0 to 3 to train on, 4 and 5 to score on; 1 and 4 are excluded."""
    rows = [f"good{n},1,3,fold {n},{'train' if n < 4 else 'test'}\n" for n in range(6)]
    (tmp_path / "clips.csv").write_text("video_id,start,end,caption,split\n" + "".join(rows))
    (tmp_path / "excluded.csv").write_text("video_id,benchmark\ngood1,youcook2\ngood4,youcook2\n")
    return dataclasses.replace(
        SMALL,
        annotations=str(tmp_path / "clips.csv"),
        annotation_splits="own",
        exclude_videos=str(tmp_path / "excluded.csv"),
    )


def test_annotated_videos_of_a_benchmark_are_scored_on_and_not_trained_on(
    good_folder, annotated_with_parts, tmp_path
):
    output = tmp_path / "output"
    summary = ingest.run_ingest(str(good_folder), str(output), annotated_with_parts, num_workers=1)
    assert {video_id for video_id, _ in read_captions(output, "train")} == {
        b"good0",
        b"good2",
        b"good3",
    }
    assert {video_id for video_id, _ in read_captions(output, "eval")} == {b"good4", b"good5"}
    assert summary["videos"] == {
        "read": 8,
        "kept": 5,
        "left_out": {"not_annotated": 2, "in_youcook2": 1},
    }
    assert [
        line["video_id"] for line in read_ledger(output) if line["reason"] == "in_youcook2"
    ] == ["good1"]
    # A set that is only scored on is not touched.
    only_scored = dataclasses.replace(annotated_with_parts, annotation_splits="eval")
    output = tmp_path / "scored"
    summary = ingest.run_ingest(str(good_folder), str(output), only_scored, num_workers=1)
    assert summary["videos"]["kept"] == 2


def test_annotated_videos_that_the_hash_divides_are_left_out(good_folder, tmp_path):
    names = [f"good{number}" for number in range(8)]
    (tmp_path / "clips.csv").write_text(
        "video_id,start,end,caption\n" + "".join(f"{name},1,3,fold\n" for name in names)
    )
    (tmp_path / "ids.csv").write_text(
        "video_id,benchmark\n" + "".join(f"good{n},\n" for n in "257")
    )
    config = dataclasses.replace(
        SMALL,
        annotations=str(tmp_path / "clips.csv"),
        annotation_splits="own",
        exclude_videos=str(tmp_path / "ids.csv"),
    )
    output = tmp_path / "output"
    summary = ingest.run_ingest(str(good_folder), str(output), config, num_workers=1)
    assert summary["videos"] == {"read": 8, "kept": 5, "left_out": {"in_a_benchmark": 3}}


def test_an_exclusion_of_all_that_could_be_trained_on_is_one_clear_error(
    good_folder, annotated_with_parts, tmp_path
):
    (tmp_path / "excluded.csv").write_text(
        "video_id,benchmark\n" + "".join(f"good{n},youcook2\n" for n in range(6))
    )
    with pytest.raises(ManifestError, match=r"excludes all 4 videos of .*clips\.csv that could be"):
        ingest.run_ingest(
            str(good_folder), str(tmp_path / "output"), annotated_with_parts, num_workers=1
        )


def test_annotated_set_has_the_eval_split_alone(good_folder, tmp_path):
    annotations = tmp_path / "segments.csv"
    annotations.write_text("video_id,start,end,caption\ngood5,2,3.5,fold\ngood6,1,9,cut\n")
    output = tmp_path / "output"
    config = IngestConfig(frame_rate=2.0, annotations=str(annotations), min_words=1000)
    summary = ingest.run_ingest(str(good_folder), str(output), config, num_workers=1)
    assert summary["videos"] == {"read": 8, "kept": 2, "left_out": {"not_annotated": 6}}
    assert sorted(read_captions(output, "eval")) == [(b"good5", b"fold"), (b"good6", b"cut")]
    assert sorted(len(clip["image/encoded"]) for clip in read_clips(output, "eval")) == [3, 16]
    assert not (output / "clips" / "Split-train").exists()
    assert not (output / "examples" / "Split-train").exists()


def test_annotated_set_trains_on_its_own_parts_and_says_what_is_missing(good_folder, tmp_path):
    annotations = tmp_path / "youcook2.json"
    parts = {"good1": "training", "good2": "validation", "good3": "training", "good4": "testing"}
    parts |= {f"gone{number}": "training" for number in range(9)}
    annotations.write_text(
        json.dumps(
            {
                "database": {
                    name: {
                        "subset": part,
                        "duration": 10.0,
                        "recipe_type": "113",
                        "annotations": [
                            {"segment": [1, 3], "sentence": f"fold {name}"},
                            {"segment": [6, 5], "sentence": "backwards"},
                        ],
                    }
                    for name, part in parts.items()
                    if part != "testing"
                }
            }
        )
    )
    output = tmp_path / "output"
    config = IngestConfig(
        frame_rate=2.0,
        annotations=str(annotations),
        annotation_format="youcook2",
        annotation_splits="own",
        store_frames=False,
    )
    summary = ingest.run_ingest(str(good_folder), str(output), config, num_workers=1)
    assert sorted(read_captions(output, "train")) == [
        (b"good1", b"fold good1"),
        (b"good3", b"fold good3"),
    ]
    assert read_captions(output, "eval") == [(b"good2", b"fold good2")]
    assert summary["videos"] == {
        "read": 17,
        "kept": 3,
        "left_out": {"missing_file": 9, "not_annotated": 5},
    }
    assert summary["clips"] == {"read": 15, "kept": 3, "left_out": {"bad_annotation": 12}}
    assert ledger.format_missing(summary) == (
        "9 of 12 annotated videos have no file: gone0, gone1, gone2, gone3, gone4, …"
    )
    assert json.loads((output / "summary.json").read_text()) == summary


def test_annotated_set_of_which_every_video_is_missing_is_an_error(good_folder, tmp_path):
    annotations = tmp_path / "clips.csv"
    annotations.write_text("video_id,sentence\nvideo1,a dog\nvideo2,a cat\n")
    config = IngestConfig(annotations=str(annotations), annotation_format="msrvtt")
    message = r"none of 10 videos gave a clip \(8 not annotated, 2 missing file\)"
    with pytest.raises(ingest.IngestError, match=message):
        ingest.run_ingest(str(good_folder), str(tmp_path / "output"), config, num_workers=1)


def test_annotations_alone_name_the_videos_of_someone_who_has_features(tmp_path):
    times = "00.00.32.306\t00.00.40.745\t00.00.32.306\t00.00.40.745"
    for split, names in (("train", "ab"), ("test", "c")):
        lines = [f"{name}_{n}\t{times}\tSOMEONE waits.\n" for name in names for n in range(3)]
        (tmp_path / split).write_text("".join(lines))
    output = tmp_path / "output"
    config = IngestConfig(
        annotations=f"train={tmp_path / 'train'},eval={tmp_path / 'test'}",
        annotation_format="lsmdc",
        annotation_splits="own",
        store_frames=False,
    )
    summary = ingest.run_ingest("", str(output), config, num_workers=1)
    assert summary["videos"] == {"read": 9, "kept": 9, "left_out": {}}
    assert [len(read_captions(output, split)) for split in ("train", "eval")] == [6, 3]
    for serialized in tf.data.TFRecordDataset(
        sorted(map(str, (output / "clips" / "Split-eval").glob("*")))
    ):
        clip = records.parse_clip(serialized, 1, need_frames=False)
        assert clip["image/encoded"].shape == [0]
        with pytest.raises(tf.errors.InvalidArgumentError, match="stores no frames"):
            records.parse_clip(serialized, 1)
    # What nobody knows is 0 in the caption records, and still fits their schema.
    statistics = tfdv.generate_statistics_from_tfrecord(
        str(output / "examples" / "Split-train" / "*.gz")
    )
    schema = tfdv.load_schema_text(str(pathlib.Path(records.__file__).with_name("captions.pbtxt")))
    assert not tfdv.validate_statistics(statistics, schema).anomaly_info


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "no videos are named"),
        ({"store_frames": False}, "no videos are named"),
        ({"annotations": "a.csv"}, "the videos of the annotations are needed for their frames"),
    ],
)
def test_videos_must_be_named_where_their_frames_or_captions_are_needed(
    tmp_path, settings, message
):
    with pytest.raises(ManifestError, match=message):
        ingest.run_ingest("", str(tmp_path / "output"), IngestConfig(**settings), num_workers=1)


def test_manifest_of_features_alone_with_caption_json(tmp_path):
    (tmp_path / "caption.json").write_text(
        json.dumps(
            {
                name: {"start": [1, 20], "end": [3, 26], "text": ["fold", "cut"]}
                for name in ("a", "b")
            }
        )
    )
    manifest = tmp_path / "list.csv"
    manifest.write_text("video_id,search_rank,duration,split\na,3,10,train\nb,4,,eval\nc,5,9,\n")
    output = tmp_path / "output"
    config = IngestConfig(caption_json=str(tmp_path / "caption.json"), store_frames=False)
    summary = ingest.run_ingest(str(manifest), str(output), config, num_workers=1)
    assert summary["videos"] == {"read": 3, "kept": 2, "left_out": {"no_subtitles": 1}}
    assert read_captions(output, "train") == [(b"a", b"fold")]
    assert sorted(read_captions(output, "eval")) == [(b"b", b"cut"), (b"b", b"fold")]
    assert sorted(
        (line["video_id"], line["path"], line["reason"]) for line in read_ledger(output)
    ) == [
        ("a", str(manifest), "past_end"),
        ("c", str(manifest), "no_subtitles"),
    ]


def test_caption_json_comes_before_subtitles_beside_the_video(good_folder, tmp_path):
    captions = tmp_path / "caption.json"
    captions.write_text(
        json.dumps(
            {
                "good1": {"start": [2, 4], "end": [4, 4], "text": ["salt & pepper", "no length"]},
                "elsewhere": {"start": [0], "end": [1], "text": ["other"]},
            }
        )
    )
    output = tmp_path / "output"
    config = IngestConfig(frame_rate=2.0, short_side=32, caption_json=str(captions))
    ingest.run_ingest(str(good_folder), str(output), config, num_workers=1)
    read = read_captions(output, "train") + read_captions(output, "eval")
    assert [text for video_id, text in read if video_id == b"good1"] == [b"salt & pepper"]
    assert len(read) == 15
    assert [(line["video_id"], line["reason"]) for line in read_ledger(output)] == [
        ("good1", "zero_length")
    ]


def test_any_video_id_has_a_caption_file():
    assert ingest._caption_file("a/b:c") == "a%2Fb%3Ac.csv"
    assert len(ingest._caption_file("x" * 1000)) < 100
