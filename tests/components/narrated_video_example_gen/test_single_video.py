import dataclasses
import math

import pytest

from components.narrated_video_example_gen import video
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.ledger import Entry
from components.narrated_video_example_gen.manifest import VideoRow
from components.narrated_video_example_gen.single_video import (
    IngestedClip,
    Transcript,
    ingest_video,
    is_usable,
)
from components.narrated_video_example_gen.subtitles import reader
from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.windows import OPEN_END

SMALL = IngestConfig(frame_rate=2.0, short_side=32)
STEPS = ["fold the paper", "turn it over", "fold it again"]


@pytest.fixture(name="ten_seconds")
def fixture_ten_seconds(tmp_path, write_video):
    return write_video(tmp_path / "boat.mp4", [n / 5 for n in range(50)])


def write_captions(path, *lines):
    with path.open("w", newline="") as stream:
        reader.write_howto100m_csv([Caption(*line) for line in lines], stream)


def sort_out(items):
    kinds = {Transcript: [], IngestedClip: [], Entry: []}
    for item in items:
        kinds[type(item)].append(item)
    return kinds[Transcript], kinds[IngestedClip], kinds[Entry]


def test_each_caption_is_a_clip_with_its_window_and_its_bag(ten_seconds, frame_numbers):
    write_captions(
        ten_seconds.with_suffix(".csv"), (1, 2, STEPS[0]), (3, 4.5, STEPS[1]), (9, 9.5, STEPS[2])
    )
    row = VideoRow("boat", str(ten_seconds), task="Fold a Boat")
    transcripts, clips, entries = sort_out(ingest_video(row, SMALL))
    assert [caption.text for caption in transcripts[0].captions] == STEPS
    assert entries == []
    first, second, third = (clip.clip for clip in clips)
    assert [(clip.clip_start, clip.clip_end) for clip in (first, second, third)] == [
        (0.0, 5.0),
        (1.25, 6.25),
        (5.0, 10.0),
    ]
    # Two samples a second of a video with five frames a second.
    assert frame_numbers(first.frames) == [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]
    assert frame_numbers(second.frames) == [7, 10, 12, 15, 17, 20, 22, 25, 27, 30]
    # From 1 the span to the left, 4.5 - 1 s, is shorter than that to the right, 9.5 - 3 s.
    assert second.captions == [STEPS[1], STEPS[0], STEPS[2], STEPS[2], STEPS[2]]
    assert second.caption_starts == [3, 1, 9, 9, 9]
    assert second.caption_ends == [4.5, 2, 9.5, 9.5, 9.5]
    assert (second.video_id, second.clip_index, second.task) == ("boat", 1, "Fold a Boat")
    assert second.frame_rate == 2.0
    light = clips[1].caption
    assert (light.caption, light.caption_start, light.caption_end) == (STEPS[1], 3, 4.5)
    assert (light.clip_start, light.clip_end, light.clip_num_frames) == (1.25, 6.25, 10)
    assert (light.video_width, light.video_height) == (64, 48)
    assert light.video_duration == pytest.approx(10.0, abs=0.2)


def test_captions_that_make_no_clip_are_in_the_ledger_and_in_no_bag(ten_seconds):
    subtitles = ten_seconds.with_suffix(".srt")
    subtitles.write_text(
        "1\n00:00:01,000 --> 00:00:02,000\nfold\n\n"
        "2\n00:00:03,000 --> 00:00:03,000\nno length\n\n"
        "3\n00:00:04,000 --> 00:00:09,000\nvery long\n\n"
        "4\n00:00:11,000 --> 00:00:12,000\nthanks for watching\n\n"
    )
    config = IngestConfig(frame_rate=2.0, short_side=32, max_clip_seconds=4.0)
    _, clips, entries = sort_out(ingest_video(VideoRow("boat", str(ten_seconds)), config))
    assert [clip.clip.captions for clip in clips] == [["fold"] * 5]
    assert [(e.clip_index, e.stage, e.reason) for e in entries] == [
        (1, "subtitles", "zero_length"),
        (1, "clip", "too_long"),
        (2, "clip", "past_end"),
    ]
    assert entries[1].message == "lasts 5.0 s; at most 4 s are kept"
    assert {entry.path for entry in entries} == {str(ten_seconds)}


def test_video_without_a_clip_has_one_entry_of_its_own(ten_seconds):
    write_captions(ten_seconds.with_suffix(".csv"), (11, 12, "too late"), (13, 14, "much too late"))
    _, clips, entries = sort_out(ingest_video(VideoRow("boat", str(ten_seconds)), SMALL))
    assert clips == []
    assert [(e.clip_index, e.stage, e.reason) for e in entries] == [
        (0, "clip", "past_end"),
        (1, "clip", "past_end"),
        (None, "clip", "no_clips"),
    ]
    assert entries[-1].message == "none of its 2 captions gave a clip (2 past_end)"


def test_truncated_video_keeps_its_first_clips(tmp_path, write_video):
    path = write_video(
        tmp_path / "v.mp4", [n / 5 for n in range(60)], options={"movflags": "faststart"}
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    write_captions(path.with_suffix(".csv"), *((n, n + 1, f"step {n}") for n in range(0, 12, 2)))
    config = IngestConfig(frame_rate=2.0, short_side=32, min_clip_seconds=1.0)
    _, clips, entries = sort_out(ingest_video(VideoRow("v", str(path)), config))
    kept = [clip.clip.clip_index for clip in clips]
    lost = [entry.clip_index for entry in entries]
    assert len(kept) >= 2
    assert len(lost) >= 1
    assert kept + lost == list(range(6))
    assert {(entry.stage, entry.reason) for entry in entries} == {("video", "truncated")}


def test_the_filters_on_transcript_and_length_leave_the_whole_video_out(ten_seconds):
    write_captions(ten_seconds.with_suffix(".csv"), (1, 2, "fold the paper"))
    row = VideoRow("boat", str(ten_seconds))
    for config, reason in (
        (IngestConfig(min_words=4), "too_few_words"),
        (IngestConfig(max_duration=9.0), "too_long_video"),
    ):
        (entry,) = ingest_video(row, config)
        assert (entry.clip_index, entry.stage, entry.reason) == (None, "filter", reason)
        assert not is_usable(row, config)
    assert is_usable(row, SMALL)


def test_annotations_are_taken_as_they_are(ten_seconds):
    write_captions(ten_seconds.with_suffix(".csv"), (1, 2, "not this"))
    segments = (Caption(1.0, 2.5, "fold &amp; turn"), Caption(4.0, 9.0, "[Music]"))
    row = VideoRow("boat", str(ten_seconds), captions=segments)
    config = IngestConfig(frame_rate=2.0, short_side=32, max_clip_seconds=3.0, min_words=1000)
    _, clips, entries = sort_out(ingest_video(row, config))
    assert entries == []
    assert [(c.clip.clip_start, c.clip.clip_end, c.caption.caption) for c in clips] == [
        (1.0, 2.5, "fold &amp; turn"),
        (4.0, 9.0, "[Music]"),
    ]


def test_whole_video_annotation_ends_with_the_video(ten_seconds):
    row = VideoRow("boat", str(ten_seconds), captions=(Caption(0.0, math.inf, "fold"),), duration=3)
    (transcript,), (clip,), entries = sort_out(ingest_video(row, SMALL))
    assert entries == []
    duration = clip.caption.video_duration
    assert duration == pytest.approx(10.0, abs=0.2)
    assert transcript.captions == [Caption(0.0, duration, "fold")]
    assert clip.clip.caption_ends == [duration] * SMALL.bag_size
    assert clip.clip.clip_end == pytest.approx(duration)
    assert (clip.caption.caption_end, clip.caption.clip_start) == (duration, 0.0)


def test_no_frames_are_decoded_where_none_are_stored(ten_seconds, monkeypatch):
    lines = ((1, 2, STEPS[0]), (3, 4.5, STEPS[1]), (9, 9.5, STEPS[2]), (11, 12, "thanks"))
    write_captions(ten_seconds.with_suffix(".csv"), *lines)
    row = VideoRow("boat", str(ten_seconds), task="Fold a Boat")
    _, with_frames, entries = sort_out(ingest_video(row, SMALL))

    def fail(*_):
        raise AssertionError("a picture was decoded")

    monkeypatch.setattr(video.Video, "clips", fail)
    config = dataclasses.replace(SMALL, store_frames=False)
    _, light, light_entries = sort_out(ingest_video(row, config))
    assert light_entries == entries
    assert [(e.clip_index, e.reason) for e in entries] == [(3, "past_end")]
    assert len(light) == 3
    for ours, theirs in zip(light, with_frames, strict=True):
        assert ours.clip == dataclasses.replace(theirs.clip, frames=())
        assert ours.caption == dataclasses.replace(theirs.caption, clip_num_frames=0)


def test_broken_video_is_left_out_though_no_frames_are_stored(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"")
    write_captions(path.with_suffix(".csv"), (1, 2, "fold"))
    (entry,) = ingest_video(VideoRow("v", str(path)), IngestConfig(store_frames=False))
    assert (entry.stage, entry.reason) == ("video", "empty_file")


@pytest.mark.parametrize(
    ("duration", "windows"),
    [
        (60.0, [(0.0, 5.0), (7.5, 12.5)]),
        (11.5, [(0.0, 5.0), (6.5, 11.5)]),
        # Unknown: until the end of the last caption.
        (None, [(0.0, 5.0), (6.0, 11.0)]),
    ],
)
def test_video_without_a_file(tmp_path, duration, windows):
    subtitles = tmp_path / "captions.csv"
    write_captions(subtitles, (1, 2, "fold"), (9, 11, "cut"))
    row = VideoRow(
        "v", "", subtitles=str(subtitles), duration=duration, task="Boat", listed_in="list.csv"
    )
    config = IngestConfig(store_frames=False, max_duration=100.0)
    _, clips, entries = sort_out(ingest_video(row, config))
    assert entries == []
    assert [(clip.clip.clip_start, clip.clip.clip_end) for clip in clips] == windows
    assert is_usable(row, config)
    for clip in clips:
        light = clip.caption
        assert light.video_duration == (duration or 0.0)
        assert (light.video_width, light.video_height, light.clip_num_frames) == (0, 0, 0)
        assert (clip.clip.frames, light.task) == ((), "Boat")


def test_captions_past_a_known_end_and_missing_subtitles_of_a_video_without_a_file(tmp_path):
    config = IngestConfig(store_frames=False)
    captions = (Caption(1.0, 2.0, "fold"), Caption(9.0, 11.0, "cut"))
    row = VideoRow("v", "", captions=captions, duration=5.0, listed_in="list.csv")
    _, clips, entries = sort_out(ingest_video(row, config))
    assert [clip.caption.caption for clip in clips] == ["fold"]
    assert [(e.path, e.clip_index, e.reason) for e in entries] == [("list.csv", 1, "past_end")]
    (entry,) = ingest_video(VideoRow("v", "", listed_in="list.csv"), config)
    assert (entry.path, entry.stage, entry.reason) == ("list.csv", "subtitles", "no_subtitles")
    assert entry.message == (
        "without the video, its captions are needed: column subtitles, or caption_json"
    )
    assert not is_usable(VideoRow("v", "", listed_in="list.csv"), config)


@pytest.mark.parametrize(("duration", "end"), [(12.5, 12.5), (None, OPEN_END)])
def test_whole_video_annotation_without_a_file_has_a_finite_end(duration, end):
    row = VideoRow("v", "", captions=(Caption(0.0, math.inf, "fold"),), duration=duration)
    _, (clip,), entries = sort_out(ingest_video(row, IngestConfig(store_frames=False)))
    assert entries == []
    light = clip.caption
    assert (light.caption_end, light.clip_start, light.clip_end) == (end, 0.0, end)
    assert (clip.clip.clip_end, clip.clip.caption_ends[0]) == (end, end)


def test_subtitle_track_inside_the_video(shared_data):
    path = shared_data / "video" / "codec" / "autoeditor_mov_text.mp4"
    _, clips, _ = sort_out(ingest_video(VideoRow("v", str(path)), SMALL))
    assert clips
    assert all(clip.caption.caption for clip in clips)


def test_failure_that_nobody_foresaw_is_an_entry(ten_seconds, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(reader, "read_captions_with_drops", fail)
    assert list(ingest_video(VideoRow("boat", str(ten_seconds)), SMALL)) == [
        Entry(
            "boat",
            str(ten_seconds),
            None,
            "video",
            "unexpected_error",
            "ZeroDivisionError: by zero",
        )
    ]


def test_every_file_of_the_codec_zoo_ends_as_clips_or_as_a_ledger_line(shared_data, tmp_path):
    subtitles = tmp_path / "captions.csv"
    write_captions(subtitles, (0, 0.5, "first"), (0.5, 1.5, "second"), (3, 4, "third"))
    for path in sorted((shared_data / "video" / "codec").glob("*.*")):
        row = VideoRow(path.stem, str(path), subtitles=str(subtitles))
        _, clips, entries = sort_out(ingest_video(row, SMALL))
        whole = [entry for entry in entries if entry.clip_index is None]
        assert bool(clips) != bool(whole), path.name
        assert len(whole) <= 1
        assert all(entry.reason != "unexpected_error" for entry in entries), entries
        if clips:
            indices = [clip.clip.clip_index for clip in clips]
            indices += [entry.clip_index for entry in entries]
            assert sorted(indices) == [0, 1, 2], path.name
