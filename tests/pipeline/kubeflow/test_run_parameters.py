"""What a run of the compiled pipeline may say, and where its relative paths begin."""

import pytest

from pipeline import configs
from pipeline.kubeflow.parameters import RunParameters

_OPTIONS = configs.RunOptions(
    videos="videos",
    output="/runs/one",
    preset="sample",
    overrides=(
        "training.steps=7",
        "words.path=vectors.bin",
        "features.source=hub:models/s3d",
        "ingest.annotations=train=a.csv,eval=/b.csv",
        "ingest.language=en",
    ),
    test_videos="gs://bucket/test",
    test_annotations="test.csv",
    benchmark_annotations="train=youcook2.csv",
    benchmark_settings=("protocol.video_list=list.txt", "protocol.ties=worst"),
    hub="/compiled/hub",
)


def _apply(**values) -> configs.RunOptions:
    parameters = {"data_root": "/data", "preset": "sample", "steps": 0, "hub": "", **values}
    return RunParameters(**parameters).apply(_OPTIONS)


def test_relative_paths_begin_at_the_data_root_and_others_stay():
    options = _apply(data_root="gs://bucket/data")
    assert options.videos == "gs://bucket/data/videos"
    assert options.test_videos == "gs://bucket/test"
    assert options.test_annotations == "gs://bucket/data/test.csv"
    assert options.init_from == ""
    assert options.output == "/runs/one"


def test_settings_that_name_files_begin_there_too():
    options = _apply()
    assert options.overrides == (
        "training.steps=7",
        "words.path=/data/vectors.bin",
        "features.source=hub:/data/models/s3d",
        "ingest.annotations=train=/data/a.csv,eval=/b.csv",
        "ingest.language=en",
    )
    assert options.benchmark_annotations == "train=/data/youcook2.csv"
    assert options.benchmark_settings == (
        "protocol.video_list=/data/list.txt",
        "protocol.ties=worst",
    )


def test_steps_win_over_the_compiled_ones_and_none_leaves_those():
    assert (
        configs.with_overrides(configs.PRESETS["sample"], ["training.steps=7"]).training.steps == 7
    )
    assert _apply(steps=0).overrides[0] == "training.steps=7"
    assert "training.steps=30" not in _apply(steps=0).overrides
    overrides = [text for text in _apply(steps=30).overrides if text.startswith("training")]
    assert configs.with_overrides(configs.PRESETS["sample"], overrides).training.steps == 30


def test_preset_and_hub_are_those_of_the_run():
    options = _apply(preset="small", hub="gs://bucket/hub")
    assert (options.preset, options.hub) == ("small", "gs://bucket/hub")
    assert _apply(hub="").hub == "/compiled/hub"


def test_a_relative_path_without_a_data_root_is_named():
    with pytest.raises(ValueError, match=r"vectors\.bin is a relative path and data_root is empty"):
        _apply(data_root="")


def test_a_relative_hub_is_refused():
    with pytest.raises(ValueError, match="hub is 'models'; it must be an absolute path"):
        _apply(hub="models")


def test_negative_steps_are_refused():
    with pytest.raises(ValueError, match="steps is -1"):
        _apply(steps=-1)


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("none", "no preset 'none'; there are milnce-s3d"),
        ("sample-gated", "trains a gated model, but the pipeline was compiled for a milnce one"),
    ],
)
def test_a_preset_that_the_compiled_pipeline_cannot_run_is_named(preset, message):
    with pytest.raises(ValueError, match=message):
        _apply(preset=preset)
