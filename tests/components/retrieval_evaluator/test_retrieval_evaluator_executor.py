import dataclasses
import json
import re

import pytest
from tfx import types
from tfx.components.util import model_utils
from tfx.types import artifact_utils, standard_artifacts

from components import artifacts
from components.retrieval_evaluator import component, executor
from components.retrieval_evaluator.config import EvaluatorConfig
from components.retrieval_evaluator.text_video_model import ModelError

_CONFIG = EvaluatorConfig(
    num_frames=4, frame_rate=2.0, image_size=16, num_windows=3, batch_size=4, recall_name="R@1"
)


def _artifact(kind, uri):
    artifact = kind()
    artifact.uri = str(uri)
    uri.mkdir(parents=True, exist_ok=True)
    return artifact


def _examples(uri, splits=("train", "eval")):
    examples = _artifact(standard_artifacts.Examples, uri)
    examples.split_names = artifact_utils.encode_split_names(list(splits))
    return examples


@pytest.fixture
def model(colour_world, tmp_path):
    colour_world.write_model(tmp_path / "model" / "Format-Serving")
    return _artifact(standard_artifacts.Model, tmp_path / "model")


@pytest.fixture
def run(tmp_path, model):
    def run(config=_CONFIG, **inputs):
        outputs = {
            "evaluation": [_artifact(artifacts.RetrievalEvaluation, tmp_path / "evaluation")],
            "blessing": [_artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing")],
        }
        executor.Executor().Do(
            {name: [artifact] for name, artifact in {"model": model, **inputs}.items()},
            outputs,
            {"config": json.dumps(dataclasses.asdict(config))},
        )
        document = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
        report = (tmp_path / "evaluation" / "report.html").read_text()
        return document, report, outputs["blessing"][0]

    return run


def _opposite(captions):
    return [*reversed(captions)]


def test_a_perfect_model_is_blessed(run, colour_world, tmp_path):
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", colour_world.captions)
    document, report, blessing = run(clips=_examples(tmp_path / "clips"))
    perfect = {
        "R@1": 1.0,
        "R@5": 1.0,
        "R@10": 1.0,
        "median_rank": 1.0,
        "num_queries": 8,
        "num_candidates": 8,
        "num_ties": 0,
    }
    assert document["text_to_video"] == perfect
    assert document["video_to_text"] == perfect
    assert document["random"] == {"R@1": 0.125, "R@5": 0.625, "R@10": 1.0, "median_rank": 4.5}
    assert (document["num_expected"], document["num_scored"]) == (8, 8)
    assert document["num_unknown_captions"] == 0
    assert document["baseline"] is None
    assert document["eval_split"] is None
    assert document["blessed"] is True
    assert model_utils.is_model_blessed(blessing)
    assert (tmp_path / "blessing" / "BLESSED").exists()
    assert "red and green and blue paint" in report


def test_metrics_of_wrong_captions_by_hand(run, colour_world, tmp_path):
    # The first and the last caption change places, and so lie opposite to what their clips show:
    # rank 8 of 8. The other six stay first.
    said = list(colour_world.captions)
    said[0], said[7] = said[7], said[0]
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", colour_world.captions, said)
    document, _, _ = run(clips=_examples(tmp_path / "clips"))
    for direction in ("text_to_video", "video_to_text"):
        assert document[direction]["R@1"] == 6 / 8
        assert document[direction]["R@5"] == 6 / 8
        assert document[direction]["R@10"] == 1.0
        assert document[direction]["median_rank"] == 1.0


def test_a_model_no_better_than_random_is_not_blessed(run, colour_world, tmp_path):
    captions = colour_world.captions
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", captions, _opposite(captions))
    document, report, blessing = run(clips=_examples(tmp_path / "clips"))
    assert document["text_to_video"]["R@1"] == 0.0
    assert document["text_to_video"]["median_rank"] == 8.0
    assert document["blessed"] is False
    assert not model_utils.is_model_blessed(blessing)
    assert (tmp_path / "blessing" / "NOT_BLESSED").exists()
    assert document["blessing_reason"] in report


def test_annotated_clips_give_the_headline(run, colour_world, tmp_path):
    captions = colour_world.captions
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", captions[:3], captions[7:4:-1])
    colour_world.write_clips(tmp_path / "annotated" / "Split-eval", captions)
    document, report, _ = run(
        clips=_examples(tmp_path / "clips"), annotated_clips=_examples(tmp_path / "annotated")
    )
    assert document["clip_set"] == "annotated clips"
    assert document["text_to_video"]["R@1"] == 1.0
    assert document["eval_split"]["text_to_video"]["R@1"] == 0.0
    assert document["eval_split"]["num_scored"] == 3
    assert "clips of the eval split" in report


def test_a_missing_eval_split_beside_annotated_clips_is_left_out(run, colour_world, tmp_path):
    colour_world.write_clips(tmp_path / "annotated" / "Split-eval", colour_world.captions)
    document, _, _ = run(
        clips=_examples(tmp_path / "clips", splits=["train"]),
        annotated_clips=_examples(tmp_path / "annotated", splits=["eval"]),
    )
    assert document["eval_split"] is None
    assert document["num_scored"] == 8


def test_the_newest_pushed_model_is_the_bar(run, colour_world, tmp_path):
    captions = list(colour_world.captions)
    said = [captions[7], *captions[1:7], captions[0]]
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", captions, said)
    clips = _examples(tmp_path / "clips")
    hub = tmp_path / "hub" / "local" / "colours"
    # Version 9 is turned round: of the eight captions it finds only the two wrong ones.
    colour_world.write_model(hub / "9", sign=-1.0)
    config = dataclasses.replace(_CONFIG, hub_directory=str(hub))
    document, report, _ = run(config, clips=clips)
    assert document["baseline"]["path"] == str(hub / "9")
    assert document["baseline"]["text_to_video"]["R@1"] == 2 / 8
    assert document["blessed"] is True
    assert "Last pushed" in report

    # Version 10 equals the new model, which then is no worse; as numbers, 10 is newer than 9.
    colour_world.write_model(hub / "10")
    # A killed push to an object store leaves such a folder.
    (hub / "11" / "variables").mkdir(parents=True)
    (hub / "11.tar.gz").write_bytes(b"")
    document, _, _ = run(config, clips=clips)
    assert document["baseline"]["path"] == str(hub / "10")
    assert document["blessed"] is True


def test_a_worse_model_than_the_pushed_one_is_not_blessed(run, colour_world, tmp_path):
    captions = list(colour_world.captions)
    said = [captions[7 - i] if i in (0, 7, 1, 6, 2, 5) else captions[i] for i in range(8)]
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", captions, said)
    hub = tmp_path / "hub"
    colour_world.write_model(hub / "1", sign=-1.0)
    document, _, blessing = run(
        dataclasses.replace(_CONFIG, hub_directory=str(hub)), clips=_examples(tmp_path / "clips")
    )
    assert document["text_to_video"]["R@1"] == 2 / 8
    assert document["baseline"]["text_to_video"]["R@1"] == 6 / 8
    assert document["blessed"] is False
    assert not model_utils.is_model_blessed(blessing)


def test_a_pushed_model_that_does_not_load_blocks_the_blessing(run, colour_world, tmp_path):
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", colour_world.captions)
    (tmp_path / "hub" / "3").mkdir(parents=True)
    (tmp_path / "hub" / "3" / "saved_model.pb").write_bytes(b"no model")
    document, report, blessing = run(
        dataclasses.replace(_CONFIG, hub_directory=str(tmp_path / "hub")),
        clips=_examples(tmp_path / "clips"),
    )
    assert "is not a SavedModel that loads" in document["baseline"]["error"]
    assert document["baseline"]["text_to_video"] is None
    assert document["blessed"] is False
    assert "could not be scored" in report
    assert not model_utils.is_model_blessed(blessing)


def test_unknown_captions_and_a_cap_are_counted(run, colour_world, tmp_path):
    said = ["kitchen talk", *colour_world.captions[1:]]
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", colour_world.captions, said)
    document, report, _ = run(
        dataclasses.replace(_CONFIG, max_clips=6), clips=_examples(tmp_path / "clips")
    )
    assert (document["num_expected"], document["num_scored"]) == (8, 6)
    # Its text embedding is zero, so it ties with all six clips: rank 1 + 5 / 2.
    assert document["num_unknown_captions"] == 1
    assert document["text_to_video"]["num_ties"] == 1
    assert document["text_to_video"]["R@1"] == 5 / 6
    assert "6 of 8 expected" in re.sub(r"\s+", " ", report)


@pytest.mark.parametrize("number", [0, 1])
def test_too_few_clips(run, colour_world, tmp_path, number):
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", colour_world.captions[:number])
    with pytest.raises(ValueError, match=f"at least 2 clips, but there are {number} to score"):
        run(clips=_examples(tmp_path / "clips"))


@pytest.fixture
def feature_model(colour_world, tmp_path):
    colour_world.write_feature_model(tmp_path / "gated" / "Format-Serving")
    return _artifact(standard_artifacts.Model, tmp_path / "gated")


def test_a_model_of_features_is_scored_on_features(run, feature_model, colour_world, tmp_path):
    # The first and the last caption change places: rank 8 of 8, as they are opposite.
    said = list(colour_world.captions)
    said[0], said[7] = said[7], said[0]
    colour_world.write_features(tmp_path / "features" / "Split-eval", colour_world.captions, said)
    document, report, blessing = run(
        model=feature_model, features=_examples(tmp_path / "features", ["eval"])
    )
    assert document["text_to_video"]["R@1"] == 6 / 8
    assert document["video_to_text"]["R@5"] == 6 / 8
    assert (document["num_expected"], document["num_scored"]) == (8, 8)
    assert document["clip_set"] == "clips of the eval split"
    assert document["protocol"]["score"].startswith("cosine")
    assert document["protocol"]["features"][1] == {"name": "3d", "rate": 1.5, "size": 1}
    assert "num_frames" not in document["protocol"]
    assert model_utils.is_model_blessed(blessing)
    assert "3d (1 at 1.5 a second)" in report
    # Without clip records there are no pictures; the two wrong ones show their own clip too.
    assert report.count('class="tile"') == 8 * 5 + 2
    assert "<img" not in report


def test_frames_of_the_clip_records_only_illustrate(run, feature_model, colour_world, tmp_path):
    captions = colour_world.captions
    colour_world.write_features(tmp_path / "features" / "Split-eval", captions)
    # Of the clips of v0, v1 and v2 the first five have frames, in records of another order.
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", captions[:5])
    document, report, _ = run(
        model=feature_model,
        clips=_examples(tmp_path / "clips"),
        features=_examples(tmp_path / "features"),
    )
    assert document["num_scored"] == 8
    assert document["text_to_video"]["R@1"] == 1.0
    pictures, tiles = report.count('<img src="data:image/jpeg'), report.count('class="tile"')
    assert pictures + tiles == 8 * 5
    assert pictures > 0
    assert tiles > 0


def test_clip_records_without_frames_give_no_pictures(run, feature_model, colour_world, tmp_path):
    captions = colour_world.captions
    colour_world.write_features(tmp_path / "features" / "Split-eval", captions)
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", captions, with_frames=False)
    document, report, _ = run(
        model=feature_model,
        clips=_examples(tmp_path / "clips"),
        features=_examples(tmp_path / "features"),
    )
    assert document["text_to_video"]["R@1"] == 1.0
    assert report.count('class="tile"') == 8 * 5
    assert "<img" not in report


def test_annotated_features_give_the_headline_and_its_pictures(
    run, feature_model, colour_world, tmp_path
):
    captions = colour_world.captions
    for kind, write in (
        ("features", colour_world.write_features),
        ("clips", colour_world.write_clips),
    ):
        write(tmp_path / kind / "Split-eval", captions[:3], captions[7:4:-1])
        write(tmp_path / f"annotated_{kind}" / "Split-eval", captions)
    document, report, _ = run(
        model=feature_model,
        **{
            name: _examples(tmp_path / name)
            for name in ("features", "clips", "annotated_features", "annotated_clips")
        },
    )
    assert document["clip_set"] == "annotated clips"
    assert document["text_to_video"]["R@1"] == 1.0
    assert document["eval_split"]["text_to_video"]["R@1"] == 0.0
    assert document["eval_split"]["num_scored"] == 3
    assert report.count('<img src="data:image/jpeg') == 8 * 5


def test_the_wrong_kind_of_model_is_one_clear_error(run, colour_world, tmp_path):
    colour_world.write_features(tmp_path / "features" / "Split-eval", colour_world.captions)
    with pytest.raises(ModelError, match="takes images, not features"):
        run(features=_examples(tmp_path / "features"))


def test_fine_tuning_has_its_four_rows(run, feature_model, colour_world, tmp_path):
    captions = list(colour_world.captions)
    said = [captions[7], *captions[1:7], captions[0]]
    colour_world.write_features(tmp_path / "features" / "Split-eval", captions, said)
    # Turned round, a model finds but the two wrong captions; so did the one that was pre-trained.
    pretrained = colour_world.write_feature_model(tmp_path / "acme" / "gated" / "17", sign=-1.0)
    target_only = _artifact(standard_artifacts.Model, tmp_path / "target")
    colour_world.write_feature_model(tmp_path / "target" / "Format-Serving")
    config = dataclasses.replace(_CONFIG, pretrained_model=pretrained)
    inputs = {"model": feature_model, "features": _examples(tmp_path / "features")}
    document, report, _ = run(config, target_only_model=target_only, **inputs)
    assert [(row["name"], row["R@1"]) for row in document["fine_tuning"]] == [
        ("random", 1 / 8),
        ("trained on the target only", 6 / 8),
        ("pre-trained only", 2 / 8),
        ("pre-trained and fine-tuned", 6 / 8),
    ]
    assert document["fine_tuning"][3] == {
        "name": "pre-trained and fine-tuned",
        **document["text_to_video"],
    }
    assert document["pretrained_model"] == "gated, version 17"
    assert "Fine-tuning from gated, version 17" in report
    assert "Pre-trained only" in report
    document, report, _ = run(config, **inputs)
    assert [row["name"] for row in document["fine_tuning"]] == [
        "random",
        "pre-trained only",
        "pre-trained and fine-tuned",
    ]


def test_a_pretrained_model_that_cannot_be_scored_is_a_row_with_the_error(
    run, feature_model, colour_world, tmp_path
):
    colour_world.write_features(tmp_path / "features" / "Split-eval", colour_world.captions)
    config = dataclasses.replace(
        _CONFIG, pretrained_model=colour_world.write_model(tmp_path / "frames")
    )
    document, report, blessing = run(
        config, model=feature_model, features=_examples(tmp_path / "features")
    )
    row = document["fine_tuning"][1]
    assert set(row) == {"name", "error"}
    assert "takes images, not features" in row["error"]
    assert document["pretrained_model"] == "frames"
    assert "could not be scored: the signature video" in report
    assert model_utils.is_model_blessed(blessing)


def test_without_fine_tuning_there_is_no_such_table(run, colour_world, tmp_path):
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", colour_world.captions)
    document, report, _ = run(clips=_examples(tmp_path / "clips"))
    assert "fine_tuning" not in document
    assert "fine-tuning" not in report


def test_component_refuses_inputs_that_do_not_go_together():
    examples = types.Channel(type=standard_artifacts.Examples)
    model = types.Channel(type=standard_artifacts.Model)
    for inputs, message in (
        ({}, "needs clips or features"),
        ({"features": examples, "annotated_clips": examples}, "annotated_features together"),
        ({"clips": examples, "annotated_features": examples}, "annotated_features together"),
        ({"clips": examples, "target_only_model": model}, "evaluation.pretrained_model"),
    ):
        with pytest.raises(ValueError, match=message):
            component.RetrievalEvaluator(model=model, config=_CONFIG, **inputs)


def test_component_takes_features_in_place_of_clips():
    examples = types.Channel(type=standard_artifacts.Examples)
    model = types.Channel(type=standard_artifacts.Model)
    evaluator = component.RetrievalEvaluator(
        model=model,
        features=examples,
        target_only_model=model,
        config=dataclasses.replace(_CONFIG, pretrained_model="hub/1"),
    )
    assert set(evaluator.inputs) == {"model", "features", "target_only_model"}


def test_component_wires_its_channels():
    evaluator = component.RetrievalEvaluator(
        model=types.Channel(type=standard_artifacts.Model),
        clips=types.Channel(type=standard_artifacts.Examples),
        config=_CONFIG,
    )
    assert evaluator.outputs["evaluation"].type_name == "components.RetrievalEvaluation"
    assert evaluator.outputs["blessing"].type_name == "ModelBlessing"
    assert set(evaluator.inputs) == {"model", "clips"}
    assert json.loads(evaluator.exec_properties["config"]) == dataclasses.asdict(_CONFIG)
