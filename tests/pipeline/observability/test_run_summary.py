"""The summary of a run, and its section of the report."""

import json
import types

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline import results
from pipeline.observability import report_section, run_summary

_States = metadata_store_pb2.Execution


def _index(history, name: str):
    artifact = history.artifact("ClipIndex", name)
    (history.folder / name / "clips.jsonl").write_text("{}\n{}\n")
    return artifact


def test_without_runs_there_is_no_summary(history):
    assert run_summary.summarize(history.store) is None


def test_each_node_tells_its_state_its_time_and_its_figures(history):
    run = history.start_run("run-1", "c0ffee")
    history.execute(run, "ClipIndexGen", outputs=[_index(history, "index")])
    history.execute(run, "Pusher", state=_States.FAILED)
    history.execute(run, "ModelCardGen", state=_States.RUNNING)
    summary = run_summary.summarize(history.store)
    assert (summary["run_id"], summary["code_version"]) == ("run-1", "c0ffee")
    assert [(node["node"], node["state"]) for node in summary["nodes"]] == [
        ("ClipIndexGen", "executed"),
        ("Pusher", "failed"),
        ("ModelCardGen", "interrupted"),
    ]
    index, failed, interrupted = summary["nodes"]
    assert index["seconds"] >= 0
    assert index["figures"]["clips_indexed"] == 2
    assert failed["seconds"] >= 0
    assert failed["figures"] == interrupted["figures"] == {}
    assert interrupted["seconds"] is None


def test_speed_is_what_was_done_in_the_time_of_the_execution():
    assert run_summary.speeds({"videos_read": 10, "clips_kept": 80}, 4.0) == {
        "videos_a_second": 2.5,
        "clips_a_second": 20.0,
    }
    assert run_summary.speeds({"videos_read": 10}, None) == {}
    assert run_summary.speeds({"words": 10}, 4.0) == {}


def test_a_cached_node_shows_the_run_that_made_its_outputs(history):
    index = _index(history, "index")
    history.execute(history.start_run("run-1", "old"), "ClipIndexGen", outputs=[index])
    for name in ("run-2", "run-3"):
        run = history.start_run(name, "new")
        history.execute(run, "ClipIndexGen", outputs=[index], state=_States.CACHED)
    summary = run_summary.summarize(history.store)
    assert (summary["run_id"], summary["code_version"]) == ("run-3", "new")
    (node,) = summary["nodes"]
    assert (node["state"], node["run_id"], node["code_version"]) == ("cached", "run-1", "old")
    assert node["figures"]["clips_indexed"] == 2


def test_a_summary_is_written_whole(history, tmp_path):
    history.execute(history.start_run("run-1"), "Pusher")
    summary = run_summary.summarize(history.store)
    run_summary.write(summary, tmp_path)
    assert json.loads((tmp_path / "run_summary.json").read_text()) == summary
    assert summary["code_version"] == "unknown"
    assert [path.name for path in tmp_path.glob("run_summary*")] == ["run_summary.json"]


def test_a_run_that_failed_leaves_its_summary(history, tmp_path):
    history.execute(history.start_run("run-1"), "Pusher", state=_States.FAILED)
    results.summarize_failure(types.SimpleNamespace(output=str(tmp_path)))
    (node,) = json.loads((tmp_path / "run_summary.json").read_text())["nodes"]
    assert (node["node"], node["state"]) == ("Pusher", "failed")


@pytest.mark.parametrize("content", [None, b"no database"], ids=["missing", "damaged"])
def test_without_metadata_a_failure_stays_the_only_error(tmp_path, content):
    if content is not None:
        (tmp_path / "metadata.sqlite").write_bytes(content)
    results.summarize_failure(types.SimpleNamespace(output=str(tmp_path)))
    assert not (tmp_path / "run_summary.json").exists()


_SUMMARY = {
    "run_id": "run-2",
    "code_version": "c0ffee<",
    "started": "2026-01-01T00:00:00+00:00",
    "seconds": 83.0,
    "nodes": [
        {
            "node": "NarratedVideoExampleGen",
            "state": "cached",
            "run_id": "run-1",
            "code_version": "c0ffee",
            "started": "2026-01-01T00:00:00+00:00",
            "seconds": 12.34,
            "figures": {
                "videos_read": 1200,
                "beam": [
                    {"step": "Ingest", "name": "clips", "value": 9600},
                    {
                        "step": "Ingest",
                        "name": "milliseconds_a_video",
                        "value": {"count": 1200, "sum": 60000, "min": 7, "max": 99, "mean": 50.0},
                    },
                ],
            },
        },
        {
            "node": "TextVideoTrainer",
            "state": "interrupted",
            "run_id": "run-2",
            "code_version": "c0ffee",
            "started": "2026-01-01T00:00:00+00:00",
            "seconds": None,
            "figures": {"samples_a_second": 20.5, "input_stall": 0.125, "blessed": True},
        },
    ],
}


def test_the_section_stands_at_the_end_of_the_report():
    report = "<html><main><h1>Metrics</h1></main></html>"
    page = report_section.with_section(report, _SUMMARY)
    assert page.startswith("<html><main><h1>Metrics</h1><h2>How the run went</h2>")
    assert page.endswith("</main></html>")


def test_the_section_tells_all_in_words():
    words = " ".join(report_section.render(_SUMMARY).split())
    for told in (
        "Run run-2, 1 min 23 s; code c0ffee&lt;.",
        "from the cache, made by run run-1",
        "12.3 s",
        "videos read 1,200",
        "Beam, Ingest: clips 9,600",
        "milliseconds a video 50 on average of 1,200, from 7 to 99",
        "samples a second 20.5; input stall 12.5 %; blessed yes",
        "interrupted",
    ):
        assert told in words, told
