"""Trains the joint text-video model of MIL-NCE on clip records. TFX is not needed for it."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.trainer import run, starting_point
from components.trainer.config import ModelConfig, TrainingConfig
from models import (
    adam,
    export,
    input_pipeline,
    milnce,
    objective,
    replicas,
    text_tower,
    tokenizer,
    training,
    video_towers,
)


def build_model(
    model_config: ModelConfig,
    config: TrainingConfig,
    vectors: np.ndarray,
    strategy: tf.distribute.Strategy | None = None,
) -> milnce.TextVideoModel:
    """Returns the built and compiled joint model.

    Args:
      model_config: the two towers.
      config: the training run.
      vectors: frozen word vectors, float32 [V + 1, D], row 0 the padding.
      strategy: where it is to be trained; None takes one device.
    """
    strategy = strategy or replicas.make_strategy("one_device")
    # Made outside of the strategy's scope, but built in it: see `models.replicas`.
    model = milnce.TextVideoModel(
        video_towers.make_video_tower(
            model_config.backbone,
            width=model_config.width,
            embedding_size=model_config.embedding_size,
            stem=model_config.stem,
        ),
        text_tower.TextTower(
            vectors,
            hidden_size=model_config.text_hidden_size,
            embedding_size=model_config.embedding_size,
            text_model=model_config.text_model,
        ),
        objective=objective.Objective(
            loss=config.loss,
            negatives=config.negatives,
            num_negatives=config.num_negatives,
            positives=config.positives,
            margin=config.margin,
        ),
        micro_batch_size=config.micro_batch_size,
    )
    with strategy.scope():
        model.build()
        if config.synchronized_batch_norm:
            replicas.synchronize_batch_norm(model)
        model.compile(
            optimizer=adam.Adam(
                training.WarmUpStepDecay(
                    config.learning_rate,
                    config.warmup_steps,
                    [int(fraction * config.steps) for fraction in config.decay_at],
                    config.decay_factor,
                )
            ),
            jit_compile=run.jit_compile() if config.strategy == "one_device" else False,
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
    checkpoint_directory: str | os.PathLike[str],
    log_directory: str | os.PathLike[str],
    model_directory: str | os.PathLike[str],
    init_from: str = "",
) -> milnce.TextVideoModel:
    """Trains a joint model, from the last checkpoint if there is one, and exports it.

    A run that was cut off goes on with the batch after its checkpoint, so that it ends as a run at
    one go does. With `config.strategy` "multi_worker" every worker calls this with the same
    arguments; the first one writes the checkpoints, the log and the model.

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
      ValueError: the environment lacks what the strategy needs, the replicas cannot share the batch
        evenly, the train files hold less than one batch, or the pushed model is of another kind.
      RuntimeError: of "multi_worker", if TensorFlow has been used before in this process.
      FloatingPointError: the loss became NaN or infinite.
    """
    # Before TensorFlow does anything else, as "multi_worker" needs it.
    strategy = replicas.make_strategy(config.strategy)
    replicas.check_batch_size(
        config.batch_size, strategy.num_replicas_in_sync, config.micro_batch_size
    )
    is_chief = replicas.is_chief(strategy)
    start = starting_point.find(model_config, words, vectors, init_from)
    max_words = start.config.max_words
    table = tokenizer.WordTable(start.words, max_words, start.case_sensitive)
    _check_holds_a_batch(train_files, config)
    steps_per_epoch = min(config.steps_per_epoch, config.steps)

    def batches(files: Sequence[str], num_batches: int | None = None, **options: Any) -> Any:
        """Feeds the replicas; a number of batches comes again and again."""

        def make(pipelines: int, pipeline: int, local: int) -> tf.data.Dataset:
            dataset = input_pipeline.training_dataset(
                files,
                batch_size=config.batch_size,
                num_candidates=config.num_candidates,
                num_frames=config.num_frames,
                frame_rate=config.frame_rate,
                image_size=config.image_size,
                word_table=table,
                seed=config.seed,
                pipelines=pipelines,
                pipeline=pipeline,
                part_size=local,
                **options,
            )
            if num_batches is None:
                return dataset
            dataset = dataset.take(num_batches * config.batch_size // pipelines // local)
            return (dataset.cache() if config.cache_frames else dataset).repeat()

        return replicas.distribute(strategy, config.batch_size, make)

    validation_steps = _validation_batches(eval_files, config)
    validation = None
    if validation_steps:
        # The same batches at each epoch, so that their losses compare.
        validation = batches(
            eval_files, validation_steps, shuffle_buffer=config.batch_size, repeat=False
        )
    with run.dtype_policy(config.mixed_bfloat16):
        keras.utils.set_random_seed(config.seed)
        model = build_model(start.config, config, start.word_vectors(), strategy)
        with strategy.scope():
            start.restore(model)
            training.fit(
                model,
                batches(
                    train_files,
                    shuffle_buffer=config.shuffle_buffer,
                    train_fraction=config.train_fraction,
                    cache_frames=config.cache_frames,
                    first_batch=training.finished_epochs(checkpoint_directory) * steps_per_epoch,
                ),
                steps=config.steps,
                steps_per_epoch=steps_per_epoch,
                batch_size=config.batch_size,
                checkpoint_directory=checkpoint_directory,
                log_directory=log_directory,
                validation_data=validation,
                validation_steps=validation_steps or None,
                is_chief=is_chief,
            )
        if is_chief:
            export.export_text_video_model(
                model,
                model_directory,
                start.words,
                max_words=max_words,
                config=dataclasses.asdict(start.config),
            )
        if config.strategy == "multi_worker":
            # A worker that has ended looks like a failed one to those that have not.
            strategy.run(_meet)
    return model


@tf.function
def _meet() -> tf.Tensor:
    """Waits until all replicas have come here."""
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, 1.0)


def _check_holds_a_batch(train_files: Sequence[str], config: TrainingConfig) -> None:
    fraction = config.train_fraction
    clips = input_pipeline.count_clips(train_files, fraction, at_most=config.batch_size)
    if clips < config.batch_size:
        raise ValueError(
            f"the train split holds fewer clips than one batch of {config.batch_size}"
            f"{f' with training.train_fraction={fraction}' if fraction < 1 else ''}; add "
            f"videos or lower training.batch_size"
        )


def _validation_batches(eval_files: Sequence[str], config: TrainingConfig) -> int:
    """Returns how many batches can be scored at each epoch; 0 for no validation."""
    wanted = config.validation_batches * config.batch_size
    if not wanted or not eval_files:
        return 0
    return input_pipeline.count_clips(eval_files, at_most=wanted) // config.batch_size
