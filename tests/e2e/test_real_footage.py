"""The whole road on real clips: many codecs and containers, subtitles from their class names."""

import json
import pathlib
import re
import shutil

import pytest

from components.narrated_video_example_gen import manifest
from components.narrated_video_example_gen.subtitles import reader
from components.narrated_video_example_gen.subtitles.errors import SubtitleError

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

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
        for source in map(pathlib.Path, manifest.find_video_files(shared_data / "video" / name)):
            video = folder / f"{name}_{source.name}"
            shutil.copy(source, video)
            if not _has_subtitles(video):
                # One line over the whole clip, whatever its length; the end is cut to the video.
                video.with_suffix(".srt").write_text(
                    f"1\n00:00:00,000 --> 00:00:05,000\n{_words(source.stem)}\n"
                )
    return folder


@pytest.fixture(scope="module")
def finished(footage, tmp_path_factory, howto100m) -> tuple[pathlib.Path, str]:
    """Returns the output folder of a run on the clips, and what it printed."""
    output = tmp_path_factory.mktemp("real") / "run"
    settings = ["training.steps=20", "training.steps_per_epoch=10", "training.batch_size=8"]
    printed = howto100m(
        "run",
        *("--videos", str(footage), "--output", str(output), "--preset", "small"),
        *(part for setting in settings for part in ("--set", setting)),
    )
    return output, printed


def test_real_footage_goes_from_ingest_to_a_model_and_a_report(footage, finished):
    output, printed = finished
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


_ACTIONS = {
    "ApplyEyeMakeup": (1, 2, 3, 4, 5),
    "BenchPress": (1, 2, 4, 5),
    "Diving": (1, 2, 3, 4, 5),
}


def _write_splits(folder: pathlib.Path) -> None:
    """Writes three splits in UCF101's layout; the official ones test on all of these clips."""
    classes = enumerate(_ACTIONS, 1)
    (folder / "classInd.txt").write_text("".join(f"{n} {name}\n" for n, name in classes))
    for split in (1, 2, 3):
        lists = {"train": [], "test": []}
        for number, (name, clips) in enumerate(_ACTIONS.items(), 1):
            for clip in clips:
                part = "test" if clip % 3 == split % 3 else "train"
                label = f" {number}" if part == "train" else ""
                lists[part].append(f"{name}/v_{name}_g01_c{clip:02d}.avi{label}\n")
        for part, lines in lists.items():
            (folder / f"{part}list{split:02d}.txt").write_text("".join(lines))


def test_a_probe_of_the_trained_model_tells_real_actions_apart(
    shared_data, finished, tmp_path, howto100m
):
    output, _ = finished
    (model,) = output.glob("pipeline_root/TextVideoTrainer/model/*/Format-Serving")
    _write_splits(tmp_path)
    howto100m(
        *("evaluate", "--benchmark", "ucf101", "--model", str(model)),
        *("--annotations", str(tmp_path)),
        *("--videos", str(shared_data / "video" / "ucf101_3x5")),
        *("--set", "frames.image_size=112", "--set", "frames.num_frames=8"),
        *("--set", "protocol.num_windows=3"),
        *("--store", str(tmp_path / "store"), "--output", str(tmp_path / "result")),
    )
    result = json.loads((tmp_path / "result" / "result.json").read_text())
    count = sum(map(len, _ACTIONS.values()))
    assert result["items"]["annotated"] == result["items"]["scored"] == count
    assert [split["num_test"] for split in result["details"]["splits"]] == [6, 6, 2]
    assert result["details"]["chance"] == pytest.approx(1 / 3)
    # The clips of an action are of one scene: even a tower that learnt little tells them apart.
    assert result["metrics"]["top_1"] >= 0.7
    assert any("num_frames" in reason for reason in result["not_comparable_because"])
