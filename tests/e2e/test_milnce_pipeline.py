"""The whole MIL-NCE road on small sample videos: killed, resumed, cached, served, searched."""

import collections
import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline import results

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_NODES = 12
_STATES = metadata_store_pb2.Execution
_SETTINGS = [
    "training.steps=60",
    "training.steps_per_epoch=10",
    "training.batch_size=8",
    "model.width=0.125",
    # Sixty steps teach nothing, but the road behind the blessing is to be tested too.
    "evaluation.min_recall_margin=-1",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory, howto100m) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data")
    howto100m("sample-data", "--output", str(folder), "--videos", "10", "--test-videos", "3")
    return folder


@pytest.fixture(scope="module")
def run_arguments(data, tmp_path_factory) -> list[str]:
    output = tmp_path_factory.mktemp("run")
    arguments = ["run", "--preset", "sample", "--output", str(output)]
    arguments += ["--videos", str(data / "videos"), "--test-videos", str(data / "test" / "videos")]
    arguments += ["--test-annotations", str(data / "test" / "annotations.csv")]
    return arguments + [part for setting in _SETTINGS for part in ("--set", setting)]


@pytest.fixture(scope="module")
def killed_then_finished(run_arguments, howto100m_command, howto100m) -> tuple[pathlib.Path, str]:
    """Kills a run in the middle of its training, runs it again; returns its folder and output."""
    output = pathlib.Path(run_arguments[run_arguments.index("--output") + 1])
    process = subprocess.Popen(
        howto100m_command(*run_arguments), stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 600
    while not list(output.glob("checkpoints/*/ckpt-*.index")):
        assert process.poll() is None, (output / "run.log").read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return output, howto100m(*run_arguments)


def _executions(output: pathlib.Path) -> list[metadata_store_pb2.Execution]:
    return results.connect(output / "metadata.sqlite").get_executions()


def test_run_goes_on_from_the_last_checkpoint_after_kill_9(killed_then_finished):
    output, printed = killed_then_finished
    assert "Training goes on from the checkpoint at step" in printed
    log = (output / "pipeline_root").glob("TextVideoTrainer/model_run/*/training.jsonl")
    steps = [json.loads(line)["step"] for line in next(log).read_text().splitlines()]
    assert steps == [10, 20, 30, 40, 50, 60]


def test_second_run_took_what_was_done_from_the_cache(killed_then_finished):
    output, _ = killed_then_finished
    states = collections.Counter(run.last_known_state for run in _executions(output))
    before_the_trainer = 7
    assert states[_STATES.CACHED] == before_the_trainer
    assert states[_STATES.COMPLETE] == _NODES


def test_people_find_what_the_run_leaves(killed_then_finished):
    output, printed = killed_then_finished
    metrics = json.loads((output / "metrics.json").read_text())
    count = metrics["text_to_video"]["num_candidates"]
    assert count == metrics["text_to_video"]["num_queries"] == metrics["num_expected"]
    assert metrics["random"]["R@5"] == pytest.approx(5 / count)
    assert 0 <= metrics["text_to_video"]["R@1"] <= metrics["text_to_video"]["R@10"] <= 1
    report = (output / "report.html").read_text()
    assert "data:image/" in report
    assert "http" not in report.replace("http://www.w3.org", "")
    assert (output / "ledger.jsonl").exists()
    assert "videos" in printed


def test_summary_and_report_tell_how_the_run_went(killed_then_finished):
    output, _ = killed_then_finished
    summary = json.loads((output / "run_summary.json").read_text())
    nodes = {node["node"]: node for node in summary["nodes"]}
    assert len(nodes) == _NODES
    ingest, trainer = nodes["NarratedVideoExampleGen"], nodes["TextVideoTrainer"]
    assert (ingest["state"], trainer["state"]) == ("cached", "executed")
    assert ingest["run_id"] != summary["run_id"] == trainer["run_id"]
    assert ingest["figures"]["videos_read"] == ingest["figures"]["videos_kept"] == 10
    (times,) = (m for m in ingest["figures"]["beam"] if m["name"] == "milliseconds_a_video")
    assert times["value"]["count"] == 10
    # Those of the killed run before its last checkpoint are among them.
    assert trainer["figures"]["samples"] == 60 * 8
    assert 0 <= trainer["figures"]["input_stall"] < 1
    assert all(node["seconds"] >= 0 for node in nodes.values())
    report = (output / "report.html").read_text()
    assert report.count("<h2>How the run went</h2>") == 1
    assert f"from the cache, made by run {ingest['run_id']}" in " ".join(report.split())


def test_lineage_names_videos_settings_and_code(killed_then_finished, data, howto100m):
    output, _ = killed_then_finished
    hub = str(output / "hub" / "local" / "mil-nce-s3d")
    content = json.loads(howto100m("lineage", hub, "--json"))
    steps = {step["node"]: step for step in content["steps"]}
    assert {"NarratedVideoExampleGen", "TextVideoTrainer", "RetrievalEvaluator"} < set(steps)
    assert steps["TextVideoTrainer"]["settings"]["custom_config"]["training"]["steps"] == 60
    summary = json.loads((output / "run_summary.json").read_text())
    assert {step["code_version"] for step in steps.values()} == {summary["code_version"]}
    assert summary["code_version"] != "unknown"
    videos = list(csv.DictReader(io.StringIO(howto100m("lineage", hub, "--videos"))))
    trained = {video["path"] for video in videos if video["node"] == "NarratedVideoExampleGen"}
    assert trained == {str(path) for path in (data / "videos").glob("*.mp4")}
    assert sum(video["node"] == "AnnotatedVideoExampleGen" for video in videos) == 3
    assert "made by:" in howto100m("lineage", hub).splitlines()


def test_pushed_model_serves_text_and_video_without_this_project(killed_then_finished):
    output, _ = killed_then_finished
    version, archive = sorted((output / "hub" / "local" / "mil-nce-s3d").iterdir())
    assert archive.name == f"{version.name}.tar.gz"
    assert (version / "MODEL_CARD.md").exists()
    code = """
        import sys
        import numpy as np, tensorflow as tf, tensorflow_hub as hub
        model = hub.load(sys.argv[1])
        video = model.signatures["video"](tf.zeros([2, 8, 64, 64, 3]))
        text = model.signatures["text"](tf.constant(["cut the red star", "", "fold it"]))
        assert video["video_embedding"].shape == (2, 512), video["video_embedding"].shape
        assert text["text_embedding"].shape == (3, 512)
        assert np.isfinite(text["text_embedding"]).all()
        loaded = {"models", "components", "pipeline", "tensorflow_text", "tfx"} & set(sys.modules)
        assert not loaded, loaded
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(version)],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_search_answers_with_clips_of_the_run(killed_then_finished, howto100m):
    output, _ = killed_then_finished
    queries = ("cut the red star", "zyzzyva")
    printed = howto100m("search", "--run", str(output), "--top", "3", *queries)
    lines = printed.splitlines()
    assert lines[0] == "cut the red star"
    assert [line.split(".")[0].strip() for line in lines[1:4]] == ["1", "2", "3"]
    assert lines[4:] == ["zyzzyva", "  none of these words is known to the model"]
    embeddings = np.load(output / "index" / "embeddings.npy", allow_pickle=False)
    assert len(embeddings) == len((output / "index" / "clips.jsonl").read_text().splitlines())


def test_unchanged_run_is_all_cache_hits(killed_then_finished, run_arguments, howto100m):
    output, _ = killed_then_finished
    before = {run.id for run in _executions(output)}
    printed = howto100m(*run_arguments)
    states = [run.last_known_state for run in _executions(output) if run.id not in before]
    assert states == [_STATES.CACHED] * _NODES
    assert f"0 nodes run, {_NODES} from cache" in printed


_FRAMES = ("frames.num_frames=8", "frames.frame_rate=2.5", "frames.image_size=64")


def test_evaluate_scores_the_clips_that_the_pipeline_scored(
    killed_then_finished, data, howto100m, tmp_path
):
    output, _ = killed_then_finished
    settings = [part for setting in _FRAMES for part in ("--set", setting)]
    arguments = [
        *("evaluate", "--benchmark", "csv"),
        *("--model", str(output / "hub" / "local" / "mil-nce-s3d")),
        *("--annotations", str(data / "test" / "annotations.csv")),
        *("--videos", str(data / "test" / "videos")),
        *("--store", str(tmp_path / "store"), "--output", str(tmp_path / "result"), *settings),
    ]
    howto100m(*arguments)
    result = json.loads((tmp_path / "result" / "result.json").read_text())
    metrics = json.loads((output / "metrics.json").read_text())["text_to_video"]
    # How well is no matter: what sixty steps teach depends on a frame more or less.
    for name in ("num_queries", "num_candidates"):
        assert result["details"][name] == metrics[name] == 24
    assert result["items"]["scored"] == result["items"]["annotated"] == 24
    assert result["model"]["name"].startswith("local/mil-nce-s3d/")
    stored = [
        np.load(path, allow_pickle=False).shape for path in (tmp_path / "store").glob("*.npy")
    ]
    assert stored == [(8, 512)] * 3
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    howto100m(*arguments)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()} == written
    howto100m("results", str(tmp_path / "result"), "--output", str(tmp_path / "page"))
    assert "own clips" in (tmp_path / "page" / "results.md").read_text()


def test_a_benchmark_that_is_not_reached_keeps_a_model_from_the_hub(
    killed_then_finished, run_arguments, data, howto100m
):
    output, _ = killed_then_finished
    pushed = sorted((output / "hub" / "local" / "mil-nce-s3d").iterdir())
    printed = howto100m(
        *run_arguments,
        *("--benchmark", "csv"),
        *("--benchmark-annotations", str(data / "test" / "annotations.csv")),
        *("--benchmark-videos", str(data / "test" / "videos")),
        *("--benchmark-minimum", "1"),
        *(part for setting in _FRAMES for part in ("--benchmark-set", setting)),
        # Another model, so that the last one's push is no cache hit.
        *("--set", "training.steps=20"),
    )
    result = json.loads((output / "benchmark_result.json").read_text())
    assert not result["gate"]["blessed"]
    assert result["gate"]["reason"] in printed
    assert "Nothing was pushed" in printed
    assert sorted((output / "hub" / "local" / "mil-nce-s3d").iterdir()) == pushed
