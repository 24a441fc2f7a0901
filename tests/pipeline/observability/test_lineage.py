"""The lineage of a pushed model, from metadata written by hand."""

import csv
import io
import json

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2

from pipeline.cli import main
from pipeline.observability import lineage, lineage_text

_CACHED = metadata_store_pb2.Execution.CACHED


def _kept(*videos: tuple[str, str, int]) -> str:
    return "".join(
        json.dumps({"video_id": name, "path": f"/v/{name}.mp4", "split": split, "clips": clips})
        + "\n"
        for name, split, clips in videos
    )


def _ledger(history, name: str, kept: str | None, left_out: tuple[str, ...] = ()):
    artifact = history.artifact("components.artifacts.Ledger", name)
    entry = {"path": "", "clip_index": None, "stage": "features", "reason": "x", "message": "x"}
    lines = [json.dumps({"video_id": video_id, **entry}) + "\n" for video_id in left_out]
    (history.folder / name / "ledger.jsonl").write_text("".join(lines))
    if kept is not None:
        (history.folder / name / "videos.jsonl").write_text(kept)
    return artifact


@pytest.fixture
def model(history, tmp_path):
    """Returns a version that was pushed in a second run, which took the ingest from the cache."""
    version = tmp_path / "hub" / "local" / "model" / "17"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"")
    captions = history.artifact("Examples", "captions")
    ledger = _ledger(
        history, "ledger", _kept(("a", "train", 3), ("b", "train", 2), ("c", "eval", 4))
    )
    first = history.start_run("run-1", "old")
    ingest = {"videos": "/v", "ingest_config": {"frame_rate": 2.5, "language": None}}
    history.execute(first, "NarratedVideoExampleGen", outputs=[captions, ledger], **ingest)
    features = history.artifact("Examples", "features")
    unusable = _ledger(history, "features_ledger", None, left_out=("b",))
    history.execute(first, "FeatureExtractor", inputs=[captions], outputs=[features, unusable])
    other = history.artifact("Examples", "other")
    history.execute(first, "AnotherIngest", outputs=[other])
    second = history.start_run("run-2", "new")
    history.execute(second, "NarratedVideoExampleGen", outputs=[captions, ledger], state=_CACHED)
    trained = history.artifact("Model", "trained")
    settings = {"training": {"steps": 60}}
    history.execute(
        second, "TextVideoTrainer", inputs=[features], outputs=[trained], custom_config=settings
    )
    pushed = history.artifact("PushedModel", "pushed", pushed_destination=str(version), pushed=1)
    history.execute(second, "Pusher", inputs=[trained], outputs=[pushed])
    return version


def test_what_is_upstream_of_the_push_is_found_and_nothing_else(history, model):
    found = lineage.trace(history.store, model)
    assert found.pushed_to == str(model)
    assert [
        (step.execution.node, step.execution.run_id, step.execution.code_version)
        for step in found.steps
    ] == [
        ("NarratedVideoExampleGen", "run-1", "old"),
        ("FeatureExtractor", "run-1", "old"),
        ("TextVideoTrainer", "run-2", "new"),
        ("Pusher", "run-2", "new"),
    ]
    assert found.steps[0].settings == {
        "videos": "/v",
        "ingest_config": {"frame_rate": 2.5, "language": None},
    }


def test_videos_are_those_of_the_ingest_that_have_features(history, model):
    (videos,) = lineage.trace(history.store, model).video_sets
    assert videos.node == "NarratedVideoExampleGen"
    assert [(v.video_id, v.split, v.clips) for v in videos.videos()] == [
        ("a", "train", 3),
        ("c", "eval", 4),
    ]


def test_the_text_names_versions_videos_and_settings(history, model):
    lines = list(lineage_text.as_text(lineage.trace(history.store, model)))
    assert lines[0] == str(model)
    assert lines[1].endswith(" UTC by run run-2")
    ingest, trainer = lines[3], lines[5]
    assert ingest.split()[0] == "NarratedVideoExampleGen"
    assert ingest.endswith("in run run-1  by code old")
    assert trainer.endswith("s  by code new")
    assert "  NarratedVideoExampleGen, train: 1 videos, 3 clips (a)" in lines
    assert "  NarratedVideoExampleGen.ingest_config.language = null" in lines
    assert "  TextVideoTrainer.custom_config.training.steps = 60" in lines


def test_the_list_of_videos_is_csv(history, model):
    stream = io.StringIO()
    lineage_text.write_videos(lineage.trace(history.store, model), stream)
    assert list(csv.DictReader(io.StringIO(stream.getvalue()))) == [
        {
            "node": "NarratedVideoExampleGen",
            "video_id": video_id,
            "path": f"/v/{video_id}.mp4",
            "split": split,
            "clips": clips,
        }
        for video_id, split, clips in (("a", "train", "3"), ("c", "eval", "4"))
    ]


def test_json_holds_the_steps_and_where_the_videos_are(history, model):
    content = lineage_text.as_json(lineage.trace(history.store, model))
    assert json.loads(json.dumps(content)) == content
    assert [step["node"] for step in content["steps"]][-1] == "Pusher"
    (videos,) = content["videos"]
    assert videos["without"] == ["b"]
    assert videos["file"].endswith("ledger/videos.jsonl")


def test_a_hub_folder_that_was_moved_is_known_by_its_names(history, model, tmp_path):
    moved = tmp_path / "elsewhere" / "local" / "model" / "17"
    assert lineage.trace(history.store, moved).pushed_to == str(model)


def test_a_model_of_another_run_is_refused(history, model):
    with pytest.raises(ValueError, match=r"know of no push to .*model/18; .* with --run"):
        lineage.trace(history.store, model.with_name("18"))


def test_a_ledger_of_older_code_has_no_list(history, model):
    (history.folder / "ledger" / "videos.jsonl").unlink()
    found = lineage.trace(history.store, model)
    assert list(found.video_sets[0].videos()) == []
    told = "  NarratedVideoExampleGen: made by an older version, which kept no list of them"
    assert told in list(lineage_text.as_text(found))


def test_metadata_are_those_of_the_run_that_the_model_lies_in(model, tmp_path):
    assert lineage.find_metadata(model) == tmp_path / "metadata.sqlite"


def test_the_command_prints_the_lineage_of_the_newest_version(model):
    result = CliRunner().invoke(main, ["lineage", str(model.parent)])
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == str(model)
    assert "made by:" in result.output.splitlines()


def test_a_model_outside_of_a_run_is_one_clear_line(model, tmp_path):
    (tmp_path / "metadata.sqlite").unlink()
    result = CliRunner().invoke(main, ["lineage", str(model.parent)])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: no folder above {model} holds a metadata.sqlite; name the output folder of the "
        f"run that pushed it with --run\n"
    )


def test_a_folder_that_is_no_run_is_one_clear_line(model, tmp_path):
    folder = tmp_path / "hub"
    result = CliRunner().invoke(main, ["lineage", str(model), "--run", str(folder)])
    assert result.exit_code == 1
    told = f"{folder} is no output folder of a run: it has no metadata.sqlite"
    assert result.output == f"Error: {told}\n"
