"""The Trainer's executor and the MIL-NCE `run_fn` on hand-made clips."""

import dataclasses
import io
import json
import os
import pathlib
import types

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tfx.components.trainer import fn_args_utils
from tfx.proto import trainer_pb2
from tfx.types import artifact_utils, channel_utils, standard_artifacts, standard_component_specs
from tfx.utils import json_utils, proto_utils

from components import artifacts
from components.trainer import component, config, executor, milnce, milnce_training, run, worker
from components.word_vectors import store
from models import description, export, i3d, replicas
from models.objective import Objective
from schemas import records

_WORDS = ["red", "blue"]
_MODEL = config.ModelConfig(width=0.0625, embedding_size=8, text_hidden_size=16, max_words=4)
_TRAINING = config.TrainingConfig(
    steps=2,
    batch_size=2,
    num_candidates=1,
    num_frames=4,
    frame_rate=2.5,
    image_size=32,
    warmup_steps=0,
    steps_per_epoch=1,
    validation_batches=1,
    shuffle_buffer=2,
)


def _clip(index: int, colour: tuple[int, int, int], word: str) -> bytes:
    frame = io.BytesIO()
    PIL.Image.new("RGB", (32, 32), colour).save(frame, "JPEG")
    return records.serialize_clip(
        records.ClipRecord(
            video_id=f"video{index}",
            clip_index=0,
            clip_start=0.0,
            clip_end=2.0,
            frame_rate=2.5,
            frames=[frame.getvalue()] * 5,
            captions=[word],
            caption_starts=[0.0],
            caption_ends=[2.0],
        )
    )


@pytest.fixture
def clips(tmp_path) -> standard_artifacts.Examples:
    """Returns an Examples artifact with two clips in each of the splits."""
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "clips")
    examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
    for split in ("train", "eval"):
        folder = tmp_path / "clips" / f"Split-{split}"
        folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / "clips-00000-of-00001.tfrecord")) as writer:
            writer.write(_clip(0, (255, 0, 0), "red"))
            writer.write(_clip(1, (0, 0, 255), "blue"))
    return examples


@pytest.fixture
def fn_args(clips, tmp_path):
    """Returns a function from training settings to what TFX gives `run_fn`."""
    store.save(tmp_path / "words", _WORDS, np.eye(2, dtype=np.float32))

    def make(**settings) -> fn_args_utils.FnArgs:
        training = dataclasses.replace(_TRAINING, **settings)
        return fn_args_utils.FnArgs(
            train_files=[clips.uri + "/Split-train/*"],
            eval_files=[clips.uri + "/Split-eval/*"],
            serving_model_dir=str(tmp_path / "model"),
            model_run_dir=str(tmp_path / "run"),
            custom_config={
                "model": dataclasses.asdict(_MODEL),
                "training": dataclasses.asdict(training),
                "checkpoint_directory": str(tmp_path / "checkpoints"),
                "word_vectors_uri": str(tmp_path / "words"),
            },
        )

    return make


def _log(folder):
    return [json.loads(line) for line in (folder / "run" / "training.jsonl").open()]


def test_run_fn_trains_logs_and_exports(fn_args, tmp_path):
    milnce.run_fn(fn_args())
    log = _log(tmp_path)
    assert [line["step"] for line in log] == [1, 2]
    # Two clips, and the text tower starts near 0: the loss starts near log(2B - 1) = log 3.
    assert log[0]["loss"] == pytest.approx(np.log(3.0), abs=0.3)
    assert all(np.isfinite(line["eval_loss"]) for line in log)
    assert list((tmp_path / "run" / "logs").rglob("events.out.tfevents.*"))
    text = tf.saved_model.load(str(tmp_path / "model")).signatures["text"]
    red, blue, unknown, nothing = text(tf.constant(["red", "BLUE", "green", ""]))["text_embedding"]
    assert np.abs(red - blue).max() > 1e-4
    np.testing.assert_array_equal(unknown, nothing)


@pytest.fixture
def fits(monkeypatch):
    """Returns the arguments of each call of `training.fit`, which trains nothing."""
    calls = []

    def fit(model, data, **options):
        calls.append({"model": model, "data": data, **options})
        os.makedirs(options["checkpoint_directory"], exist_ok=True)
        pathlib.Path(options["checkpoint_directory"], "training.jsonl").touch()

    monkeypatch.setattr(milnce_training.training, "fit", fit)
    unused = types.SimpleNamespace(export_text_video_model=lambda *_, **__: None)
    monkeypatch.setattr(milnce_training, "export", unused)
    return calls


def test_validation_scores_the_same_batches_at_each_epoch(fn_args, fits):
    milnce.run_fn(fn_args(validation_batches=10))
    # Two clips make one batch of two.
    assert fits[0]["validation_steps"] == 1
    first, second = (batch["video"] for batch in fits[0]["validation_data"].take(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("settings", [{}, {"validation_batches": 0}])
def test_without_eval_clips_or_batches_there_is_no_validation(fn_args, fits, settings):
    arguments = fn_args(**settings)
    arguments.eval_files = arguments.eval_files if settings else []
    milnce.run_fn(arguments)
    assert fits[0]["validation_data"] is fits[0]["validation_steps"] is None


def test_the_settings_reach_the_model_and_the_data(fn_args, fits):
    arguments = fn_args(
        loss="max_nce",
        negatives="videos",
        num_negatives=1,
        margin=0.3,
        micro_batch_size=1,
        synchronized_batch_norm=True,
        cache_frames=True,
    )
    arguments.custom_config["model"].update(backbone="i3d", text_model="gru")
    milnce.run_fn(arguments)
    model = fits[0]["model"]
    assert model.objective == Objective("max_nce", "videos", 1, "once", 0.3)
    assert model.micro_batch_size == 1
    assert isinstance(model.video_tower, i3d.I3D)
    assert model.text_tower.text_model == "gru"
    assert all(layer.synchronized for layer in replicas.batch_norm_layers(model))
    assert next(iter(fits[0]["data"]))["video"].shape == (2, 4, 32, 32, 3)


def test_a_resumed_run_goes_on_with_the_batch_after_its_checkpoint(fn_args, fits, monkeypatch):
    arguments = fn_args(steps_per_epoch=2, steps=8, cache_frames=True)
    milnce.run_fn(arguments)
    monkeypatch.setattr(milnce_training.training, "finished_epochs", lambda _: 3)
    milnce.run_fn(arguments)
    whole, rest = (list(fit["data"].take(8).as_numpy_iterator()) for fit in fits)
    for i in range(2):
        np.testing.assert_array_equal(rest[i]["video"], whole[6 + i]["video"])


def test_several_workers_train_in_a_process_of_their_own(fn_args, monkeypatch):
    def run_with_others(job):
        raise ValueError(f"trains {job.training['strategy']} in {job.checkpoint_directory}")

    monkeypatch.setattr(worker.Job, "run_with_others", run_with_others)
    with pytest.raises(ValueError, match=r"trains multi_worker in .*checkpoints/[0-9a-f]{16}$"):
        milnce.run_fn(fn_args(strategy="multi_worker"))


def test_a_micro_batch_that_does_not_divide_is_refused_before_data_are_read(fn_args, tmp_path):
    arguments = fn_args(batch_size=4, micro_batch_size=3)
    arguments.train_files = [str(tmp_path / "missing")]
    with pytest.raises(ValueError, match="micro_batch_size is 3, which does not divide the 4"):
        milnce.run_fn(arguments)


def test_other_settings_get_other_checkpoints(fn_args):
    def name(**settings):
        arguments = fn_args(**settings)
        return run.checkpoints_name(
            arguments.custom_config, arguments.train_files, arguments.eval_files
        )

    assert name(steps=1) == name(steps=1)
    assert name(steps=1) != name(steps=1, learning_rate=0.5)


def test_less_than_a_batch_is_one_clear_error(fn_args):
    with pytest.raises(ValueError, match="fewer clips than one batch of 3; add videos or lower"):
        milnce.run_fn(fn_args(batch_size=3))


def test_too_small_a_fraction_is_one_clear_error(fn_args):
    message = r"fewer clips than one batch of 2 with training\.train_fraction=1e-06; add videos"
    with pytest.raises(ValueError, match=message):
        milnce.run_fn(fn_args(train_fraction=1e-6))


def test_init_from_starts_at_the_pushed_model(fn_args, fits, tmp_path, monkeypatch):
    pushed = milnce_training.build_model(_MODEL, _TRAINING, np.eye(3, 2, k=-1, dtype=np.float32))
    settings = dataclasses.asdict(_MODEL)
    export.export_text_video_model(pushed, tmp_path / "pushed", _WORDS, 4, config=settings)
    # Its settings and words take the place of these.
    arguments = fn_args()
    store.save(tmp_path / "words", ["green"], np.ones((1, 2), np.float32))
    arguments.custom_config["model"] = {**settings, "embedding_size": 4, "max_words": 2}
    arguments.custom_config["init_from"] = str(tmp_path / "pushed")

    exported = {}
    monkeypatch.setattr(
        milnce_training.export,
        "export_text_video_model",
        lambda model, directory, words, **options: exported.update(words=words, **options),
    )
    milnce.run_fn(arguments)
    word_ids = next(iter(fits[0]["data"]))["word_ids"].numpy()[:, 0]
    np.testing.assert_array_equal(np.sort(word_ids, axis=0), [[1, 0, 0, 0], [2, 0, 0, 0]])
    for weight, saved in zip(fits[0]["model"].weights, pushed.weights, strict=True):
        np.testing.assert_array_equal(weight, saved)
    assert exported == {"words": _WORDS, "max_words": 4, "config": settings}


def test_a_pushed_model_of_another_kind_is_refused(fn_args, tmp_path):
    streams = [{"name": "2d", "rate": 1.0, "size": 4}]
    described = description.ModelDescription("gated", {}, streams, _WORDS)
    description.write_description(tmp_path / "pushed", described)
    (tmp_path / "pushed" / "saved_model.pb").touch()
    arguments = fn_args()
    arguments.custom_config["init_from"] = str(tmp_path / "pushed")
    with pytest.raises(ValueError, match="pushed is a gated model; the preset trains milnce"):
        milnce.run_fn(arguments)


def _trainer(clips, **options) -> component.TextVideoTrainer:
    return component.TextVideoTrainer(
        clips=channel_utils.as_channel([clips]),
        word_vectors=channel_utils.as_channel([artifacts.WordVectors()]),
        model=_MODEL,
        training=_TRAINING,
        checkpoint_directory="checkpoints",
        **options,
    )


def test_another_pushed_model_in_the_same_folder_is_no_cache_hit(clips, tmp_path):
    def settings():
        trainer = _trainer(clips, init_from=str(tmp_path / "hub"))
        return json.loads(trainer.exec_properties["custom_config"])

    version = tmp_path / "hub" / "7"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"one")
    first = settings()
    assert first["init_from"] == str(version)
    assert first == settings()
    (version / "saved_model.pb").write_bytes(b"another")
    assert first != settings()


def test_a_folder_without_a_pushed_model_is_one_clear_error(clips, tmp_path):
    with pytest.raises(ValueError, match="holds no pushed model"):
        _trainer(clips, init_from=str(tmp_path))


def test_dtype_policy_is_put_back_after_a_failure(fn_args):
    before = keras.config.dtype_policy()
    with pytest.raises(ValueError, match="one batch"):
        milnce.run_fn(fn_args(batch_size=3, mixed_bfloat16=True))
    assert keras.config.dtype_policy() == before


def _executor_arguments(clips, tmp_path):
    words, model = artifacts.WordVectors(), standard_artifacts.Model()
    run = standard_artifacts.ModelRun()
    for artifact, name in ((words, "words"), (model, "model"), (run, "run")):
        artifact.uri = str(tmp_path / name)
    keys = standard_component_specs
    inputs = {keys.EXAMPLES_KEY: [clips], executor.WORD_VECTORS_KEY: [words]}
    outputs = {keys.MODEL_KEY: [model], keys.MODEL_RUN_KEY: [run]}
    properties = {
        keys.TRAIN_ARGS_KEY: proto_utils.proto_to_json(trainer_pb2.TrainArgs()),
        keys.EVAL_ARGS_KEY: proto_utils.proto_to_json(trainer_pb2.EvalArgs()),
        keys.CUSTOM_CONFIG_KEY: json_utils.dumps({}),
    }
    return inputs, outputs, properties


def test_executor_hands_on_the_word_vectors_and_both_splits(clips, tmp_path):
    arguments = executor.Executor()._GetFnArgs(*_executor_arguments(clips, tmp_path))
    assert arguments.custom_config["word_vectors_uri"] == str(tmp_path / "words")
    assert arguments.train_files == [clips.uri + "/Split-train/*"]
    assert arguments.eval_files == [clips.uri + "/Split-eval/*"]


def test_executor_without_an_eval_split_gives_no_eval_files(clips, tmp_path):
    clips.split_names = artifact_utils.encode_split_names(["train"])
    arguments = executor.Executor()._GetFnArgs(*_executor_arguments(clips, tmp_path))
    assert arguments.train_files == [clips.uri + "/Split-train/*"]
    assert arguments.eval_files == []


def test_executor_without_a_train_split_says_what_is_missing(clips, tmp_path):
    clips.split_names = artifact_utils.encode_split_names(["eval"])
    with pytest.raises(ValueError, match="no video is left in the train split"):
        executor.Executor()._GetFnArgs(*_executor_arguments(clips, tmp_path))
