import json

import pytest
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.orchestration.portable import data_types
from tfx.types import artifact_utils, standard_artifacts

from components import artifacts, beam_engine
from components.narrated_video_example_gen import driver, executor, ingest
from components.narrated_video_example_gen.component import NarratedVideoExampleGen
from components.narrated_video_example_gen.config import IngestConfig

CONFIG = IngestConfig(frame_rate=2.0, short_side=32, eval_fraction=0.3)


@pytest.fixture(name="videos")
def fixture_videos(tmp_path, write_video):
    folder = tmp_path / "videos"
    folder.mkdir()
    video = write_video(folder / "v0.mp4", [n / 5 for n in range(30)]).read_bytes()
    for number in range(4):
        (folder / f"v{number}.mp4").write_bytes(video)
        (folder / f"v{number}.csv").write_text("start,end,text\n1,3,fold the paper\n")
    return folder


@pytest.fixture(name="outputs")
def fixture_outputs(tmp_path):
    outputs = {
        "examples": standard_artifacts.Examples(),
        "clips": standard_artifacts.Examples(),
        "ledger": artifacts.Ledger(),
    }
    for name, artifact in outputs.items():
        artifact.uri = str(tmp_path / "root" / name)
    return outputs


def run(videos, outputs, stateful_working_dir, config=CONFIG):
    context = base_beam_executor.BaseBeamExecutor.Context(
        beam_pipeline_args=beam_engine.engine_arguments((), 1),
        stateful_working_dir=str(stateful_working_dir),
    )
    executor.Executor(context).Do(
        {},
        {name: [artifact] for name, artifact in outputs.items()},
        {"videos": str(videos), "ingest_config": config.to_json(), "input_fingerprint": "x"},
    )


def test_do_fills_the_artifacts(videos, outputs, tmp_path):
    run(videos, outputs, tmp_path / "state")
    for name, payload in (
        ("examples", "FORMAT_TF_EXAMPLE"),
        ("clips", "FORMAT_TF_SEQUENCE_EXAMPLE"),
    ):
        artifact = outputs[name]
        assert artifact_utils.decode_split_names(artifact.split_names) == ["train", "eval"]
        assert artifact.get_string_custom_property("payload_format") == payload
        for split in ("train", "eval"):
            assert list((tmp_path / "root" / name / f"Split-{split}").iterdir())
    summary = json.loads((tmp_path / "root" / "ledger" / "summary.json").read_text())
    assert summary["videos"] == {"read": 4, "kept": 4, "left_out": {}}
    assert summary["clips"] == {"read": 4, "kept": 4, "left_out": {}}
    assert (tmp_path / "root" / "ledger" / "ledger.jsonl").read_text() == ""


def test_do_keeps_what_the_workers_counted(videos, outputs, tmp_path):
    run(videos, outputs, tmp_path / "state")
    folder = tmp_path / "root" / "ledger"
    metrics = {
        item["name"]: item for item in json.loads((folder / "beam_metrics.json").read_text())
    }
    assert set(metrics) == {"clips", "clip_bytes", "milliseconds_a_video"}
    assert {item["step"].split("/")[0] for item in metrics.values()} == {"Ingest"}
    assert metrics["clips"]["value"] == 4
    shards = (tmp_path / "root" / "clips").glob("Split-*/*.tfrecord")
    # A TFRecord adds 16 bytes to each of the four records.
    assert metrics["clip_bytes"]["value"] == sum(path.stat().st_size for path in shards) - 4 * 16
    times = metrics["milliseconds_a_video"]["value"]
    assert times["count"] == 4
    assert 0 < times["min"] <= times["mean"] <= times["max"] <= times["sum"]


def test_ledger_of_a_failure_outlives_the_outputs(videos, outputs, tmp_path):
    for path in videos.glob("*.mp4"):
        path.write_bytes(b"")
    state = tmp_path / "state"
    with pytest.raises(ingest.IngestError, match=rf"4 of 4 videos failed .* See {state}/ledger"):
        run(videos, outputs, state)
    assert len((state / "ledger.jsonl").read_text().splitlines()) == 4


def test_do_without_videos_names_the_splits_of_the_annotations(outputs, tmp_path):
    annotations = tmp_path / "segments.csv"
    annotations.write_text("video_id,start,end,caption\nv,1,3,fold the paper\n")
    config = IngestConfig(annotations=str(annotations), store_frames=False)
    component = NarratedVideoExampleGen("", config)
    properties = driver.Driver(None).run(
        data_types.ExecutionInfo(exec_properties=dict(component.exec_properties))
    )
    assert properties.exec_properties["videos"].string_value == ""
    run("", outputs, tmp_path / "state", config)
    for name in ("examples", "clips"):
        assert artifact_utils.decode_split_names(outputs[name].split_names) == ["eval"]
        assert not (tmp_path / "root" / name / "Split-train").exists()


def test_driver_adds_a_fingerprint_that_follows_the_files(videos):
    component = NarratedVideoExampleGen(str(videos), CONFIG)

    def drive():
        output = driver.Driver(None).run(
            data_types.ExecutionInfo(exec_properties=dict(component.exec_properties))
        )
        return {name: value.string_value for name, value in output.exec_properties.items()}

    first = drive()
    assert first["videos"] == str(videos)
    assert IngestConfig.from_json(first["ingest_config"]) == CONFIG
    assert drive() == first
    (videos / "v0.csv").write_text("start,end,text\n1,3,cut the paper\n")
    assert drive()["input_fingerprint"] != first["input_fingerprint"]


def test_component_has_the_outputs_that_others_read():
    component = NarratedVideoExampleGen("videos")
    assert {name: channel.type for name, channel in component.outputs.items()} == {
        "examples": standard_artifacts.Examples,
        "clips": standard_artifacts.Examples,
        "ledger": artifacts.Ledger,
    }
    assert isinstance(component.outputs["clips"], types.Channel)
    assert IngestConfig.from_json(component.exec_properties["ingest_config"]) == IngestConfig()
