"""`run_fn` of the MIL-NCE road: S3D and the text tower, end to end from pixels and narration."""

import dataclasses
import pathlib

import keras
import numpy as np
import tensorflow as tf
from tfx.components.trainer import fn_args_utils

from components.trainer import config as config_lib
from components.trainer import run, starting_point
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
        jit_compile=run.jit_compile(),
    )
    return joint


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
    """Trains and exports, as the TFX Trainer asks.

    Args:
      fn_args: with `custom_config` holding `model` and `training` (the fields of `ModelConfig` and
        `TrainingConfig`), `checkpoint_directory`, `init_from` (folder of a pushed MIL-NCE model to
        start from, whose settings, words and word vectors replace the given ones, or an empty
        string) and `word_vectors_uri`.

    Raises:
      ValueError: the train split holds less than one batch, or the pushed model is of another kind.
      FloatingPointError: the loss became NaN or infinite.
    """
    settings = fn_args.custom_config
    config = config_lib.TrainingConfig(**settings["training"])
    words, vectors = store.load(pathlib.Path(settings["word_vectors_uri"]))
    start = starting_point.find(
        config_lib.ModelConfig(**settings["model"]), words, vectors, settings.get("init_from", "")
    )
    max_words = start.config.max_words
    table = tokenizer.WordTable(start.words, max_words, start.case_sensitive)
    checkpoints = pathlib.Path(settings["checkpoint_directory"]) / run.checkpoints_name(
        settings, fn_args.train_files, fn_args.eval_files
    )
    run_directory = pathlib.Path(fn_args.model_run_dir)

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

    with run.dtype_policy(config.mixed_bfloat16):
        keras.utils.set_random_seed(config.seed)
        model = build_model(start.config, config, start.word_vectors())
        start.restore(model)
        fraction = config.train_fraction
        if not run.holds_a_batch(
            batches(fn_args.train_files, shuffle_buffer=1, repeat=False, train_fraction=fraction)
        ):
            raise ValueError(
                f"the train split holds fewer clips than one batch of {config.batch_size}"
                f"{f' with training.train_fraction={fraction}' if fraction < 1 else ''}; add "
                f"videos or lower training.batch_size"
            )
        validation = None
        validates = config.validation_batches and fn_args.eval_files
        if validates and run.holds_a_batch(
            batches(fn_args.eval_files, shuffle_buffer=1, repeat=False)
        ):
            validation = batches(fn_args.eval_files, shuffle_buffer=config.batch_size, repeat=True)
        training.fit(
            model,
            batches(
                fn_args.train_files,
                shuffle_buffer=config.shuffle_buffer,
                repeat=True,
                train_fraction=fraction,
            ),
            steps=config.steps,
            steps_per_epoch=min(config.steps_per_epoch, config.steps),
            batch_size=config.batch_size,
            checkpoint_directory=checkpoints,
            log_directory=run_directory / "logs",
            validation_data=validation,
            validation_steps=config.validation_batches if validation is not None else None,
        )
        run.keep_log(checkpoints, run_directory)
        export.export_text_video_model(
            model,
            fn_args.serving_model_dir,
            start.words,
            max_words=max_words,
            config=dataclasses.asdict(start.config),
        )
