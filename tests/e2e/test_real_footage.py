"""The whole road on real clips: many codecs and containers, subtitles from their class names."""

import json
import pathlib
import re
import shutil

import pytest

from components.narrated_video_example_gen import manifest
from components.narrated_video_example_gen.subtitles import reader
from components.narrated_video_example_gen.subtitles.errors import SubtitleError

pytestmark = pytest.mark.e2e

_FOLDERS = (
    "howto_misc",
    "torchvision",
    "narrated",
    "ucf101_3x5",
    "ucf101_misc",
    "asl_gestures",
)


def _has_subtitles(video: pathlib.Path) -> bool:
    if reader.find_subtitles(video):
        return True
    try:
        return bool(reader.read_captions(video))
    except SubtitleError:
        return False


def _words(stem: str) -> str:
    """Returns a file's name as words: v_ApplyEyeMakeup_g01_c02 becomes "apply eye makeup"."""
    stem = re.sub(r"^v_|_g\d+_c\d+$", "", stem)
    words = re.findall(r"[A-Z]?[a-z]+", stem)
    return " ".join(words).lower() or stem


@pytest.fixture(scope="module")
def footage(shared_data, tmp_path_factory) -> pathlib.Path:
    """Returns a folder of real clips, each with a subtitle."""
    folder = tmp_path_factory.mktemp("footage")
    for name in _FOLDERS:
        for source in manifest.find_video_files(shared_data / "video" / name):
            video = folder / f"{name}_{source.name}"
            shutil.copy(source, video)
            if not _has_subtitles(video):
                # One line over the whole clip, whatever its length; the end is cut to the video.
                video.with_suffix(".srt").write_text(
                    f"1\n00:00:00,000 --> 00:00:05,000\n{_words(source.stem)}\n"
                )
    return folder


def test_real_footage_goes_from_ingest_to_a_model_and_a_report(footage, tmp_path, howto100m):
    output = tmp_path / "run"
    settings = ["training.steps=20", "training.steps_per_epoch=10", "training.batch_size=8"]
    printed = howto100m(
        "run",
        *("--videos", str(footage), "--output", str(output), "--preset", "small"),
        *(part for setting in settings for part in ("--set", setting)),
    )
    summary = json.loads((output / "summary.json").read_text())
    videos = summary["videos"]
    count = len(manifest.find_video_files(footage))
    assert videos["read"] == count
    assert videos["kept"] + sum(videos["left_out"].values()) == count
    assert videos["kept"] >= 0.9 * count
    assert f"{count} videos" in printed or str(count) in printed
    assert list(output.glob("pipeline_root/TextVideoTrainer/model/*/Format-Serving/saved_model.pb"))
    assert "<html" in (output / "report.html").read_text()
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["text_to_video"]["num_queries"] >= 10
    assert printed.count(metrics["blessing_reason"]) == 1
    assert ("Nothing was pushed" in printed) == (not metrics["blessed"])
