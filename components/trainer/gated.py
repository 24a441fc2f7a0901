"""`run_fn` of the HowTo100M road: the gated embedding on frozen features and narration."""

import os

from tfx.components.trainer import fn_args_utils

from components.trainer import gated_training, run
from components.trainer.config import GatedModelConfig, GatedTrainingConfig
from components.word_vectors import store


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
    """Trains and exports, as the TFX Trainer asks.

    Args:
      fn_args: with files of feature records, and `custom_config` holding `model` and `training`
        (the fields of `GatedModelConfig` and `GatedTrainingConfig`), `checkpoint_directory`,
        `init_from` and `word_vectors_uri`.

    Raises:
      ValueError: the train split holds less than one batch, or the pushed model of `init_from` is
        of another kind or was trained on other features.
      FloatingPointError: the loss became NaN or infinite.
    """
    settings = fn_args.custom_config
    words, vectors = store.load(settings["word_vectors_uri"])
    checkpoints = os.path.join(
        settings["checkpoint_directory"],
        run.checkpoints_name(settings, fn_args.train_files, fn_args.eval_files),
    )
    gated_training.train(
        fn_args.train_files,
        fn_args.eval_files,
        words=words,
        vectors=vectors,
        model_config=GatedModelConfig(**settings["model"]),
        config=GatedTrainingConfig(**settings["training"]),
        checkpoint_directory=checkpoints,
        log_directory=os.path.join(fn_args.model_run_dir, "logs"),
        model_directory=fn_args.serving_model_dir,
        init_from=settings.get("init_from", ""),
    )
    run.keep_log(checkpoints, fn_args.model_run_dir)
