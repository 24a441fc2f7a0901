"""The HowTo100M road on small sample videos: features, training, push, fine-tuning, studies."""

import collections
import json
import pathlib

import numpy as np
import pytest
from ml_metadata.proto import metadata_store_pb2

from components.trainer.config import ModelConfig, TrainingConfig
from pipeline import results
from schemas import video_features

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_STATES = metadata_store_pb2.Execution
_NODES = 14
_SETTINGS = {
    "training.steps": 20,
    "training.steps_per_epoch": 10,
    "training.videos_per_batch": 3,
    "training.pairs_per_video": 4,
    "model.embedding_size": 16,
    "model.caption_size": 16,
    "features.hub_rate": 0.5,
    # Twenty steps teach nothing, but the road behind the blessing is to be tested too.
    "evaluation.min_recall_margin": -1,
}


def _settings(**more) -> list[str]:
    settings = {**_SETTINGS, **{name.replace("__", "."): value for name, value in more.items()}}
    return [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module")
def data(tmp_path_factory, howto100m) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data")
    howto100m("sample-data", "--output", str(folder), "--videos", "6", "--test-videos", "3")
    return folder


@pytest.fixture(scope="module")
def hub_model(tmp_path_factory) -> pathlib.Path:
    """A pushed S3D that never learnt anything: its mixed_5c is as good as any to test a road."""
    from components.trainer import milnce_training
    from models import export

    folder = tmp_path_factory.mktemp("hub") / "mil-nce-s3d" / "1"
    config = ModelConfig(width=0.125, text_hidden_size=8, embedding_size=8)
    training = TrainingConfig(num_frames=8, image_size=64, num_candidates=1)
    model = milnce_training.build_model(config, training, np.zeros([2, 4], np.float32))
    export.export_text_video_model(model, folder, ["cut"], max_words=16, config={})
    return folder.parent


@pytest.fixture(scope="module")
def run(data, hub_model, tmp_path_factory, howto100m) -> tuple[list[str], str]:
    """Runs the road; returns its arguments and what it printed."""
    arguments = ["run", "--preset", "sample-gated", "--videos", str(data / "videos")]
    arguments += ["--output", str(tmp_path_factory.mktemp("run"))]
    arguments += ["--test-videos", str(data / "test" / "videos")]
    arguments += ["--test-annotations", str(data / "test" / "annotations.csv")]
    arguments += ["--features", f"hub:{hub_model}", *_settings()]
    return arguments, howto100m(*arguments)


def _output(arguments: list[str]) -> pathlib.Path:
    return pathlib.Path(arguments[arguments.index("--output") + 1])


def test_run_ends_with_a_pushed_model_with_both_signatures(run):
    import tensorflow_hub as hub

    output = _output(run[0])
    version, _ = sorted((output / "hub" / "local" / "howto100m-gated").iterdir())
    model = hub.load(str(version))
    video = model.signatures["video"](features=np.eye(2, 128, dtype=np.float32))
    text = model.signatures["text"](words=np.array(["cut the red star", ""]))
    for embedding in (video["video_embedding"], text["text_embedding"]):
        assert embedding.shape == (2, 16)
        np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1.0, rtol=1e-5)
    card = (version / "MODEL_CARD.md").read_text()
    assert "features" in card
    assert "S3D" not in card.split("## Data")[0]


def test_people_find_what_the_gated_run_leaves(run):
    output = _output(run[0])
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["num_expected"] == metrics["num_scored"] == 24
    (stream,) = metrics["protocol"]["features"]
    assert stream == {"name": "mixed_5c", "rate": 0.5, "size": 128}
    summary = json.loads((output / "features_summary.json").read_text())
    assert summary["videos"]["kept"] == 6
    assert "data:image/jpeg" in (output / "report.html").read_text()
    assert "features:" in run[1]


def test_search_answers_from_features(run, howto100m):
    printed = howto100m("search", "--run", str(_output(run[0])), "--top", "2", "cut the red star")
    assert [line.split(".")[0].strip() for line in printed.splitlines()[1:]] == ["1", "2"]


def test_unchanged_gated_run_is_all_cache_hits(run, howto100m):
    output = _output(run[0])
    store = results.connect(output / "metadata.sqlite")
    before = {execution.id for execution in store.get_executions()}
    printed = howto100m(*run[0])
    states = collections.Counter(
        execution.last_known_state
        for execution in store.get_executions()
        if execution.id not in before
    )
    assert states == {_STATES.CACHED: _NODES}
    assert f"0 nodes run, {_NODES} from cache" in printed


def test_fine_tuning_reports_four_rows_and_goes_on_without_missing_files(
    run, data, tmp_path, howto100m
):
    annotations = tmp_path / "annotations.csv"
    lines = (data / "test" / "annotations.csv").read_text()
    annotations.write_text(lines + "gone-00001,1.0,2.0,cut the red plain star\n")
    output = tmp_path / "run"
    printed = howto100m(
        *("run", "--preset", "sample-gated", "--output", str(output)),
        *("--videos", str(data / "test" / "videos"), "--annotations", str(annotations)),
        *("--features", run[0][run[0].index("--features") + 1]),
        *("--init-from", str(_output(run[0]) / "hub" / "local" / "howto100m-gated")),
        *("--train-fraction", "0.75", "--workers", "1"),
        *_settings(ingest__eval_fraction=0.4, training__videos_per_batch=2),
    )
    rows = json.loads((output / "metrics.json").read_text())["fine_tuning"]
    assert [row["name"] for row in rows] == [
        "random",
        "trained on the target only",
        "pre-trained only",
        "pre-trained and fine-tuned",
    ]
    assert all(0 <= row["R@10"] <= 1 for row in rows)
    assert "1 of 4 annotated videos have no file: gone-00001" in printed
    assert "pre-trained and fine-tuned:" in printed


def test_evaluate_finds_by_features_what_the_pipeline_found(run, data, tmp_path, howto100m):
    output = _output(run[0])
    records = output.glob(
        "pipeline_root/AnnotatedFeatureExtractor/features/*/Split-eval/*.tfrecord*"
    )
    (tmp_path / "features" / "mixed_5c").mkdir(parents=True)
    for video in video_features.read_video_features(sorted(map(str, records))):
        (stream,) = video.streams
        np.save(tmp_path / "features" / stream.name / f"{video.video_id}.npy", stream.values)
    howto100m(
        *("evaluate", "--benchmark", "csv", "--workers", "1"),
        *("--model", str(output / "hub" / "local" / "howto100m-gated")),
        *("--annotations", str(data / "test" / "annotations.csv")),
        *("--features", str(tmp_path / "features")),
        *("--store", str(tmp_path / "store"), "--output", str(tmp_path / "result")),
    )
    result = json.loads((tmp_path / "result" / "result.json").read_text())
    assert result["items"]["scored"] == result["items"]["annotated"] == 24
    # The same numbers go through the same model: nothing may differ.
    found = json.loads((output / "metrics.json").read_text())["text_to_video"]
    for name, value in result["metrics"].items():
        assert value == pytest.approx(found[name], abs=1e-9), name


def test_studies_leave_tables_and_plots(run, tmp_path, howto100m):
    folder = str(_output(run[0]))
    printed = howto100m(
        *("study", "negatives", "--run", folder, "--output", str(tmp_path)),
        *("--seeds", "1", "--steps", "10"),
    )
    assert "Negatives from the same video help" in printed
    content = json.loads((tmp_path / "negatives.json").read_text())
    assert len(content["rows"]) == 3
    assert (tmp_path / "negatives.md").exists()
    assert (tmp_path / "negatives.png").exists()
