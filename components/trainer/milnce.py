"""`run_fn` of the MIL-NCE road: a video tower and a text tower, end to end from pixels."""

import pathlib

from tfx.components.trainer import fn_args_utils

from components.trainer import milnce_training, run
from components.trainer.config import ModelConfig, TrainingConfig
from components.word_vectors import store


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
    """Trains and exports, as the TFX Trainer asks.

    Args:
      fn_args: with files of clip records, and `custom_config` holding `model` and `training` (the
        fields of `ModelConfig` and `TrainingConfig`), `checkpoint_directory`, `init_from` (folder
        of a pushed MIL-NCE model to start from, whose settings, words and word vectors replace the
        given ones, or an empty string) and `word_vectors_uri`.

    Raises:
      ValueError: the train split holds less than one batch, or the pushed model is of another kind.
      FloatingPointError: the loss became NaN or infinite.
    """
    settings = fn_args.custom_config
    words, vectors = store.load(pathlib.Path(settings["word_vectors_uri"]))
    checkpoints = pathlib.Path(settings["checkpoint_directory"]) / run.checkpoints_name(
        settings, fn_args.train_files, fn_args.eval_files
    )
    run_directory = pathlib.Path(fn_args.model_run_dir)
    milnce_training.train(
        fn_args.train_files,
        fn_args.eval_files,
        words=words,
        vectors=vectors,
        model_config=ModelConfig(**settings["model"]),
        config=TrainingConfig(**settings["training"]),
        checkpoint_directory=checkpoints,
        log_directory=run_directory / "logs",
        model_directory=fn_args.serving_model_dir,
        init_from=settings.get("init_from", ""),
    )
    run.keep_log(checkpoints, run_directory)
