"""The gated model's training, with TFX's `run_fn` and without, on a small learnable world."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from tfx.components.trainer import fn_args_utils

from components.trainer import config, gated, gated_training
from components.word_vectors import store
from models import description, feature_pipeline, tokenizer, training
from schemas import video_features

_NUM_WORDS = 12
_WORDS = [f"thing{i}" for i in range(_NUM_WORDS)]
_VECTORS = np.vstack([np.zeros((1, 10)), np.random.default_rng(0).normal(size=(_NUM_WORDS, 10))])
_LOOKS = np.random.default_rng(1).normal(size=(_NUM_WORDS, 8))
_MODEL = config.GatedModelConfig(embedding_size=16, caption_size=16, max_words=3)
_TRAINING = config.GatedTrainingConfig(
    steps=60,
    videos_per_batch=3,
    pairs_per_video=4,
    min_seconds=0.0,
    learning_rate=0.01,
    decay=1.0,
    steps_per_epoch=20,
    validation_batches=2,
    shuffle_buffer=8,
)


def _video(number, size=8):
    """A video of six things of 2 s; each looks like itself, with some noise."""
    rng = np.random.default_rng(number)
    things = rng.choice(_NUM_WORDS, 6, replace=False)
    rows = np.repeat(_LOOKS[things], 2, axis=0) + rng.normal(scale=0.3, size=(12, 8))
    starts = [2.0 * i for i in range(6)]
    ends = [start + 1.5 for start in starts]
    return video_features.VideoFeatures(
        video_id=f"video{number}",
        duration=12.0,
        streams=[
            video_features.FeatureStream("2d", 1.0, rows[:, :5].astype(np.float16)),
            video_features.FeatureStream("3d", 1.0, rows[:, 5:size].astype(np.float16)),
        ],
        captions=[_WORDS[thing] for thing in things],
        caption_starts=starts,
        caption_ends=ends,
        clip_starts=starts,
        clip_ends=ends,
        search_rank=number + 1,
    )


def _write(path: pathlib.Path, numbers, **options) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in numbers:
            writer.write(video_features.serialize_video_features(_video(number, **options)))
    return [str(path)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Returns the files of the train and eval splits."""
    folder = tmp_path_factory.mktemp("features")
    return (
        _write(folder / "Split-train" / "features", range(12)),
        _write(folder / "Split-eval" / "features", range(100, 108)),
    )


def _train(world, folder, model=_MODEL, init_from="", **settings):
    return gated_training.train(
        *world,
        words=_WORDS,
        vectors=_VECTORS.astype(np.float32),
        model_config=model,
        config=dataclasses.replace(_TRAINING, **settings),
        checkpoint_directory=folder / "checkpoints",
        log_directory=folder / "logs",
        model_directory=folder / "model",
        init_from=init_from,
    )


def _log(folder):
    return [json.loads(line) for line in (folder / training.LOG_NAME).open()]


def _arguments(world, folder, model=_MODEL, init_from="", **settings) -> fn_args_utils.FnArgs:
    store.save(folder / "words", _WORDS, _VECTORS[1:])
    return fn_args_utils.FnArgs(
        train_files=world[0],
        eval_files=world[1],
        serving_model_dir=str(folder / "model"),
        model_run_dir=str(folder / "run"),
        custom_config={
            "model": dataclasses.asdict(model),
            "training": dataclasses.asdict(dataclasses.replace(_TRAINING, **settings)),
            "checkpoint_directory": str(folder / "checkpoints"),
            "word_vectors_uri": str(folder / "words"),
            "init_from": init_from,
        },
    )


@pytest.fixture(scope="module")
def pushed(world, tmp_path_factory) -> pathlib.Path:
    """Returns the folder of a run, with a trained and exported model in `model`."""
    folder = tmp_path_factory.mktemp("pushed")
    gated.run_fn(_arguments(world, folder))
    return folder


def test_training_learns_which_thing_is_which(world, pushed):
    log = _log(pushed / "run")
    assert [line["step"] for line in log] == [20, 40, 60]
    assert log[2]["loss"] < 0.5 * log[0]["loss"]
    assert log[2]["eval_loss"] < 0.7 * log[0]["eval_loss"]
    model = tf.saved_model.load(str(pushed / "model"))
    videos = [_video(number) for number in range(100, 108)]
    clips = np.concatenate([_pooled(video) for video in videos])
    things = [caption for video in videos for caption in video.captions]
    shown = model.signatures["video"](features=tf.constant(clips))["video_embedding"].numpy()
    named = model.signatures["text"](words=tf.constant(_WORDS))["text_embedding"].numpy()
    best = np.argmax(shown @ named.T, axis=1)
    # Chance is one in twelve.
    assert np.mean([_WORDS[i] == thing for i, thing in zip(best, things, strict=True)]) > 0.6


def _pooled(video):
    pairs = feature_pipeline.sample_pairs(video, np.random.default_rng(0), pairs_per_video=200)
    return np.stack([pairs.features[pairs.captions.index(text)] for text in video.captions])


def test_the_exported_model_describes_itself(pushed):
    described = description.read_description(pushed / "model")
    assert described.kind == "gated"
    assert described.config == dataclasses.asdict(_MODEL)
    assert described.words == _WORDS
    assert [stream["size"] for stream in described.features] == [5, 3]


def test_the_learning_rate_decays_after_each_epoch(world, tmp_path):
    _train(world, tmp_path, steps=6, steps_per_epoch=2, learning_rate=0.08, decay=0.5)
    rates = [line["learning_rate"] for line in _log(tmp_path / "checkpoints")]
    # The log's line is written when the next epoch's rate holds.
    np.testing.assert_allclose(rates, [0.04, 0.02, 0.01], rtol=1e-5)


def test_a_run_that_was_cut_off_goes_on_as_if_it_had_not_been(world, tmp_path, monkeypatch):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    settings = {"steps": 12, "steps_per_epoch": 4}
    _train(world, whole, **settings)

    def stop(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training.StopOnNaN, "on_train_batch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            _train(world, cut, **settings)
    assert [line["step"] for line in _log(cut / "checkpoints")] == [4]
    _train(world, cut, **settings)
    for name in ("step", "loss", "eval_loss", "learning_rate"):
        np.testing.assert_allclose(
            [line[name] for line in _log(cut / "checkpoints")],
            [line[name] for line in _log(whole / "checkpoints")],
            rtol=1e-5,
        )


def test_init_from_starts_at_the_pushed_model(world, pushed, tmp_path):
    # Its settings and words take the place of these.
    model = _train(
        world,
        tmp_path,
        model=config.GatedModelConfig(embedding_size=4, caption_size=4, max_words=1),
        init_from=str(pushed / "model"),
        steps=1,
        learning_rate=0.0,
    )
    assert description.read_description(tmp_path / "model").words == _WORDS
    served = tf.saved_model.load(str(pushed / "model")).signatures
    features = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    np.testing.assert_allclose(
        model.embed_video(features),
        served["video"](features=tf.constant(features))["video_embedding"],
        atol=1e-5,
    )
    ids = tokenizer.WordTable(_WORDS, 3)(tf.constant(["thing3 thing5"]))
    np.testing.assert_allclose(
        model.embed_text(ids),
        served["text"](words=tf.constant(["thing3 thing5"]))["text_embedding"],
        atol=1e-5,
    )
    assert _log(tmp_path / "checkpoints")[0]["eval_loss"] == pytest.approx(
        _log(pushed / "run")[-1]["eval_loss"], rel=1e-4
    )


def test_a_fine_tuned_model_is_exported_with_the_pushed_settings(world, pushed, tmp_path):
    other = config.GatedModelConfig(embedding_size=4, caption_size=4, max_words=1)
    arguments = _arguments(world, tmp_path, other, str(pushed / "model"), steps=1)
    gated.run_fn(arguments)
    described = description.read_description(tmp_path / "model")
    assert described.config == dataclasses.asdict(_MODEL)


def test_another_pushed_model_gets_other_checkpoints(world, pushed, tmp_path):
    gated.run_fn(_arguments(world, tmp_path, steps=1))
    gated.run_fn(_arguments(world, tmp_path, init_from=str(pushed / "model"), steps=1))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_a_pushed_model_of_another_kind_is_refused(world, pushed, tmp_path):
    written = description.read_description(pushed / "model")
    description.write_description(tmp_path, dataclasses.replace(written, kind="milnce"))
    with pytest.raises(ValueError, match="is a milnce model; the preset trains gated"):
        _train(world, tmp_path, init_from=str(tmp_path))


def test_features_of_another_layout_are_refused(world, pushed, tmp_path):
    files = _write(tmp_path / "narrow", range(12), size=7)
    message = (
        r"was trained on the features 2d \(5 at 1 a second\), 3d \(3 at 1 a second\), but the data "
        r"have 2d \(5 at 1 a second\), 3d \(2 at 1 a second\)"
    )
    with pytest.raises(ValueError, match=message):
        _train((files, []), tmp_path, init_from=str(pushed / "model"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"videos_per_batch": 13}, "holds fewer videos than one batch of 13; add videos or lower"),
        (
            {"max_search_rank": 2},
            r"fewer videos that training\.max_search_rank=2 leave than one batch of 3",
        ),
    ],
)
def test_less_than_a_batch_is_one_clear_error(world, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        _train(world, tmp_path, **settings)


def test_too_few_eval_videos_mean_no_validation(world, tmp_path):
    _train(world, tmp_path, steps=1, videos_per_batch=9)
    assert "eval_loss" not in _log(tmp_path / "checkpoints")[0]


@pytest.mark.parametrize("negatives", ["reference", "other_videos"])
def test_other_negatives_and_bfloat16_train_too(world, tmp_path, negatives):
    model = _train(
        world, tmp_path, steps=2, steps_per_epoch=2, negatives=negatives, mixed_bfloat16=True
    )
    assert np.isfinite(_log(tmp_path / "checkpoints")[0]["loss"])
    assert model.video_unit.compute_dtype == "bfloat16"
    assert {weight.dtype for weight in model.weights} == {"float32"}
