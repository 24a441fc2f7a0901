"""Presets, overrides and the run file."""

import dataclasses
import json

import pytest

from models import description
from pipeline import configs


def test_override_is_read_as_the_settings_type():
    preset = configs.with_overrides(
        configs.PRESETS["sample"],
        [
            "training.steps=7",
            "training.learning_rate=1",
            "training.mixed_bfloat16=True",
            "training.decay_at=[0.25, 0.75]",
            "ingest.language=en",
            "ingest.max_duration=none",
        ],
    )
    assert preset.training.steps == 7
    assert preset.training.learning_rate == 1.0
    assert isinstance(preset.training.learning_rate, float)
    assert preset.training.mixed_bfloat16 is True
    assert preset.training.decay_at == (0.25, 0.75)
    assert preset.ingest.language == "en"
    assert preset.ingest.max_duration is None


@pytest.mark.parametrize("backwards", [False, True])
def test_order_of_overrides_that_need_each_other_does_not_matter(backwards):
    assignments = ["training.loss=nce", "training.num_candidates=1"]
    preset = configs.with_overrides(
        configs.PRESETS["sample"], assignments[::-1] if backwards else assignments
    )
    assert (preset.training.loss, preset.training.num_candidates) == ("nce", 1)


def test_override_leaves_the_preset_alone():
    before = configs.PRESETS["sample"]
    configs.with_overrides(before, ["training.steps=7"])
    assert configs.PRESETS["sample"].training.steps != 7


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("steps=3", "not of the form section.setting=value"),
        ("training.steps", "not of the form"),
        ("trainer.steps=3", "no section 'trainer'; there are ingest, words, model"),
        ("training.step=3", "training has no 'step'; it has steps, batch_size"),
        ("training.steps=many", "training.steps is 'many'; it must be of type int"),
        ("training.steps=1.5", "must be of type int"),
        ("training.mixed_bfloat16=1", "must be of type bool"),
        ("training.batch_size=1", "needs a second clip for negatives"),
        ("training.positives=thrice", "must be one of once, twice"),
        ("training.learning_rate=NaN", "training.learning_rate is 'NaN'; it must be finite"),
        ("training.learning_rate=Infinity", "it must be finite"),
        ("training.learning_rate=-Infinity", "it must be finite"),
        ("training.learning_rate=1e999", "training.learning_rate is '1e999'; it must be finite"),
        (f"training.learning_rate=1{'0' * 400}", "it must be finite"),
        ("training.decay_at=[0.5, NaN]", "it must be finite"),
        ("ingest.max_duration=Infinity", "it must be finite"),
    ],
)
def test_wrong_override_says_what_is_wrong(assignment, message):
    with pytest.raises(ValueError, match=message):
        configs.with_overrides(configs.PRESETS["sample"], [assignment])


def test_run_file_round_trip_gives_the_same_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = configs.RunOptions(
        videos="videos", output="out", preset="sample", overrides=("training.steps=3",), workers=2
    )
    options.save(tmp_path / "out" / "run.json")
    config = configs.load_run(tmp_path / "out" / "run.json")
    assert config == options.resolve()
    assert config.videos == str(tmp_path / "videos")
    assert config.preset.training.steps == 3
    assert config.hub_directory == f"{tmp_path}/out/hub/local/mil-nce-s3d"


def test_address_of_a_store_stays_as_it_is():
    options = configs.RunOptions(videos="gs://bucket/videos", output="gs://bucket/out")
    assert options.resolve().videos == "gs://bucket/videos"


def test_the_hub_may_be_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = configs.RunOptions(videos="videos", output="out", preset="sample", hub="hub")
    assert options.resolve().hub_directory == f"{tmp_path}/hub/local/mil-nce-s3d"
    options = dataclasses.replace(options, hub="gs://bucket/hub/")
    assert options.resolve().hub_directory == "gs://bucket/hub/local/mil-nce-s3d"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"publisher": "../acme"}, "'../acme' cannot be the name of a publisher"),
        ({"model_name": "my model"}, "'my model' cannot be the name of a model"),
        ({"kaggle_handle": "acme/howto"}, "is not owner/model/framework/variation"),
    ],
)
def test_names_that_a_hub_cannot_have_are_refused_before_a_run(given, message):
    with pytest.raises(ValueError, match=message):
        configs.RunOptions(videos="videos", output="out", **given).resolve()


def test_unreadable_run_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"run\.json does not exist"):
        configs.load_run(tmp_path / "run.json")
    (tmp_path / "run.json").write_text(json.dumps({"vidoes": "x"}))
    with pytest.raises(ValueError, match=r"is no run\.json"):
        configs.load_run(tmp_path / "run.json")


def test_unknown_preset_is_named():
    with pytest.raises(ValueError, match="no preset 'huge'; there are milnce-s3d"):
        configs.RunOptions(videos="v", output="o", preset="huge").resolve()


def test_annotations_without_videos_are_refused():
    with pytest.raises(ValueError, match="must be given together"):
        configs.RunOptions(videos="v", output="o", test_annotations="a.csv").resolve()


def test_full_preset_has_the_papers_filters_and_the_others_do_not():
    full = configs.PRESETS["milnce-s3d"].ingest
    assert (full.min_words, full.max_duration, full.language) == (100, 2000.0, "en")
    assert (full.min_views, full.max_search_rank) == (100, 200)
    sample = configs.PRESETS["sample"].ingest
    filters = ("min_words", "max_duration", "language", "min_views", "max_search_rank")
    assert not any(getattr(sample, name) for name in filters)


def test_presets_can_be_scored_with_the_frames_that_they_train_on():
    for preset in configs.PRESETS.values():
        if preset.kind != "milnce":
            continue
        training = dataclasses.asdict(preset.training)
        evaluation = dataclasses.asdict(preset.evaluation)
        for name in ("num_frames", "frame_rate"):
            assert training[name] == evaluation[name]
        # The paper trains on 200 pixels and tests on 224.
        assert training["image_size"] <= evaluation["image_size"] <= preset.ingest.short_side
        assert preset.training.num_candidates <= preset.ingest.bag_size


@pytest.mark.parametrize("preset", ["sample", "milnce-s3d"])
def test_more_candidates_than_stored_captions_are_refused(preset):
    def resolve(*overrides):
        return configs.RunOptions("v", "o", preset=preset, overrides=overrides).resolve().preset

    message = (
        r"^training\.num_candidates is 9, but ingest\.bag_size, the captions stored with each "
        r"clip, is 5; raise ingest\.bag_size to 9, or lower training\.num_candidates$"
    )
    with pytest.raises(ValueError, match=message):
        resolve("training.num_candidates=9")
    with pytest.raises(ValueError, match=r"ingest\.bag_size, .*, is 8; raise"):
        resolve("training.num_candidates=9", "ingest.bag_size=8")
    assert resolve("training.num_candidates=5").training.num_candidates == 5
    assert resolve("ingest.bag_size=9", "training.num_candidates=9").ingest.bag_size == 9


def test_bag_of_a_gated_run_is_free():
    options = configs.RunOptions("v", "o", "sample-gated", overrides=("ingest.bag_size=1",))
    assert options.resolve().preset.ingest.bag_size == 1


def test_tpu_preset_has_the_schedule_of_the_papers_final_model():
    # MIL-NCE paper, section 4.1; facts/protocols.md, section 4.
    preset = configs.PRESETS["milnce-s3d-tpu"]
    training = preset.training
    assert (training.strategy, training.batch_size, training.steps) == ("tpu", 64 * 128, 400_000)
    assert (training.learning_rate, training.warmup_steps) == (1e-3, 5_000)
    # "Decayed twice by a factor of 10"; when, the paper leaves open.
    assert (len(training.decay_at), training.decay_factor) == (2, 0.1)
    assert (training.num_frames, training.frame_rate, training.image_size) == (32, 10.0, 200)
    assert (training.loss, training.positives, training.negatives) == (
        "mil_nce",
        "once",
        "symmetric",
    )
    assert (training.num_candidates, training.num_negatives) == (5, None)
    # Cross-replica statistics, as on TPUs: facts/protocols.md, section 1.
    assert training.synchronized_batch_norm
    assert (preset.model.backbone, preset.model.width) == ("s3d", 1.0)
    assert (preset.model.text_model, preset.model.max_words) == ("max_pool", 16)
    assert preset.ingest == configs.PRESETS["milnce-s3d"].ingest


def test_gated_preset_has_a_section_of_features():
    preset = configs.with_overrides(configs.PRESETS["sample-gated"], ["features.hub_rate=2"])
    assert preset.features.hub_rate == 2.0
    assert preset.kind == "gated"
    with pytest.raises(ValueError, match="no section 'features'; there are ingest, words, model"):
        configs.with_overrides(configs.PRESETS["sample"], ["features.hub_rate=2"])


def _push(folder, kind, **config):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").touch()
    pushed = description.ModelDescription(kind=kind, config=config, features=None, words=["cut"])
    description.write_description(folder, pushed)


def test_start_from_a_pushed_model_takes_its_newest_version_and_its_settings(tmp_path):
    _push(tmp_path / "model" / "8", "gated", embedding_size=7, caption_size=5, max_words=3)
    _push(tmp_path / "model" / "9", "gated", embedding_size=64, caption_size=32, max_words=12)
    options = configs.RunOptions(
        videos="videos", output="out", preset="sample-gated", init_from=str(tmp_path / "model")
    )
    run = options.resolve()
    assert run.init_from == str(tmp_path / "model" / "9")
    assert run.preset.model.embedding_size == 64
    assert run.preset.model.max_words == 12
    assert run.hub_directory.endswith("/out/hub/local/howto100m-gated")


def test_start_from_a_model_of_another_kind_is_one_clear_error(tmp_path):
    _push(tmp_path / "model", "milnce", width=0.25)
    options = configs.RunOptions(
        videos="videos", output="out", preset="sample-gated", init_from=str(tmp_path / "model")
    )
    with pytest.raises(ValueError, match="is a milnce model, but this preset trains a gated one"):
        options.resolve()


def test_sources_of_features_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _push(tmp_path / "hub" / "model" / "3", "milnce")
    (tmp_path / "features").mkdir()
    assert configs.absolute_source("hub:hub/model") == f"hub:{tmp_path}/hub/model/3"
    assert configs.absolute_source("features") == str(tmp_path / "features")
    with pytest.raises(ValueError, match="neither hub:PATH nor a folder of features"):
        configs.absolute_source("nowhere")


def test_annotation_files_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert configs.absolute_annotations("a.json") == f"{tmp_path}/a.json"
    named = configs.absolute_annotations("train=a.json,eval=/b.csv")
    assert named == f"train={tmp_path}/a.json,eval=/b.csv"


def _gated(tmp_path, preset="sample", **changed):
    """Returns the options of a run that a benchmark gates."""
    values = {"benchmark": "csv", "benchmark_annotations": "clips.csv"}
    values["benchmark_features" if preset == "sample-gated" else "benchmark_videos"] = "data"
    return configs.RunOptions(videos="v", output=str(tmp_path), preset=preset, **values | changed)


def test_a_gate_has_absolute_paths_and_a_store_that_outlives_a_kill(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = _gated(
        tmp_path / "out",
        benchmark_minimum=0.3,
        benchmark_settings=("frames.num_frames=4", "protocol.video_list=list.csv"),
    )
    options.save(tmp_path / "run.json")
    gate = configs.load_run(tmp_path / "run.json").gate
    assert gate == options.resolve().gate
    assert gate.annotations == f"{tmp_path}/clips.csv"
    assert gate.videos == f"{tmp_path}/data"
    assert gate.store == f"{tmp_path}/out/benchmark_embeddings"
    assert gate.settings["protocol"]["video_list"] == f"{tmp_path}/list.csv"
    assert gate.settings["frames"]["num_frames"] == 4
    assert gate.minimum == 0.3
    assert gate.require_complete


def test_a_gate_of_features_has_rates_and_may_do_without_some_items(tmp_path):
    gate = _gated(
        tmp_path,
        preset="sample-gated",
        benchmark_rates=("2d=1", "3d=1.5"),
        benchmark_require_complete=False,
    )
    gate = gate.resolve().gate
    assert gate.feature_rates == {"2d": 1.0, "3d": 1.5}
    assert not gate.require_complete


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"benchmark_annotations": "a.csv"}, "--benchmark-annotations"),
        ({"benchmark_videos": "v"}, "--benchmark-videos"),
        ({"benchmark_features": "f"}, "--benchmark-features"),
        ({"benchmark_minimum": 0.1}, "--benchmark-minimum"),
        ({"benchmark_settings": ("frames.num_frames=4",)}, "--benchmark-set"),
        ({"benchmark_rates": ("2d=1",)}, "--benchmark-rate"),
        ({"benchmark_require_complete": False}, "--benchmark-allow-missing"),
    ],
)
def test_what_is_said_of_no_benchmark_is_refused(given, option):
    with pytest.raises(ValueError, match=f"^{option}: say which one by --benchmark$"):
        configs.RunOptions(videos="v", output="o", **given).resolve()


@pytest.mark.parametrize(
    ("preset", "changed", "message"),
    [
        ("sample", {"benchmark_annotations": ""}, "--benchmark needs --benchmark-annotations"),
        ("sample", {"benchmark_videos": ""}, "needs either --benchmark-videos or"),
        ("sample", {"benchmark_features": "f"}, "needs either --benchmark-videos or"),
        ("sample", {"benchmark_rates": ("2d=1",)}, "--benchmark-rate goes with --benchmark-feat"),
        ("sample-gated", {"benchmark_rates": ("2d=x",)}, "--benchmark-rate '2d=x' is not of the"),
        ("sample-gated", {"benchmark_rates": ("2d=inf",)}, "'2d=inf' is not of the form STREAM="),
        ("sample", {"benchmark": "imagenet"}, "there is no benchmark 'imagenet'"),
        ("sample", {"benchmark_settings": ("frames.fps=1",)}, "frames has no 'fps'"),
        (
            "sample-gated",
            {"benchmark_features": "", "benchmark_videos": "v"},
            "trains a gated model, which takes features, not frames: give --benchmark-features",
        ),
        (
            "sample",
            {"benchmark_features": "f", "benchmark_videos": ""},
            "trains a model of frames, which has no part in a benchmark of features",
        ),
        *(
            ("sample-gated", {"benchmark": name}, f"{name} cannot gate this preset")
            for name in ("hmdb51", "ucf101", "coin", "youtube8m_segments", "kinetics700")
        ),
    ],
)
def test_a_gate_that_does_not_fit_is_refused(tmp_path, preset, changed, message):
    with pytest.raises(ValueError, match=message):
        _gated(tmp_path, preset, **changed).resolve()
