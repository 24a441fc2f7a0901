"""What the components count and time, read from where they leave it: their artifacts."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from components.beam_metrics import METRICS_FILE
from components.narrated_video_example_gen.ledger import SUMMARY_FILE
from models.training import LOG_NAME
from pipeline.observability import executions

# The figures that say what Beam's workers counted: a list, see `components.beam_metrics`.
BEAM = "beam"

# Those figures that an older version of the code did not leave are missing.
_Reader = Callable[[metadata_store_pb2.Artifact], dict[str, Any]]


def figures_of(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    """Returns the figures of an artifact by their names in plain words with underscores.

    Args:
      artifact: any artifact; one of a type without figures has none, and so has one whose files
        are gone.

    Raises:
      ValueError: a file is damaged.
    """
    reader = _READERS.get(executions.type_name(artifact))
    try:
        return reader(artifact) if reader else {}
    except (FileNotFoundError, tf.errors.NotFoundError):
        return {}


def _ledger(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    summary = json.loads(_read(artifact.uri, SUMMARY_FILE))
    figures: dict[str, Any] = {}
    for kind in ("videos", "clips"):
        counts = summary[kind]
        figures[f"{kind}_read"] = counts["read"]
        figures[f"{kind}_kept"] = counts["kept"]
        figures[f"{kind}_left_out"] = sum(counts["left_out"].values())
    return figures | _beam(artifact)


def _beam(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    if not tf.io.gfile.exists(os.path.join(artifact.uri, METRICS_FILE)):
        return {}
    metrics = json.loads(_read(artifact.uri, METRICS_FILE))
    return {BEAM: metrics} if metrics else {}


def _statistics(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    figures = {}
    for split, content in _of_splits(artifact, "FeatureStats.pb"):
        parsed = statistics_pb2.DatasetFeatureStatisticsList.FromString(content)
        figures[f"captions_of_{split}"] = sum(part.num_examples for part in parsed.datasets)
    return figures


def _anomalies(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    parsed = [
        anomalies_pb2.Anomalies.FromString(content)
        for _, content in _of_splits(artifact, "SchemaDiff.pb")
    ]
    return {"anomalies": sum(len(found.anomaly_info) for found in parsed)} if parsed else {}


def _of_splits(artifact: metadata_store_pb2.Artifact, name: str) -> Iterator[tuple[str, bytes]]:
    # Transform's have no splits.
    for split in json.loads(artifact.properties["split_names"].string_value or "[]"):
        path = os.path.join(artifact.uri, f"Split-{split}", name)
        with tf.io.gfile.GFile(path, "rb") as stream:
            yield split, stream.read()


def _transform(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    return {
        "words_met": _count_lines(os.path.join(artifact.uri, "transform_fn", "assets", "words"))
    }


def _word_vectors(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    with tf.io.gfile.GFile(os.path.join(artifact.uri, "vectors.npy"), "rb") as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        (rows, size), _, _ = read_header(stream)
    # Row 0 is the padding.
    return {"words": rows - 1, "values_of_a_word": size}


def training_figures(log: str) -> dict[str, Any]:
    """Returns the figures of a training log.

    Args:
      log: the trainer's training.jsonl.

    Returns:
      `steps`; where the log has them, `samples`, `train_seconds` and `samples_a_second`; and where
      that was measured, `input_wait_seconds` and `input_stall`, its share of the training time.
    """
    lines = [json.loads(line) for line in log.splitlines()]
    figures: dict[str, Any] = {"steps": lines[-1]["step"] if lines else 0}

    def total(name: str) -> float | None:
        return sum(line[name] for line in lines) if all(name in line for line in lines) else None

    seconds, samples = total("train_seconds"), total("clips")
    if seconds and samples:
        figures["samples"] = samples
        figures["train_seconds"] = round(seconds, 3)
        figures["samples_a_second"] = round(samples / seconds, 2)
        waited = total("input_wait_seconds")
        if waited is not None:
            figures["input_wait_seconds"] = round(waited, 3)
            figures["input_stall"] = round(waited / seconds, 4)
    return figures


def _training(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    return training_figures(_read(artifact.uri, LOG_NAME))


def _model(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    sizes = (
        tf.io.gfile.stat(os.path.join(folder, name)).length
        for folder, _, names in tf.io.gfile.walk(artifact.uri)
        for name in names
    )
    return {"model_bytes": sum(sizes)}


def _evaluation(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    document = json.loads(_read(artifact.uri, "metrics.json"))
    return {
        "clips_scored": document["num_scored"],
        "text_to_video_R@10": document["text_to_video"]["R@10"],
    }


def _benchmark(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    items = json.loads(_read(artifact.uri, "result.json"))["items"]
    figures = {"items_annotated": items["annotated"], "items_scored": items["scored"]}
    return figures | _beam(artifact)


def _blessing(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    return {"blessed": bool(artifact.custom_properties["blessed"].int_value)}


def _pushed(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    properties = artifact.custom_properties
    if not properties["pushed"].int_value:
        return {"pushed": False}
    return {"pushed": True, "version": properties["pushed_version"].string_value}


def _index(artifact: metadata_store_pb2.Artifact) -> dict[str, Any]:
    return {"clips_indexed": _count_lines(os.path.join(artifact.uri, "clips.jsonl"))}


def _read(folder: str, name: str) -> str:
    with tf.io.gfile.GFile(os.path.join(folder, name)) as stream:
        return stream.read()


def _count_lines(path: str) -> int:
    with tf.io.gfile.GFile(path) as stream:
        return sum(1 for _ in stream)


_READERS: Mapping[str, _Reader] = {
    "BenchmarkEvaluation": _benchmark,
    "ClipIndex": _index,
    "ExampleAnomalies": _anomalies,
    "ExampleStatistics": _statistics,
    "Ledger": _ledger,
    "Model": _model,
    "ModelBlessing": _blessing,
    "ModelRun": _training,
    "PushedModel": _pushed,
    "RetrievalEvaluation": _evaluation,
    "TransformGraph": _transform,
    "WordVectors": _word_vectors,
}
