import json

import numpy as np
import pytest
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts

from components import artifacts, beam_engine
from components.benchmark_evaluator import component, driver, executor
from components.benchmark_evaluator.config import GateConfig
from components.model_blessing import is_blessed, mark_blessing

PRIMARIES = ("red", "green", "blue")
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
            beam_pipeline_args=beam_engine.engine_arguments((), 1)
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
        "require_complete": True,
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
    assert run(GateConfig(**clips, require_complete=False))[1]
    result, blessed = run(GateConfig(**clips))
    assert not blessed
    assert "4 of 6 clips of own clips were scored, and all are required" in result["gate"]["reason"]


def test_embeddings_outlive_the_execution_where_a_store_is_named(run, clips, tmp_path):
    config = GateConfig(**clips, store=str(tmp_path / "store"))
    run(config)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    assert [path.suffix for path in written] == [".npy"] * 3
    assert not (tmp_path / "evaluation" / "embeddings").exists()
    # As after a kill: what is there is taken, what is not is computed.
    lost = sorted(written)[0]
    lost.unlink()
    run(config)
    again = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    assert {path for path in again if again[path] != written[path]} == {lost}


@pytest.fixture
def features(colour_world, clips, tmp_path):
    """Returns the configuration of the same benchmark by features, and writes their model."""
    model = tmp_path / "model" / "Format-Serving"
    colour_world.write_feature_model(model, layout=None)
    for stream in ("2d", "3d"):
        (tmp_path / "features" / stream).mkdir(parents=True)
    for video in range(3):
        shown = colour_world.captions[2 * video : 2 * video + 2]
        # A row for each half of a second; those at the end of a clip, which count too, are black.
        rows = np.zeros([8, 3])
        for second, caption in enumerate(shown):
            rows[4 * second + 1 : 4 * second + 4] = [word in caption for word in PRIMARIES]
        np.save(tmp_path / "features" / "2d" / f"v{video}.npy", rows[:, :2])
        np.save(tmp_path / "features" / "3d" / f"v{video}.npy", rows[:, 2:])
    return {**clips, "videos": "", "features": str(tmp_path / "features")}


def test_features_are_gated_at_the_rates_that_are_said(run, features):
    rates = {"2d": 2.0, "3d": 2.0}
    result, blessed = run(GateConfig(**features, minimum=1.0, feature_rates=rates))
    assert blessed
    assert result["metrics"]["R@1"] == 1.0
    # At another rate a stream ends before the second clip of each video.
    result, blessed = run(GateConfig(**features, feature_rates={"2d": 2.0, "3d": 4.0}))
    assert (result["items"]["scored"], blessed) == (3, False)


class _Result:
    def __init__(self, value, scored=10, **failed):
        self.content = {
            "headline": "R@10",
            "title": "YouCook2",
            "metrics": {"R@10": value},
            "items": {
                "scored": scored,
                "annotated": 10,
                "unit": "clips",
                "failed_by_reason": failed,
            },
        }


@pytest.mark.parametrize(
    ("value", "prior", "blessed"),
    [
        (0.5, None, True),
        (0.5, True, True),
        (0.5, False, False),
        (0.49, None, False),
        (float("nan"), None, False),
    ],
)
def test_the_bar_is_part_of_what_passes(value, prior, blessed):
    config = GateConfig("youcook2", "a.csv", "videos", minimum=0.5)
    assert executor.decide(_Result(value), config, prior)[0] is blessed


@pytest.mark.parametrize("require_complete", [False, True])
def test_a_model_whose_embeddings_are_not_finite_is_never_blessed(require_complete):
    config = GateConfig("youcook2", "a.csv", "videos", require_complete=require_complete)
    broken = _Result(1.0, scored=2, not_finite=7, missing_file=1)
    assert executor.decide(broken, config, True) == (
        False,
        "Not blessed: 7 of the model's embeddings of YouCook2 are not finite, so the model is "
        "broken.",
    )
    # A broken file is another matter, and so is a clip that runs past its video's end.
    bad_file = _Result(1.0, scored=9, features_not_finite=1)
    assert executor.decide(bad_file, config, True)[0] is not require_complete
    assert executor.decide(_Result(1.0, cut_off=3), config, True)[0]


def _fingerprint(config):
    return driver.Driver(None).fingerprint({"config": config.to_json()})


@pytest.mark.parametrize("setting", ["video_list", "vocabulary"])
def test_a_change_of_a_file_that_a_setting_names_is_a_cache_miss(clips, tmp_path, setting):
    path = tmp_path / "listed.csv"
    clips["settings"] = {"protocol": {setting: str(path)}}
    config = GateConfig(**clips)
    missing = _fingerprint(config)
    path.write_text("v0\n")
    written = _fingerprint(config)
    assert _fingerprint(config) == written
    path.write_text("v0\nv1\n")
    assert len({missing, written, _fingerprint(config)}) == 3


def test_a_change_of_a_file_that_a_pattern_names_is_a_cache_miss(clips, tmp_path):
    config = GateConfig(**{**clips, "annotations": f"{tmp_path}/*.tfrecord"})
    none = _fingerprint(config)
    (tmp_path / "a.tfrecord").write_bytes(b"a")
    one = _fingerprint(config)
    (tmp_path / "b.tfrecord").write_bytes(b"b")
    two = _fingerprint(config)
    assert _fingerprint(config) == two
    (tmp_path / "b.tfrecord").write_bytes(b"bb")
    assert len({none, one, two, _fingerprint(config)}) == 4


def test_links_are_followed_and_loops_of_them_are_not(clips, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "videos" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "videos" / "loop").symlink_to(tmp_path / "videos")
    config = GateConfig(**clips)
    before = _fingerprint(config)
    (tmp_path / "elsewhere" / "v3.mp4").write_bytes(b"x")
    assert _fingerprint(config) != before
    files = [path for path in driver._files(config) if path.endswith(".mp4")]
    assert sorted(path.rpartition("/")[2] for path in files) == [f"v{n}.mp4" for n in range(4)]


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
    config = GateConfig(**clips, minimum=0.25, feature_rates={"2d": 0.5})
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
