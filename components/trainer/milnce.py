"""`run_fn` of the MIL-NCE road: S3D and the text tower, end to end from pixels and narration."""

import dataclasses
import hashlib
import json
import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf
from tfx.components.trainer import fn_args_utils

from components.trainer import config as config_lib
from components.word_vectors import store
from models import export, input_pipeline, milnce, s3d, text_tower, tokenizer, training


def build_model(
    model: config_lib.ModelConfig, training_config: config_lib.TrainingConfig, vectors: np.ndarray
) -> milnce.TextVideoModel:
    """Returns the built and compiled joint model.

    Args:
      model: the two towers.
      training_config: the training run.
      vectors: frozen word vectors, float32 [V + 1, D], row 0 the padding.
    """
    joint = milnce.TextVideoModel(
        s3d.S3D(width=model.width, embedding_size=model.embedding_size, stem=model.stem),
        text_tower.TextTower(
            vectors,
            hidden_size=model.text_hidden_size,
            embedding_size=model.embedding_size,
        ),
        positives=training_config.positives,
    )
    size = training_config.image_size
    joint(
        {
            "video": np.zeros((1, training_config.num_frames, size, size, 3), "uint8"),
            "word_ids": np.zeros((1, training_config.num_candidates, model.max_words), "int64"),
        }
    )
    steps = training_config.steps
    joint.compile(
        optimizer=keras.optimizers.Adam(
            training.WarmUpStepDecay(
                training_config.learning_rate,
                training_config.warmup_steps,
                [int(fraction * steps) for fraction in training_config.decay_at],
                training_config.decay_factor,
            )
        ),
        # XLA on a CPU was measured to be several times slower than oneDNN.
        jit_compile="auto" if tf.config.list_physical_devices("GPU") else False,
    )
    return joint


def _fingerprint(fn_args: fn_args_utils.FnArgs) -> str:
    """Returns a short name for everything that a checkpoint depends on."""
    settings = {k: v for k, v in fn_args.custom_config.items() if k != "checkpoint_directory"}
    described = json.dumps([settings, fn_args.train_files, fn_args.eval_files], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _holds_a_batch(dataset: tf.data.Dataset) -> bool:
    return next(iter(dataset.take(1)), None) is not None


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
    """Trains and exports, as the TFX Trainer asks.

    Args:
      fn_args: with `custom_config` holding `model` and `training` (the fields of `ModelConfig` and
        `TrainingConfig`), `checkpoint_directory` and `word_vectors_uri`.

    Raises:
      ValueError: the train split holds less than one batch.
      FloatingPointError: the loss became NaN or infinite.
    """
    settings = fn_args.custom_config
    model_config = config_lib.ModelConfig(**settings["model"])
    config = config_lib.TrainingConfig(**settings["training"])
    words, vectors = store.load(pathlib.Path(settings["word_vectors_uri"]))
    table = tokenizer.WordTable(words, model_config.max_words)
    previous_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if config.mixed_bfloat16 else "float32")
    try:
        keras.utils.set_random_seed(config.seed)
        model = build_model(model_config, config, vectors)
        checkpoints = pathlib.Path(settings["checkpoint_directory"]) / _fingerprint(fn_args)

        def batches(files: list[str], **options) -> tf.data.Dataset:
            return input_pipeline.training_dataset(
                files,
                batch_size=config.batch_size,
                num_candidates=config.num_candidates,
                num_frames=config.num_frames,
                frame_rate=config.frame_rate,
                image_size=config.image_size,
                word_table=table,
                seed=config.seed,
                **options,
            )

        if not _holds_a_batch(batches(fn_args.train_files, shuffle_buffer=1, repeat=False)):
            raise ValueError(
                f"the train split holds fewer clips than one batch of {config.batch_size}; add "
                f"videos or lower training.batch_size"
            )
        validation = None
        validates = config.validation_batches and fn_args.eval_files
        if validates and _holds_a_batch(
            batches(fn_args.eval_files, shuffle_buffer=1, repeat=False)
        ):
            validation = batches(fn_args.eval_files, shuffle_buffer=config.batch_size, repeat=True)
        run_directory = pathlib.Path(fn_args.model_run_dir)
        training.fit(
            model,
            batches(fn_args.train_files, shuffle_buffer=config.shuffle_buffer, repeat=True),
            steps=config.steps,
            steps_per_epoch=min(config.steps_per_epoch, config.steps),
            batch_size=config.batch_size,
            checkpoint_directory=checkpoints,
            log_directory=run_directory / "logs",
            validation_data=validation,
            validation_steps=config.validation_batches if validation is not None else None,
        )
        run_directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkpoints / training.LOG_NAME, run_directory / training.LOG_NAME)
        export.export_text_video_model(
            model,
            fn_args.serving_model_dir,
            words,
            max_words=model_config.max_words,
            config=dataclasses.asdict(model_config),
        )
    finally:
        keras.config.set_dtype_policy(previous_policy)
