import csv
import hashlib
import json
import subprocess
import sys

import av
import numpy as np
import pytest

from components.narrated_video_example_gen.subtitles.reader import find_subtitles, read_captions
from pipeline.sample_data.config import SampleConfig
from pipeline.sample_data.generate import SampleDataError, write_sample_data
from pipeline.sample_data.script import write_scripts
from pipeline.sample_data.world import COLOURS

_CONFIG = SampleConfig(num_videos=3, num_test_videos=2, steps_per_video=4)


def _digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _decode(path):
    """Returns the frames, uint8 [n, height, width, 3], and their times in seconds."""
    with av.open(str(path)) as container:
        frames = [
            (frame.to_ndarray(format="rgb24"), frame.time) for frame in container.decode(video=0)
        ]
    pictures, times = zip(*frames, strict=True)
    return np.stack(pictures), np.array(times)


def _read_csv(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    calls = []
    write_sample_data(folder, _CONFIG, workers=1, progress=lambda *call: calls.append(call))
    assert calls == [(done, 5) for done in range(1, 6)]
    return folder


def test_the_layout(sample):
    assert sorted(_digests(sample)) == [
        "manifest.json",
        "narration_truth.json",
        "test/annotations.csv",
        "test/videos/test-000000.mp4",
        "test/videos/test-000001.mp4",
        "videos/howto-00000.en.vtt",
        "videos/howto-00000.mp4",
        "videos/howto-00001.en.vtt",
        "videos/howto-00001.mp4",
        "videos/howto-00002.en.vtt",
        "videos/howto-00002.mp4",
        "videos/metadata.csv",
    ]


def test_two_workers_write_the_same_bytes(sample, tmp_path):
    write_sample_data(tmp_path / "again", _CONFIG, workers=2)
    assert _digests(tmp_path / "again") == _digests(sample)


def test_videos_decode_as_scripted(sample):
    train, test = write_scripts(_CONFIG)
    rows = {row["video_id"]: row for row in _read_csv(sample / "videos/metadata.csv")}
    for script in [*train, *test]:
        folder = "videos" if script in train else "test/videos"
        path = sample / folder / f"{script.video_id}.mp4"
        pictures, times = _decode(path)
        assert pictures.shape == (script.num_frames, script.height, script.width, 3)
        np.testing.assert_allclose(np.diff(times), float(1 / script.frame_rate), atol=1e-3)
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert stream.average_rate == script.frame_rate
            assert bool(container.streams.audio) == script.has_audio
        if script in train:
            duration = float(rows[script.video_id]["duration"])
            assert duration == pytest.approx(times[-1] + 1 / script.frame_rate, abs=0.01)


def test_sound_lasts_as_long_as_the_picture(tmp_path):
    config = SampleConfig(num_videos=8, num_test_videos=0, steps_per_video=1)
    write_sample_data(tmp_path, config, workers=1)
    audible = [script for script in write_scripts(config)[0] if script.has_audio]
    assert audible
    for script in audible:
        with av.open(str(tmp_path / "videos" / f"{script.video_id}.mp4")) as container:
            samples = sum(frame.samples for frame in container.decode(audio=0))
        assert samples / 8000 == pytest.approx(script.duration, abs=0.3)


def test_a_segment_shows_the_colour_that_its_caption_names(sample):
    palette = np.array(list(COLOURS.values()), dtype=float)
    for row in _read_csv(sample / "test/annotations.csv"):
        pictures, times = _decode(sample / "test/videos" / f"{row['video_id']}.mp4")
        inside = (times >= float(row["start"])) & (times < float(row["end"]))
        # The first and the last frame too: the segment is exact.
        for picture in pictures[inside][[0, inside.sum() // 2, -1]]:
            vivid = picture[np.ptp(picture.astype(int), axis=-1) > 90].astype(float)
            assert len(vivid) > 0.015 * picture.shape[0] * picture.shape[1]
            nearest = np.linalg.norm(vivid[:, None] - palette, axis=-1).argmin(axis=1)
            dominant = list(COLOURS)[np.bincount(nearest).argmax()]
            assert dominant in row["caption"].split(), (row, dominant)


def test_the_picture_changes_within_a_segment(sample):
    for row in _read_csv(sample / "test/annotations.csv"):
        pictures, times = _decode(sample / "test/videos" / f"{row['video_id']}.mp4")
        inside = (times >= float(row["start"])) & (times < float(row["end"]))
        spread = pictures[inside].astype(float).std(axis=0).mean(axis=-1)
        assert (spread > 15).mean() > 0.01


def test_metadata(sample):
    rows = _read_csv(sample / "videos/metadata.csv")
    assert list(rows[0]) == [
        "video_id", "task", "category", "search_rank", "views", "duration", "language",
    ]  # fmt: skip
    assert [row["video_id"] for row in rows] == ["howto-00000", "howto-00001", "howto-00002"]
    for row in rows:
        assert row["task"].startswith("How to Make a ")
        assert row["category"]
        assert row["language"] == "en"


def test_the_caption_reader_finds_the_narration_again(sample):
    truth = json.loads((sample / "narration_truth.json").read_text())["lines"]
    for video_id in ("howto-00000", "howto-00001", "howto-00002"):
        expected = [line for line in truth if line["video_id"] == video_id]
        path = find_subtitles(sample / "videos" / f"{video_id}.mp4")
        captions = read_captions(path)
        assert [caption.text for caption in captions] == [line["text"] for line in expected]
        for caption, line in zip(captions, expected, strict=True):
            assert caption.start == pytest.approx(line["start"], abs=0.011)
            assert caption.end == pytest.approx(line["end"], abs=0.011)


def test_a_complete_sample_is_left_alone(sample):
    before = {path: path.stat().st_mtime_ns for path in sample.rglob("*")}
    write_sample_data(sample, _CONFIG, progress=lambda *_: pytest.fail("wrote a video"))
    assert {path: path.stat().st_mtime_ns for path in sample.rglob("*")} == before


def test_a_damaged_sample_is_made_again(tmp_path):
    config = SampleConfig(num_videos=1, num_test_videos=1, steps_per_video=1)
    write_sample_data(tmp_path, config, workers=1)
    before = _digests(tmp_path)
    (tmp_path / "videos/howto-00000.mp4").write_bytes(b"cut off")
    (tmp_path / "test/annotations.csv").unlink()
    write_sample_data(tmp_path, config, workers=1)
    assert _digests(tmp_path) == before


def test_another_sample_replaces_the_old_one(tmp_path):
    folder = tmp_path / "sample"
    write_sample_data(folder, SampleConfig(2, 0, 1), workers=1)
    (folder / "videos/notes.txt").write_text("mine")
    write_sample_data(folder, SampleConfig(1, 1, 1), workers=1)
    (folder / "videos/notes.txt").unlink()
    write_sample_data(tmp_path / "fresh", SampleConfig(1, 1, 1), workers=1)
    assert _digests(folder) == _digests(tmp_path / "fresh")


@pytest.mark.parametrize(
    "manifest", ["not json", "[]", '{"files": 3}', '{"files": {"../x": 1}}', '{"files": ["/x"]}']
)
def test_a_folder_with_another_manifest_is_refused(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(SampleDataError, match="new or empty folder"):
        write_sample_data(tmp_path, _CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "holiday.mp4").write_bytes(b"")
    with pytest.raises(SampleDataError, match="new or empty folder"):
        write_sample_data(tmp_path, _CONFIG)
    with pytest.raises(SampleDataError, match="new or empty folder"):
        write_sample_data(tmp_path / "holiday.mp4", _CONFIG)


def test_needs_no_tensorflow():
    code = "import sys, pipeline.sample_data.generate; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
