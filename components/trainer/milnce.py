"""`run_fn` of the MIL-NCE road: a video tower and a text tower, end to end from pixels."""

import os

from tfx.components.trainer import fn_args_utils

from components.trainer import run, worker


def run_fn(fn_args: fn_args_utils.FnArgs) -> None:
    """Trains and exports, as the TFX Trainer asks.

    Args:
      fn_args: with files of clip records, and `custom_config` holding `model` and `training` (the
        fields of `ModelConfig` and `TrainingConfig`), `checkpoint_directory`, `init_from` (folder
        of a pushed MIL-NCE model to start from, whose settings, words and word vectors replace the
        given ones, or an empty string) and `word_vectors_uri`.

    Raises:
      ValueError: the environment lacks what the strategy needs, the replicas cannot share the batch
        evenly, the train split holds less than one batch, or the pushed model is of another kind.
      FloatingPointError: the loss became NaN or infinite.
    """
    settings = fn_args.custom_config
    checkpoints = os.path.join(
        settings["checkpoint_directory"],
        run.checkpoints_name(settings, fn_args.train_files, fn_args.eval_files),
    )
    job = worker.Job(
        train_files=fn_args.train_files,
        eval_files=fn_args.eval_files,
        model=settings["model"],
        training=settings["training"],
        word_vectors_uri=settings["word_vectors_uri"],
        checkpoint_directory=checkpoints,
        log_directory=os.path.join(fn_args.model_run_dir, "logs"),
        model_directory=fn_args.serving_model_dir,
        init_from=settings.get("init_from", ""),
    )
    if settings["training"].get("strategy") == "multi_worker":
        job.run_with_others()
    else:
        job.run()
    run.keep_log(checkpoints, fn_args.model_run_dir)
