"""What the training runs of both roads share. TFX is not needed for it."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from models import files, training


def model_fingerprint(directory: str) -> str:
    """Returns a text that changes when the SavedModel in a folder does; empty for no folder.

    Args:
      directory: folder of the SavedModel, or an empty string.
    """
    if not directory:
        return ""
    size, changed = files.size_and_time(os.path.join(directory, "saved_model.pb"))
    return f"{size} {changed}"


def checkpoints_name(
    settings: Mapping[str, Any], train_files: Sequence[str], eval_files: Sequence[str]
) -> str:
    """Returns a short name for everything that a checkpoint depends on.

    Args:
      settings: the `custom_config` of the run; the model of its `init_from` counts with its
        fingerprint, and its `checkpoint_directory` does not count.
      train_files: patterns of the files to train on.
      eval_files: patterns of the files to validate on.
    """
    counted = {k: v for k, v in settings.items() if k != "checkpoint_directory"}
    pushed = model_fingerprint(settings.get("init_from", ""))
    described = json.dumps([counted, pushed, train_files, eval_files], sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()[:16]


@contextlib.contextmanager
def dtype_policy(mixed_bfloat16: bool) -> Iterator[None]:
    """Makes new layers compute in bfloat16 or float32, until the context ends.

    Args:
      mixed_bfloat16: whether they compute in bfloat16; weights are float32 in both cases.
    """
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed_bfloat16 else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def jit_compile() -> str | bool:
    """Returns what `compile` gets for `jit_compile`.

    XLA on a CPU was measured to be several times slower than oneDNN.
    """
    return "auto" if tf.config.list_physical_devices("GPU") else False


def holds_a_batch(dataset: tf.data.Dataset) -> bool:
    """Returns whether a dataset has at least one element."""
    return next(iter(dataset.take(1)), None) is not None


def keep_log(checkpoint_directory: str, run_directory: str) -> None:
    """Copies the training log from the checkpoints to the run's own output.

    Args:
      checkpoint_directory: where `training.fit` wrote it.
      run_directory: where it is kept; made where it is missing.
    """
    files.make_folder(run_directory)
    files.copy(
        os.path.join(checkpoint_directory, training.LOG_NAME),
        os.path.join(run_directory, training.LOG_NAME),
    )
