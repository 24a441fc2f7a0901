"""Trains the gated model of HowTo100M on feature records. TFX is not needed for it."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.trainer import run, starting_point
from components.trainer.config import GatedModelConfig, GatedTrainingConfig
from models import export, feature_pipeline, gated, tokenizer, training


def build_model(
    model_config: GatedModelConfig,
    config: GatedTrainingConfig,
    vectors: np.ndarray,
    layout: Sequence[Mapping[str, Any]],
) -> gated.GatedTextVideoModel:
    """Returns the built and compiled model.

    Args:
      model_config: the model.
      config: the training run.
      vectors: frozen word vectors, float32 [V + 1, D], row 0 the padding.
      layout: the streams of features (see `feature_pipeline.feature_layout`).
    """
    model = gated.GatedTextVideoModel(
        feature_size=sum(stream["size"] for stream in layout),
        vectors=vectors,
        caption_size=model_config.caption_size,
        embedding_size=model_config.embedding_size,
        margin=config.margin,
    )
    model.build()
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.ExponentialDecay(
                config.learning_rate, config.steps_per_epoch, config.decay, staircase=True
            ),
            # The reference's (torch's default). Keras's 1e-7 is as large as many a gradient at
            # d = 4096 and damps the first steps.
            epsilon=1e-8,
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
    model_config: GatedModelConfig,
    config: GatedTrainingConfig,
    checkpoint_directory: str | os.PathLike[str],
    log_directory: str | os.PathLike[str],
    model_directory: str | os.PathLike[str],
    init_from: str = "",
) -> gated.GatedTextVideoModel:
    """Trains a gated model, from the last checkpoint if there is one, and exports it.

    A run that was cut off goes on with the batch after its checkpoint, so that its log is that of a
    run at one go. The log's `clips_per_second` counts pairs.

    Args:
      train_files: patterns of TFRecord shards of feature records.
      eval_files: likewise, to validate on; without a whole batch there is no validation.
      words: the V words of a new model, by id from 1.
      vectors: their frozen vectors, float32 [V + 1, D], row 0 the padding.
      model_config: settings of a new model.
      config: the training run.
      checkpoint_directory: where checkpoints and `training.jsonl` of this run, and of no other,
        lie.
      log_directory: where TensorBoard's files go.
      model_directory: gets the SavedModel.
      init_from: folder of a pushed gated model to start from, or empty; its settings, words and
        word vectors replace the given ones.

    Returns:
      The model.

    Raises:
      ValueError: the train files hold less than one batch, or the pushed model is of another kind
        or was trained on other features.
      FloatingPointError: the loss became NaN or infinite.
    """
    start = starting_point.find(model_config, words, vectors, init_from)
    layout = feature_pipeline.feature_layout(train_files)
    start.check_features(layout)
    table = tokenizer.WordTable(start.words, start.config.max_words, start.case_sensitive)

    def batches(files: Sequence[str], **options: Any) -> tf.data.Dataset:
        return feature_pipeline.training_dataset(
            files,
            videos_per_batch=config.videos_per_batch,
            pairs_per_video=config.pairs_per_video,
            word_table=table,
            seed=config.seed,
            negatives=config.negatives,
            hard_negative_rate=config.hard_negative_rate,
            min_words=config.min_words,
            min_seconds=config.min_seconds,
            growing_order=config.growing_order,
            **options,
        )

    selection = {
        "train_fraction": config.train_fraction,
        "max_search_rank": config.max_search_rank,
    }
    if not run.holds_a_batch(batches(train_files, shuffle_buffer=1, repeat=False, **selection)):
        raise ValueError(_too_few_videos(config))
    validation = None
    if config.validation_batches and eval_files:
        # The same batches at each epoch, so that their losses compare.
        passed = batches(eval_files, shuffle_buffer=1, repeat=False)
        passed = passed.take(config.validation_batches)
        if count := sum(1 for _ in passed):
            # Keras warns where the data end before it expects it.
            validation = passed.apply(tf.data.experimental.assert_cardinality(count))
    with run.dtype_policy(config.mixed_bfloat16):
        keras.utils.set_random_seed(config.seed)
        model = build_model(start.config, config, start.word_vectors(), layout)
        start.restore(model)
        steps_per_epoch = min(config.steps_per_epoch, config.steps)
        done = training.finished_epochs(checkpoint_directory)
        training.fit(
            model,
            batches(
                train_files,
                shuffle_buffer=config.shuffle_buffer,
                first_batch=done * steps_per_epoch,
                **selection,
            ),
            steps=config.steps,
            steps_per_epoch=steps_per_epoch,
            batch_size=config.videos_per_batch * config.pairs_per_video,
            checkpoint_directory=checkpoint_directory,
            log_directory=log_directory,
            validation_data=validation,
        )
        export.export_gated_model(
            model,
            model_directory,
            start.words,
            max_words=start.config.max_words,
            features=layout,
            case_sensitive=start.case_sensitive,
        )
    return model


def _too_few_videos(config: GatedTrainingConfig) -> str:
    """Returns the error that names what could be changed."""
    limits = [
        f"training.{name}={value}"
        for name, value, unlimited in (
            ("max_search_rank", config.max_search_rank, None),
            ("train_fraction", config.train_fraction, 1.0),
        )
        if value != unlimited
    ]
    left = f" that {' and '.join(limits)} leave" if limits else ""
    return (
        f"the train split holds fewer videos{left} than one batch of {config.videos_per_batch}; "
        f"add videos or lower training.videos_per_batch"
    )
