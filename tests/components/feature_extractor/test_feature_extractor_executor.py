import json
import os

import numpy as np
import pytest
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.orchestration.portable import data_types
from tfx.types import artifact_utils, standard_artifacts

from components import artifacts, beam_engine
from components.feature_extractor import driver, executor, extraction
from components.feature_extractor.component import FeatureExtractor
from components.feature_extractor.config import FeaturesConfig
from components.feature_extractor.fingerprint import features_fingerprint
from schemas.video_features import read_video_features


@pytest.fixture(name="features")
def fixture_features(tmp_path):
    for stream, rows in (("2d", 6), ("3d", 9)):
        for video_id in ("v0", "v1"):
            path = tmp_path / "features" / stream / f"{video_id}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.ones([rows, 4], np.float16))
    return tmp_path / "features"


@pytest.fixture(name="examples")
def fixture_examples(tmp_path, clock_world):
    artifact = standard_artifacts.Examples()
    artifact.uri = str(tmp_path / "examples")
    artifact.split_names = artifact_utils.encode_split_names(["train", "eval"])
    for split, video_id in (("train", "v0"), ("eval", "v1")):
        folder = tmp_path / "examples" / f"Split-{split}"
        clock_world.write_captions(folder, {video_id: [1, 2]}, 6.0)
    return artifact


@pytest.fixture(name="outputs")
def fixture_outputs(tmp_path):
    outputs = {"features": standard_artifacts.Examples(), "ledger": artifacts.Ledger()}
    for name, artifact in outputs.items():
        artifact.uri = str(tmp_path / "root" / name)
    return outputs


def run(examples, outputs, features, state):
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=beam_engine.engine_arguments((), 1), stateful_working_dir=str(state)
    )
    config = FeaturesConfig(source=str(features))
    executor.Executor(context).Do(
        {"examples": [examples]},
        {name: [artifact] for name, artifact in outputs.items()},
        {"videos": "", "features_config": config.to_json(), "input_fingerprint": "x"},
    )


def test_do_fills_the_artifacts(examples, outputs, features, tmp_path):
    run(examples, outputs, features, tmp_path / "state")
    artifact = outputs["features"]
    assert artifact_utils.decode_split_names(artifact.split_names) == ["train", "eval"]
    assert artifact.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    for split, video_id in (("train", "v0"), ("eval", "v1")):
        (uri,) = artifact_utils.get_split_uris([artifact], split)
        (name,) = os.listdir(uri)
        assert name == "features-00000-of-00001.tfrecord"
        (record,) = read_video_features([os.path.join(uri, name)])
        assert (record.video_id, len(record.captions)) == (video_id, 2)
    summary = json.loads((tmp_path / "root" / "ledger" / "summary.json").read_text())
    assert summary["videos"] == {"read": 2, "kept": 2, "left_out": {}}
    left = sorted(os.listdir(tmp_path / "root" / "ledger"))
    assert left == ["beam_metrics.json", "ledger.jsonl", "summary.json"]


def test_only_splits_with_videos_are_named(examples, outputs, features, tmp_path):
    (features / "2d" / "v1.npy").unlink()
    run(examples, outputs, features, tmp_path / "state")
    names = artifact_utils.decode_split_names(outputs["features"].split_names)
    assert names == ["train"]
    assert os.listdir(tmp_path / "root" / "features") == ["Split-train"]


def test_ledger_of_a_failure_outlives_the_outputs(examples, outputs, features, tmp_path):
    for path in features.glob("2d/*.npy"):
        path.write_bytes(b"")
    state = tmp_path / "state"
    with pytest.raises(extraction.ExtractionError, match=rf"2 of 2 videos .* See {state}/ledger"):
        run(examples, outputs, features, state)
    assert len((state / "ledger.jsonl").read_text().splitlines()) == 2


def test_driver_adds_a_fingerprint_that_follows_the_files(features):
    component = FeatureExtractor(
        types.Channel(type=standard_artifacts.Examples),
        config=FeaturesConfig(source=str(features)),
    )

    def drive():
        output = driver.Driver(None).run(
            data_types.ExecutionInfo(exec_properties=dict(component.exec_properties))
        )
        return {name: value.string_value for name, value in output.exec_properties.items()}

    first = drive()
    assert first["videos"] == ""
    assert drive() == first
    np.save(features / "2d" / "v0.npy", np.ones([7, 4]))
    assert drive()["input_fingerprint"] != first["input_fingerprint"]


def test_fingerprint_counts_weights_models_and_videos(tmp_path, features, clock_world):
    for name in ("2d.h5", "3d.pth", "videos.csv", "v0.mp4"):
        (tmp_path / name).write_bytes(b"path\nv0.mp4\n")
    weights = FeaturesConfig(weights_2d=str(tmp_path / "2d.h5"), weights_3d=f"{tmp_path}/3d.pth")
    manifest = str(tmp_path / "videos.csv")
    seen = [features_fingerprint(manifest, weights)]
    for name in ("2d.h5", "3d.pth", "v0.mp4"):
        (tmp_path / name).write_bytes(b"another")
        seen.append(features_fingerprint(manifest, weights))
    hub = FeaturesConfig(source=f"hub:{tmp_path / 'model'}")
    for version in ("1", "2"):
        clock_world.write_model(tmp_path / "model" / version)
        seen.append(features_fingerprint(manifest, hub))
    (features / "3d" / "v2.npy").write_bytes(b"")
    seen.append(features_fingerprint("", FeaturesConfig(source=str(features))))
    assert len(set(seen)) == len(seen) == 7


def test_component_has_the_outputs_that_others_read(features):
    component = FeatureExtractor(
        types.Channel(type=standard_artifacts.Examples),
        "videos",
        FeaturesConfig(source=str(features)),
    )
    assert {name: channel.type for name, channel in component.outputs.items()} == {
        "features": standard_artifacts.Examples,
        "ledger": artifacts.Ledger,
    }


def test_component_without_weights_says_so():
    with pytest.raises(ValueError, match="need their weights"):
        FeatureExtractor(types.Channel(type=standard_artifacts.Examples), "videos")
