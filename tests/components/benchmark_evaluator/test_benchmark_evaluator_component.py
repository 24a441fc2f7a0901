import json

import pytest
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts

from components import artifacts
from components.benchmark_evaluator import component, driver, executor
from components.benchmark_evaluator.config import GateConfig
from components.model_blessing import is_blessed, mark_blessing
from components.narrated_video_example_gen.ingest import FN_API_RUNNER

_SETTINGS = {
    "frames": {"num_frames": 4, "image_size": 16},
    "protocol": {"num_windows": 1},
}


def _artifact(kind, uri):
    artifact = kind()
    artifact.uri = str(uri)
    uri.mkdir(parents=True, exist_ok=True)
    return artifact


@pytest.fixture
def clips(colour_world, tmp_path):
    """Returns the configuration of a benchmark of three videos with two clips each."""
    rows = ["video_id,start,end,caption"]
    for video in range(3):
        shown = colour_world.captions[2 * video : 2 * video + 2]
        colour_world.write_video(tmp_path / "videos" / f"v{video}.mp4", shown, seconds=2)
        rows += [f"v{video},{2 * n},{2 * n + 2},{caption}" for n, caption in enumerate(shown)]
    annotations = tmp_path / "clips.csv"
    annotations.write_text("\n".join(rows) + "\n")
    return {
        "benchmark": "csv",
        "annotations": str(annotations),
        "videos": str(tmp_path / "videos"),
        "settings": _SETTINGS,
    }


@pytest.fixture
def run(colour_world, tmp_path):
    colour_world.write_model(tmp_path / "model" / "Format-Serving")
    model = _artifact(standard_artifacts.Model, tmp_path / "model")

    def run(config, prior=None):
        inputs = {"model": [model]}
        if prior is not None:
            blessing = _artifact(standard_artifacts.ModelBlessing, tmp_path / "prior")
            mark_blessing(blessing, model, prior)
            inputs["prior_blessing"] = [blessing]
        outputs = {
            "evaluation": [_artifact(artifacts.BenchmarkEvaluation, tmp_path / "evaluation")],
            "blessing": [_artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing")],
        }
        context = base_beam_executor.BaseBeamExecutor.Context(
            beam_pipeline_args=[f"--runner={FN_API_RUNNER}", "--direct_num_workers=1"]
        )
        executor.Executor(context).Do(inputs, outputs, {"config": config.to_json()})
        result = json.loads((tmp_path / "evaluation" / "result.json").read_text())
        return result, is_blessed(outputs["blessing"][0])

    return run


def test_a_model_that_reaches_the_bar_is_blessed(run, clips, tmp_path):
    result, blessed = run(GateConfig(**clips, minimum=1.0))
    assert blessed
    assert (tmp_path / "blessing" / "BLESSED").exists()
    assert result["metrics"]["R@1"] == 1.0
    assert result["items"]["scored"] == 6
    assert result["settings"]["frames"]["num_frames"] == 4
    assert result["gate"] == {
        "minimum": 1.0,
        "blessed": True,
        "reason": "Blessed: R@10 of 1.000 on own clips; at least 1.000 is required.",
    }


def test_an_earlier_refusal_stays_one(run, clips):
    result, blessed = run(GateConfig(**clips), prior=False)
    assert not blessed
    assert "was refused before" in result["gate"]["reason"]
    assert run(GateConfig(**clips), prior=True)[1]


def test_missing_items_refuse_where_all_are_required(run, clips, tmp_path):
    (tmp_path / "videos" / "v2.mp4").unlink()
    assert run(GateConfig(**clips))[1]
    result, blessed = run(GateConfig(**clips, require_complete=True))
    assert not blessed
    assert "4 of 6 clips of own clips were scored, and all are required" in result["gate"]["reason"]


class _Result:
    def __init__(self, value):
        self.content = {
            "headline": "R@10",
            "title": "YouCook2",
            "metrics": {"R@10": value},
            "items": {"scored": 10, "annotated": 10, "unit": "clips"},
        }


@pytest.mark.parametrize(
    ("value", "prior", "blessed"),
    [(0.5, None, True), (0.5, True, True), (0.5, False, False), (0.49, None, False)],
)
def test_the_bar_is_part_of_what_passes(value, prior, blessed):
    config = GateConfig("youcook2", "a.csv", "videos", minimum=0.5)
    assert executor.decide(_Result(value), config, prior)[0] is blessed


def test_a_change_of_the_benchmarks_files_is_a_cache_miss(clips, tmp_path):
    properties = {"config": GateConfig(**clips).to_json()}
    found = driver.Driver(None)
    before = found.fingerprint(properties)
    assert found.fingerprint(properties) == before
    (tmp_path / "videos" / "more.mp4").write_bytes(b"x")
    after = found.fingerprint(properties)
    with open(clips["annotations"], "a") as stream:
        stream.write("v0,0,1,more\n")
    assert len({before, after, found.fingerprint(properties)}) == 3


def test_the_configuration_survives_json_and_refuses_what_it_does_not_know(clips):
    config = GateConfig(**clips, minimum=0.25)
    assert GateConfig.from_json(config.to_json()) == config
    with pytest.raises(ValueError, match="unknown settings of a benchmark: bar"):
        GateConfig.from_json('{"benchmark": "csv", "annotations": "a", "bar": 1}')


def test_the_component_wires_its_channels(clips):
    gate = component.BenchmarkEvaluator(
        model=types.Channel(type=standard_artifacts.Model),
        config=GateConfig(**clips),
        prior_blessing=types.Channel(type=standard_artifacts.ModelBlessing),
    )
    assert set(gate.inputs) == {"model", "prior_blessing"}
    assert gate.outputs["blessing"].type is standard_artifacts.ModelBlessing
    assert gate.outputs["evaluation"].type is artifacts.BenchmarkEvaluation
