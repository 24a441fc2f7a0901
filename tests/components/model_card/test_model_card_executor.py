import json

import pytest
import tensorflow as tf
import tensorflow_hub as hub
from tfx import types
from tfx.components.pusher import executor as pusher_executor
from tfx.types import standard_artifacts

from components import artifacts
from components.model_card import card, component, executor

_METRICS = {
    "text_to_video": {"R@1": 0.25, "R@5": 0.5, "R@10": 0.75, "median_rank": 4.0, "num_ties": 3},
    "video_to_text": {"R@1": 0.125, "R@5": 0.5, "R@10": 0.7, "median_rank": 5.5, "num_ties": 0},
    "random": {"R@1": 0.005, "R@5": 0.025, "R@10": 0.05, "median_rank": 100.5},
    "clip_set": "annotated clips",
    "num_expected": 201,
    "num_scored": 200,
    "num_distinct_captions": 199,
    "num_unknown_captions": 2,
    "protocol": {"in_words": "Four windows a clip."},
    "baseline": None,
    "eval_split": None,
}
_LEDGER = {
    "videos": {"read": 12, "kept": 10, "left_out": {"no_captions": 2}},
    "clips": {"read": 90, "kept": 90, "left_out": {}},
}
_SETTINGS = {
    "training": {"steps": 1500, "decay_at": [0.5, 0.8], "mixed_bfloat16": False},
    "words": {"vectors": "/data/vectors/news.bin.gz", "language": None},
    "model": {"embedding_size": 64},
}


def _artifact(kind, uri):
    artifact = kind()
    artifact.uri = str(uri)
    uri.mkdir(parents=True, exist_ok=True)
    return artifact


def _card(metrics=_METRICS, ledger=_LEDGER, settings=_SETTINGS):
    return card.render("acme", "howto", settings, metrics, ledger)


def test_the_card_holds_metrics_with_the_random_row_and_the_protocol():
    text = _card()
    assert text.startswith("# acme/howto\n")
    assert "| text to video | 25.0 % | 50.0 % | 75.0 % | 4.0 | 3 |" in text
    assert "| video to text | 12.5 % | 50.0 % | 70.0 % | 5.5 | 0 |" in text
    assert "| random guessing | 0.5 % | 2.5 % | 5.0 % | 100.5 |  |" in text
    assert "200 of 201 expected clips were scored" in text
    assert "Four windows a clip." in text


def test_the_card_holds_data_and_settings_but_no_path():
    text = _card()
    assert "| videos | 12 | 10 | 2 no captions |" in text
    assert "| clips | 90 | 90 | none |" in text
    assert "| steps | 1500 |" in text
    assert "| decay at | 0.5, 0.8 |" in text
    assert "| mixed bfloat16 | no |" in text
    assert "| vectors | news.bin.gz |" in text
    assert "| language | none |" in text
    assert "/data" not in text
    assert "float32 [B, 64]" in text


def test_tables_are_whole():
    # A blank line inside a table would end it.
    for block in _card().split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        if lines:
            assert len({line.count("|") for line in lines}) == 1, block
            assert set(lines[1]) <= set("|-: "), block


def test_the_card_compares_with_the_version_before_by_its_number():
    before = {**_METRICS["text_to_video"], "R@10": 0.7, "median_rank": 6.0}
    baseline = {"path": "/data/hub/acme/howto/17", "text_to_video": before}
    text = _card({**_METRICS, "baseline": baseline, "eval_split": {**_METRICS, "num_scored": 77}})
    assert "pushed before this one, 17, has" in text
    assert "R@10 of 70.0 %" in text
    assert "77 of 201 expected clips" in text


def test_a_card_without_ledger_and_settings_says_so():
    text = _card(ledger=None, settings={})
    assert "No ledger of the data was given." in text
    assert "No settings were given." in text
    assert "float32 [B, D]" in text


@pytest.mark.parametrize("with_ledger", [True, False])
def test_the_pusher_pushes_the_card_with_a_model_that_loads(colour_world, tmp_path, with_ledger):
    colour_world.write_model(tmp_path / "trained" / "Format-Serving")
    inputs = {
        "trained_model": [_artifact(standard_artifacts.Model, tmp_path / "trained")],
        "evaluation": [_artifact(artifacts.RetrievalEvaluation, tmp_path / "evaluation")],
    }
    (tmp_path / "evaluation" / "metrics.json").write_text(json.dumps(_METRICS))
    if with_ledger:
        inputs["ledger"] = [_artifact(artifacts.Ledger, tmp_path / "ledger")]
        (tmp_path / "ledger" / "summary.json").write_text(json.dumps(_LEDGER))
    model = _artifact(standard_artifacts.Model, tmp_path / "model")
    executor.Executor().Do(
        inputs,
        {"model": [model]},
        {"publisher": "acme", "model_name": "howto", "settings": json.dumps(_SETTINGS)},
    )
    hub_directory = tmp_path / "hub" / "acme" / "howto"
    destination = {"filesystem": {"base_directory": str(hub_directory)}}
    pusher_executor.Executor().Do(
        {"model": [model]},
        {"pushed_model": [_artifact(standard_artifacts.PushedModel, tmp_path / "pushed")]},
        {"push_destination": json.dumps(destination)},
    )
    (version,) = hub_directory.iterdir()
    text = (version / "MODEL_CARD.md").read_text()
    assert text.startswith("# acme/howto\n")
    assert ("10 | 2 no captions" in text) is with_ledger
    loaded = hub.load(str(version))
    embedding = loaded.signatures["text"](words=tf.constant(["red"]))["text_embedding"]
    assert embedding.numpy().tolist() == [[1.0, -1.0, -1.0]]
    assert not (tmp_path / "trained" / "Format-Serving" / "MODEL_CARD.md").exists()


def test_component_takes_and_gives_a_model():
    generator = component.ModelCardGen(
        model=types.Channel(type=standard_artifacts.Model),
        evaluation=types.Channel(type=artifacts.RetrievalEvaluation),
        publisher="acme",
        model_name="howto",
        settings=json.dumps(_SETTINGS),
    )
    assert generator.outputs["model"].type_name == "Model"
    assert json.loads(generator.exec_properties["settings"]) == _SETTINGS
