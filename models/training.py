"""The training loop: Keras's `fit` with a schedule, checkpoints that survive a kill, and a log."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import files
from models.input_wait import InputWait

LOG_NAME = "training.jsonl"


class WarmUpStepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0, then a constant rate that drops by a factor at given steps.

    MIL-NCE paper, section 4.1: warm-up and stepwise decay.
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int,
        decay_steps: Sequence[int] = (),
        decay_factor: float = 0.1,
    ):
        """Makes the schedule.

        Args:
          learning_rate: the rate after the warm-up.
          warmup_steps: steps until it is reached; 0 starts with it.
          decay_steps: the steps from which on the rate is multiplied once more by `decay_factor`.
          decay_factor: the factor.
        """
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.decay_steps = tuple(decay_steps)
        self.decay_factor = decay_factor

    def __call__(self, step):
        """Returns the learning rate of `step`, counted from 0, where it is already above 0."""
        step = keras.ops.cast(step, "float32")
        warmup = keras.ops.minimum((step + 1.0) / max(self.warmup_steps, 1), 1.0)
        drops = sum(keras.ops.cast(step >= at, "float32") for at in self.decay_steps)
        return self.learning_rate * warmup * keras.ops.power(self.decay_factor, drops)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "decay_steps": self.decay_steps,
            "decay_factor": self.decay_factor,
        }


class Checkpoints(keras.callbacks.Callback):
    """Saves all that a training goes on from at the end of each epoch, and finds the last of it.

    That is the weights and the random states of the layers, the optimiser and the epoch. A
    checkpoint counts only once TensorFlow has renamed its index into place, so a process killed
    while it writes leaves the one before.
    """

    def __init__(
        self,
        model: keras.Model,
        directory: str | os.PathLike[str],
        keep: int = 2,
        is_chief: bool = True,
    ):
        """Prepares to save.

        Args:
          model: a built and compiled model; of one that a strategy distributes, in its scope.
          directory: where the checkpoints of this run, and of no other, lie.
          keep: how many to keep.
          is_chief: whether this process is the one whose checkpoints count. The others save too, as
            TensorFlow asks of the workers of a strategy, but to a folder that is thrown away.
        """
        super().__init__()
        model.optimizer.build(model.trainable_variables)
        self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        checkpoint = tf.train.Checkpoint(
            weights=[variable.value for variable in model.variables],
            optimizer=[variable.value for variable in model.optimizer.variables],
            epoch=self.epoch,
        )
        self._directory = os.fspath(directory)
        self._thrown_away = None if is_chief else tempfile.TemporaryDirectory()
        self.manager = tf.train.CheckpointManager(
            checkpoint, self._directory if is_chief else self._thrown_away.name, max_to_keep=keep
        )

    def restore(self) -> int:
        """Restores the last checkpoint of the chief, if there is one.

        Returns:
          The number of epochs that are done.
        """
        path = tf.train.latest_checkpoint(self._directory)
        if path:
            self.manager.checkpoint.restore(path).assert_consumed()
        return int(self.epoch.numpy())

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Saves."""
        self.epoch.assign(epoch + 1)
        self.manager.save(checkpoint_number=epoch + 1)


def finished_epochs(directory: str | os.PathLike[str]) -> int:
    """Returns after how many epochs the last checkpoint of `Checkpoints` was saved; 0 without one.

    Args:
      directory: where the checkpoints lie.
    """
    files.make_known(os.fspath(directory))
    path = tf.train.latest_checkpoint(os.fspath(directory))
    return int(path.rpartition("-")[2]) if path else 0


def _steps_done(model: keras.Model) -> int:
    # Not int(iterations), which a variable of many replicas has not.
    return int(tf.convert_to_tensor(model.optimizer.iterations.value))


class StopOnNaN(keras.callbacks.Callback):
    """Ends the training with an error as soon as the loss is not a finite number."""

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        """Checks the loss.

        Raises:
          FloatingPointError: the loss is NaN or infinite.
        """
        loss = logs["loss"]
        if not np.isfinite(loss):
            step = _steps_done(self.model)
            raise FloatingPointError(
                f"the loss is {loss} after step {step}; lower the learning rate, lengthen the "
                f"warm-up or turn mixed_bfloat16 off"
            )


class TrainingLog(keras.callbacks.Callback):
    """Writes one JSON object for each epoch: step, loss, learning rate and speed.

    The speed is `clips` (of the epoch), `train_seconds`, `clips_per_second` and, where it is
    measured, `input_wait_seconds`, the time of it that the training waited for its batches.

    A run that is resumed keeps the lines up to its checkpoint and goes on after them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        steps_per_epoch: int,
        batch_size: int,
        input_wait: InputWait | None = None,
    ):
        """Prepares to write.

        Args:
          path: the JSON Lines file.
          steps_per_epoch: steps between two lines.
          batch_size: clips in a batch.
          input_wait: measures the training data, or None where nothing does.
        """
        super().__init__()
        self.path = os.fspath(path)
        self._lines: list[str] = []
        self.steps_per_epoch = steps_per_epoch
        self.batch_size = batch_size
        self._input_wait = input_wait
        self._waited = 0.0
        self._started = 0.0
        self._train_seconds = 0.0

    def keep_epochs(self, epochs: int) -> None:
        """Drops what an earlier process wrote after its last checkpoint."""
        lines = files.read_text(self.path).splitlines() if files.is_file(self.path) else []
        self._lines = lines[:epochs]
        self._write()

    def _write(self) -> None:
        # The whole file anew: a process killed while it writes leaves the old one or the new one,
        # and not every file system can append.
        files.write_text(self.path, "".join(line + "\n" for line in self._lines))

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Starts the clock."""
        self._started = time.monotonic()
        if self._input_wait is not None:
            self._waited = self._input_wait.seconds

    def on_test_begin(self, logs=None) -> None:
        """Stops the clock before the validation, which is no training."""
        self._train_seconds = time.monotonic() - self._started

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Writes the line."""
        seconds = self._train_seconds or time.monotonic() - self._started
        clips = self.steps_per_epoch * self.batch_size
        line = {
            "step": _steps_done(self.model),
            "loss": float(logs["loss"]),
            "learning_rate": float(self.model.optimizer.learning_rate),
            "clips": clips,
            "train_seconds": round(seconds, 3),
            "clips_per_second": round(clips / seconds, 1),
        }
        if self._input_wait is not None:
            line["input_wait_seconds"] = round(self._input_wait.seconds - self._waited, 3)
        if "val_loss" in logs:
            line["eval_loss"] = float(logs["val_loss"])
        self._lines.append(json.dumps(line))
        self._write()


def fit(
    model: keras.Model,
    training_data: tf.data.Dataset,
    *,
    steps: int,
    steps_per_epoch: int,
    batch_size: int,
    checkpoint_directory: str | os.PathLike[str],
    log_directory: str | os.PathLike[str],
    validation_data: tf.data.Dataset | None = None,
    validation_steps: int | None = None,
    is_chief: bool = True,
) -> int:
    """Trains a compiled model from the last checkpoint, if there is one, up to `steps`.

    Args:
      model: a built and compiled model.
      training_data: endless batches, from that on at which the checkpoint was saved (see
        `finished_epochs`).
      steps: optimiser steps in all, those before the checkpoint included; rounded up to epochs.
      steps_per_epoch: steps between checkpoints.
      batch_size: clips in a batch, for the log.
      checkpoint_directory: where the checkpoints and `training.jsonl` of this run lie.
      log_directory: where TensorBoard's files go.
      validation_data: batches to score at each epoch's end.
      validation_steps: how many of them, in turn, if they are endless; None scores all of them.
      is_chief: whether this process writes the checkpoints and the log. All processes of a training
        restore the same checkpoint.

    Returns:
      The step from which it went on; 0 without a checkpoint.

    Raises:
      FloatingPointError: the loss became NaN or infinite.
    """
    checkpoint_directory = os.fspath(checkpoint_directory)
    files.make_folder(checkpoint_directory)
    checkpoints = Checkpoints(model, checkpoint_directory, is_chief=is_chief)
    done = checkpoints.restore()
    resumed_at = _steps_done(model)
    callbacks: list[keras.callbacks.Callback] = [StopOnNaN()]
    if is_chief:
        input_wait = None
        # What feeds many replicas reads ahead for them: there is no waiting to be seen from here.
        if isinstance(training_data, tf.data.Dataset):
            input_wait = InputWait()
            training_data = input_wait.measured(training_data)
        log_path = os.path.join(checkpoint_directory, LOG_NAME)
        log = TrainingLog(log_path, steps_per_epoch, batch_size, input_wait)
        log.keep_epochs(done)
        callbacks += [log, keras.callbacks.TensorBoard(str(log_directory), update_freq="epoch")]
    # The checkpoint comes after the log's line: a line without a checkpoint is dropped, but a
    # checkpoint without its line would leave a gap.
    callbacks.append(checkpoints)
    if resumed_at:
        print(f"Training goes on from the checkpoint at step {resumed_at} of {steps}.", flush=True)
    epochs = -(-steps // steps_per_epoch)
    # A bar for a person at a terminal, a line an epoch for a log file.
    verbose = (1 if sys.stdout.isatty() else 2) if is_chief else 0
    model.fit(
        training_data,
        shuffle=False,  # The input pipeline shuffles.
        epochs=epochs,
        initial_epoch=done,
        steps_per_epoch=steps_per_epoch,
        validation_data=validation_data,
        validation_steps=validation_steps,
        verbose=verbose,
        callbacks=callbacks,
    )
    return resumed_at
