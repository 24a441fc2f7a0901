import json

import pytest
import tensorflow as tf
import tensorflow_hub as hub
from tfx import types
from tfx.components.pusher import executor as pusher_executor
from tfx.types import standard_artifacts

from components import artifacts
from components.model_card import card, component, executor
from models.description import ModelDescription

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


_GATED = ModelDescription(
    "gated",
    {"embedding_size": 4096},
    [{"name": "2d", "rate": 1.0, "size": 2048}, {"name": "3d", "rate": 1.5, "size": 2048}],
    ["cut"],
)
_FINE_TUNED = {
    **_METRICS,
    "pretrained_model": "gated, version 17",
    "fine_tuning": [
        {"name": "random", **_METRICS["random"]},
        {"name": "pre-trained only", "error": "/data/hub/17 does not load"},
        {"name": "pre-trained and fine-tuned", **_METRICS["text_to_video"]},
    ],
}


def _card(metrics=_METRICS, ledger=_LEDGER, settings=_SETTINGS, description=None):
    return card.render("acme", "howto", settings, metrics, ledger, description)


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


def test_a_pushed_model_among_the_settings_keeps_its_name():
    text = _card(settings={"features": {"source": "hub:/data/hub/acme/s3d/17"}})
    assert "| source | s3d, version 17 |" in text
    assert "/data" not in text


@pytest.mark.parametrize("description", [None, _GATED])
@pytest.mark.parametrize("metrics", [_METRICS, _FINE_TUNED])
def test_tables_are_whole(description, metrics):
    # A blank line inside a table would end it.
    for block in _card(metrics, description=description).split("\n\n"):
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
    assert "float32 [B, E]" in text


def test_a_gated_model_is_described_as_what_it_is():
    settings = {**_SETTINGS, "training": {"negatives": "sampled"}, "features": {"rate_2d": 1.0}}
    text = _card(settings=settings, description=_GATED)
    assert "max-margin ranking loss" in text
    assert "half of them from the same video" in text
    assert 'signatures["video"](features=tf.zeros([1, 4096]))' in text
    assert "| `video` | `features` float32 [B, 4096], see below | `video_embedding`" in text
    assert "both have length 1, so it is the cosine" in text
    assert "| 3d | 1.5 | 2048 |" in text
    assert "| Features | |\n|---|---|\n| rate 2d | 1.0 |" in text
    for other in ("S3D", "MIL-NCE", "images", "not normalised", "mixed_5c"):
        assert other not in text
    settings["training"]["negatives"] = "other_videos"
    assert "all of them from other videos" in _card(settings=settings, description=_GATED)


def test_a_milnce_model_is_described_as_what_it_is():
    for text in (_card(), _card(description=ModelDescription("milnce", {}, None, ["cut"]))):
        assert "S3D" in text
        assert "trained from narrated videos alone" in text
        assert "they are not normalised" in text
        for other in ("gated", "max-margin", "cosine", "Training started from"):
            assert other not in text


def test_a_fine_tuned_model_names_its_origin_and_shows_the_rows():
    text = _card(_FINE_TUNED, description=_GATED)
    assert "started from the weights of gated, version 17 and went on" in text
    assert "narrated videos alone" not in text
    assert "| random | 0.5 % | 2.5 % | 5.0 % | 100.5 |" in text
    assert "| pre-trained only | could not be scored | | | |" in text
    assert "| pre-trained and fine-tuned | 25.0 % | 50.0 % | 75.0 % | 4.0 |" in text
    assert "/data" not in text


def test_annotated_clips_are_not_called_narration():
    text = _card(settings={"ingest": {"annotations": "/data/youcook.csv"}}, description=_GATED)
    assert "It was trained on annotated clips." in text
    assert "The clips are the segments of the annotations" in text
    assert "Narration is weak supervision" not in text
    assert "| annotations | youcook.csv |" in text


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


def test_the_kind_is_read_from_the_models_own_description(colour_world, tmp_path):
    colour_world.write_feature_model(tmp_path / "trained" / "Format-Serving")
    evaluation = _artifact(artifacts.RetrievalEvaluation, tmp_path / "evaluation")
    (tmp_path / "evaluation" / "metrics.json").write_text(json.dumps(_METRICS))
    executor.Executor().Do(
        {
            "trained_model": [_artifact(standard_artifacts.Model, tmp_path / "trained")],
            "evaluation": [evaluation],
        },
        {"model": [_artifact(standard_artifacts.Model, tmp_path / "model")]},
        {"publisher": "acme", "model_name": "howto", "settings": "{}"},
    )
    serving = tmp_path / "model" / "Format-Serving"
    text = (serving / "MODEL_CARD.md").read_text()
    assert "features=tf.zeros([1, 3])" in text
    assert "`video_embedding` float32 [B, 3]" in text
    assert (serving / "assets.extra" / "howto100m.json").exists()


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
