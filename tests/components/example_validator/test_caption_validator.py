import dataclasses
import os
import pathlib

import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx.components.statistics_gen import executor as statistics_executor
from tfx.types import artifact_utils, standard_artifacts

from components.example_validator import component, executor
from schemas import records

_SCHEMA = pathlib.Path(records.__file__).with_name("captions.pbtxt")


def _caption(index: int, **changes) -> records.CaptionRecord:
    record = records.CaptionRecord(
        video_id="abc",
        caption=f"cut slice {index}",
        caption_start=4.0 * index,
        caption_end=4.0 * index + 3,
        clip_start=4.0 * index,
        clip_end=4.0 * index + 5,
        clip_num_frames=50,
        video_duration=100.0,
        video_width=640,
        video_height=360,
    )
    return dataclasses.replace(record, **changes)


def _channel(artifact_type, path: pathlib.Path, splits=()):
    artifact = artifact_type()
    artifact.uri = str(path)
    if splits:
        artifact.split_names = artifact_utils.encode_split_names(list(splits))
    return [artifact]


def _validate(tmp_path: pathlib.Path, train: list[bytes], evaluation: list[bytes]):
    """Runs StatisticsGen and the validator on two splits; returns the anomalies artifact."""
    for split, serialized in (("train", train), ("eval", evaluation)):
        folder = tmp_path / "examples" / f"Split-{split}"
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "captions.gz"), "GZIP") as writer:
            for example in serialized:
                writer.write(example)
    examples = _channel(standard_artifacts.Examples, tmp_path / "examples", ("train", "eval"))
    statistics = _channel(standard_artifacts.ExampleStatistics, tmp_path / "statistics")
    statistics_executor.Executor().Do(
        {"examples": examples}, {"statistics": statistics}, {"exclude_splits": "[]"}
    )
    folder = tmp_path / "schema"
    folder.mkdir()
    (folder / "schema.pbtxt").write_text(_SCHEMA.read_text())
    anomalies = _channel(standard_artifacts.ExampleAnomalies, tmp_path / "anomalies")
    executor.Executor().Do(
        {"statistics": statistics, "schema": _channel(standard_artifacts.Schema, folder)},
        {"anomalies": anomalies},
        {"exclude_splits": "[]", "custom_validation_config": None},
    )
    return anomalies[0]


def test_schema_describes_every_feature_of_a_caption_record():
    schema = tfdv.load_schema_text(str(_SCHEMA))
    example = tf.train.Example.FromString(records.serialize_caption(_caption(0)))
    kinds = {"bytes_list": "BYTES", "float_list": "FLOAT", "int64_list": "INT"}
    stored = {
        name: kinds[feature.WhichOneof("kind")]
        for name, feature in example.features.feature.items()
    }
    described = {
        feature.name: schema_pb2.FeatureType.Name(feature.type) for feature in schema.feature
    }
    assert described == stored


def test_good_records_pass(tmp_path):
    good = [records.serialize_caption(_caption(i)) for i in range(20)]
    artifact = _validate(tmp_path, good, good[:3])
    assert artifact_utils.decode_split_names(artifact.split_names) == ["train", "eval"]
    for split in ("train", "eval"):
        path = os.path.join(artifact.uri, f"Split-{split}", "SchemaDiff.pb")
        anomalies = anomalies_pb2.Anomalies.FromString(pathlib.Path(path).read_bytes())
        assert not anomalies.anomaly_info


def test_anomalies_stop_the_run_and_name_each_feature(tmp_path):
    good = [records.serialize_caption(_caption(i)) for i in range(20)]
    early = records.serialize_caption(_caption(0, caption_start=-2.0))
    empty = records.serialize_caption(_caption(1, caption=""))
    example = tf.train.Example.FromString(good[0])
    del example.features.feature["video_id"]
    with pytest.raises(RuntimeError, match="do not match their schema") as caught:
        _validate(tmp_path, [*good, early, empty], [*good, example.SerializeToString()])
    message = str(caught.value)
    assert "train: feature caption/start: " in message
    assert "train: feature caption/num_words: " in message
    assert "eval: feature video_id: " in message
    assert "eval: feature caption/start" not in message
    assert "\n" not in message
    diff = tmp_path / "anomalies" / "Split-train" / "SchemaDiff.pb"
    written = anomalies_pb2.Anomalies.FromString(diff.read_bytes())
    assert set(written.anomaly_info) == {"caption/start", "caption/num_words"}


def test_component_runs_this_executor():
    assert component.CaptionValidator.EXECUTOR_SPEC.executor_class is executor.Executor
