"""The figures of artifacts, from files as the components leave them."""

import json

import numpy as np
import pytest
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from pipeline.observability import figures


@pytest.fixture
def artifact(tmp_path):
    """Returns a function that makes an artifact of a type with files."""

    def make(type_name: str, files: dict | None = None) -> metadata_store_pb2.Artifact:
        for name, content in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return metadata_store_pb2.Artifact(type=type_name, uri=str(tmp_path))

    return make


_SUMMARY = {
    "videos": {"read": 5, "kept": 3, "left_out": {"too_long": 1, "empty_file": 1}},
    "clips": {"read": 40, "kept": 40, "left_out": {}},
}


def test_a_ledger_gives_its_counts_and_what_beam_counted(artifact):
    metrics = [{"step": "Ingest", "name": "clips", "value": 40}]
    ledger = artifact(
        "Ledger", {"summary.json": json.dumps(_SUMMARY), "beam_metrics.json": json.dumps(metrics)}
    )
    assert figures.figures_of(ledger) == {
        "videos_read": 5,
        "videos_kept": 3,
        "videos_left_out": 2,
        "clips_read": 40,
        "clips_kept": 40,
        "clips_left_out": 0,
        "beam": metrics,
    }


def test_a_type_may_be_named_by_its_path(artifact):
    ledger = artifact("components.artifacts.Ledger", {"summary.json": json.dumps(_SUMMARY)})
    assert figures.figures_of(ledger)["videos_read"] == 5


def test_a_ledger_of_older_code_gives_its_counts(artifact):
    ledger = artifact("Ledger", {"summary.json": json.dumps(_SUMMARY)})
    assert "beam" not in figures.figures_of(ledger)
    assert figures.figures_of(ledger)["videos_read"] == 5


def _log(*lines: dict) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_training_log_gives_speed_and_stall():
    log = _log(
        {"step": 10, "clips": 80, "train_seconds": 6.0, "input_wait_seconds": 3.0},
        {"step": 20, "clips": 80, "train_seconds": 2.0, "input_wait_seconds": 0.2},
    )
    assert figures.training_figures(log) == {
        "steps": 20,
        "samples": 160,
        "train_seconds": 8.0,
        "samples_a_second": 20.0,
        "input_wait_seconds": 3.2,
        "input_stall": 0.4,
    }


def test_a_training_of_many_replicas_gives_no_stall():
    log = _log({"step": 10, "clips": 80, "train_seconds": 4.0})
    assert figures.training_figures(log) == {
        "steps": 10,
        "samples": 80,
        "train_seconds": 4.0,
        "samples_a_second": 20.0,
    }


def test_a_training_log_of_older_code_gives_its_steps():
    assert figures.training_figures(_log({"step": 10, "clips_per_second": 3.0})) == {"steps": 10}


def test_statistics_and_anomalies_are_read_split_by_split(artifact):
    files = {}
    for split, count in (("train", 30), ("eval", 8)):
        statistics = statistics_pb2.DatasetFeatureStatisticsList()
        statistics.datasets.add().num_examples = count
        files[f"Split-{split}/FeatureStats.pb"] = statistics.SerializeToString()
    anomalies = anomalies_pb2.Anomalies()
    anomalies.anomaly_info["caption/string"].description = "wrong"
    files["Split-train/SchemaDiff.pb"] = anomalies.SerializeToString()
    files["Split-eval/SchemaDiff.pb"] = b""
    found = []
    for type_name in ("ExampleStatistics", "ExampleAnomalies"):
        one = artifact(type_name, files)
        one.properties["split_names"].string_value = '["train", "eval"]'
        found.append(figures.figures_of(one))
    assert found == [{"captions_of_train": 30, "captions_of_eval": 8}, {"anomalies": 1}]


def test_statistics_of_transform_have_no_splits_and_no_figures(artifact):
    assert figures.figures_of(artifact("ExampleStatistics")) == {}
    assert figures.figures_of(artifact("ExampleAnomalies")) == {}


def test_word_vectors_are_counted_without_their_padding(artifact, tmp_path):
    np.save(tmp_path / "vectors.npy", np.zeros([8, 3], np.float32))
    found = figures.figures_of(artifact("WordVectors"))
    assert found == {"words": 7, "values_of_a_word": 3}


@pytest.mark.parametrize(
    ("type_name", "files", "expected"),
    [
        ("TransformGraph", {"transform_fn/assets/words": "a\nb\n"}, {"words_met": 2}),
        ("ClipIndex", {"clips.jsonl": "{}\n{}\n{}\n"}, {"clips_indexed": 3}),
        ("Model", {"a": "12", "b/c": "345"}, {"model_bytes": 5}),
        (
            "RetrievalEvaluation",
            {"metrics.json": '{"num_scored": 9, "text_to_video": {"R@10": 0.5}}'},
            {"clips_scored": 9, "text_to_video_R@10": 0.5},
        ),
        (
            "BenchmarkEvaluation",
            {"result.json": '{"items": {"annotated": 4, "scored": 3}}'},
            {"items_annotated": 4, "items_scored": 3},
        ),
        ("Examples", {"data": "1"}, {}),
        ("ModelRun", {}, {}),
    ],
    ids=["transform", "index", "model", "retrieval", "benchmark", "without-figures", "gone"],
)
def test_each_type_has_its_figures(artifact, type_name, files, expected):
    assert figures.figures_of(artifact(type_name, files)) == expected


def test_blessing_and_push_are_told_by_their_properties(artifact):
    blessing = artifact("ModelBlessing")
    blessing.custom_properties["blessed"].int_value = 1
    assert figures.figures_of(blessing) == {"blessed": True}
    pushed = artifact("PushedModel")
    assert figures.figures_of(pushed) == {"pushed": False}
    pushed.custom_properties["pushed"].int_value = 1
    pushed.custom_properties["pushed_version"].string_value = "17"
    assert figures.figures_of(pushed) == {"pushed": True, "version": "17"}
