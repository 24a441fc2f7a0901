"""Trains the joint text-video model of MIL-NCE on clip records. TFX is not needed for it."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.trainer import run, starting_point
from components.trainer.config import ModelConfig, TrainingConfig
from models import export, input_pipeline, milnce, s3d, text_tower, tokenizer, training


def build_model(
    model_config: ModelConfig, config: TrainingConfig, vectors: np.ndarray
) -> milnce.TextVideoModel:
    """Returns the built and compiled joint model.

    Args:
      model_config: the two towers.
      config: the training run.
      vectors: frozen word vectors, float32 [V + 1, D], row 0 the padding.
    """
    model = milnce.TextVideoModel(
        s3d.S3D(
            width=model_config.width,
            embedding_size=model_config.embedding_size,
            stem=model_config.stem,
        ),
        text_tower.TextTower(
            vectors,
            hidden_size=model_config.text_hidden_size,
            embedding_size=model_config.embedding_size,
        ),
        positives=config.positives,
    )
    size = config.image_size
    model(
        {
            "video": np.zeros((1, config.num_frames, size, size, 3), "uint8"),
            "word_ids": np.zeros((1, config.num_candidates, model_config.max_words), "int64"),
        }
    )
    model.compile(
        optimizer=keras.optimizers.Adam(
            training.WarmUpStepDecay(
                config.learning_rate,
                config.warmup_steps,
                [int(fraction * config.steps) for fraction in config.decay_at],
                config.decay_factor,
            )
        ),
        jit_compile=run.jit_compile(),
    )
    return model


def train(
    train_files: Sequence[str],
    eval_files: Sequence[str],
    *,
    words: Sequence[str],
    vectors: np.ndarray,
    model_config: ModelConfig,
    config: TrainingConfig,
    checkpoint_directory: pathlib.Path,
    log_directory: pathlib.Path,
    model_directory: str | os.PathLike[str],
    init_from: str = "",
) -> milnce.TextVideoModel:
    """Trains a joint model, from the last checkpoint if there is one, and exports it.

    Args:
      train_files: patterns of TFRecord shards of clip records.
      eval_files: likewise, to validate on; without a whole batch there is no validation.
      words: the V words of a new model, by id from 1.
      vectors: their frozen vectors, float32 [V + 1, D], row 0 the padding.
      model_config: settings of a new model.
      config: the training run.
      checkpoint_directory: where checkpoints and `training.jsonl` of this run, and of no other,
        lie.
      log_directory: where TensorBoard's files go.
      model_directory: gets the SavedModel.
      init_from: folder of a pushed MIL-NCE model to start from, or empty; its settings, words and
        word vectors replace the given ones.

    Returns:
      The model.

    Raises:
      ValueError: the train files hold less than one batch, or the pushed model is of another kind.
      FloatingPointError: the loss became NaN or infinite.
    """
    start = starting_point.find(model_config, words, vectors, init_from)
    max_words = start.config.max_words
    table = tokenizer.WordTable(start.words, max_words, start.case_sensitive)

    def batches(files: Sequence[str], **options: Any) -> tf.data.Dataset:
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

    fraction = config.train_fraction
    if not run.holds_a_batch(
        batches(train_files, shuffle_buffer=1, repeat=False, train_fraction=fraction)
    ):
        raise ValueError(
            f"the train split holds fewer clips than one batch of {config.batch_size}"
            f"{f' with training.train_fraction={fraction}' if fraction < 1 else ''}; add "
            f"videos or lower training.batch_size"
        )
    validation = None
    validates = config.validation_batches and eval_files
    if validates and run.holds_a_batch(batches(eval_files, shuffle_buffer=1, repeat=False)):
        validation = batches(eval_files, shuffle_buffer=config.batch_size, repeat=True)
    with run.dtype_policy(config.mixed_bfloat16):
        keras.utils.set_random_seed(config.seed)
        model = build_model(start.config, config, start.word_vectors())
        start.restore(model)
        training.fit(
            model,
            batches(
                train_files,
                shuffle_buffer=config.shuffle_buffer,
                repeat=True,
                train_fraction=fraction,
            ),
            steps=config.steps,
            steps_per_epoch=min(config.steps_per_epoch, config.steps),
            batch_size=config.batch_size,
            checkpoint_directory=checkpoint_directory,
            log_directory=log_directory,
            validation_data=validation,
            validation_steps=config.validation_batches if validation is not None else None,
        )
        export.export_text_video_model(
            model,
            model_directory,
            start.words,
            max_words=max_words,
            config=dataclasses.asdict(start.config),
        )
    return model
