"""Trains a tiny model on replicas, for tests to compare the results.

Run as a program, it trains on replicas of its own: `python replicas_trial.py STRATEGY DEVICES
TRIALS OUTPUT`, where DEVICES is the number of logical CPU devices, TRIALS a JSON list of the
arguments of `run_trial`, and OUTPUT the .npz file that gets the results. TensorFlow's devices can
only be set before it starts, and its collectives take but one number of replicas in a process.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import milnce, replicas
from models.adam import Adam
from models.objective import Objective
from models.text_tower import TextTower
from models.video_layers import ConvUnit

BATCH = 8
STEPS = 3
CANDIDATES = 2
LENGTH = 3
WORDS = 6
FRAMES = 2
PIXELS = 8
EMBEDDING = 4


class VideoTower(keras.Model):
    """One convolution of S3D with its normalisation: a graph that is soon made."""

    embedding_size = EMBEDDING

    def __init__(self):
        super().__init__(name="video_tower")
        self.unit = ConvUnit(6, (2, 3, 3), (1, 2, 2))
        self.head = keras.layers.Dense(EMBEDDING)

    def build(self, input_shape=None):
        self.unit.build((None, None, None, None, 3))
        self.head.build((None, 6))

    def call(self, video, training=None):
        features = keras.ops.mean(self.unit(video, training=training), axis=(1, 2, 3))
        return {"video_embedding": self.head(features), "mixed_5c": features}


def clips() -> dict[str, np.ndarray]:
    """Returns the clips of all steps."""
    generator = np.random.default_rng(7)
    count = BATCH * STEPS
    return {
        "video": generator.integers(0, 256, (count, FRAMES, PIXELS, PIXELS, 3)).astype(np.uint8),
        "word_ids": generator.integers(0, WORDS + 1, (count, CANDIDATES, LENGTH)),
    }


def make_model(loss: str = "mil_nce", micro_batch_size: int | None = None) -> milnce.TextVideoModel:
    """Returns a model that has no weights yet; they will always be the same."""
    keras.utils.set_random_seed(5)
    vectors = np.random.default_rng(3).normal(size=(WORDS + 1, 4))
    return milnce.TextVideoModel(
        VideoTower(), TextTower(vectors, 8, EMBEDDING), Objective(loss), micro_batch_size
    )


def weights_of(model: keras.Model, strategy: tf.distribute.Strategy) -> dict[str, np.ndarray]:
    """Returns the mean over the replicas of each weight.

    Only the statistics of batch normalisation that is not synchronised differ between them.
    """
    return {
        f"{i:02} {weight.name}": np.mean(
            [np.array(value) for value in strategy.experimental_local_results(weight.value)], axis=0
        )
        for i, weight in enumerate(model.weights)
    }


class Progress(keras.callbacks.Callback):
    """Keeps the weights before the first step, and the loss and the weights after each step."""

    def __init__(self, strategy: tf.distribute.Strategy):
        super().__init__()
        self.strategy = strategy
        self.means = []
        self.weights = []

    def on_train_begin(self, logs=None):
        self.weights.append(weights_of(self.model, self.strategy))

    def on_train_batch_end(self, batch, logs=None):
        self.means.append(float(logs["loss"]))
        self.weights.append(weights_of(self.model, self.strategy))

    def losses(self) -> np.ndarray:
        """Returns the loss of each step; the trainer reports the mean since the first."""
        return np.diff(np.array(self.means) * np.arange(1, len(self.means) + 1), prepend=0.0)


def run_trial(
    strategy: tf.distribute.Strategy,
    *,
    optimizer: str = "sgd",
    synchronized: bool = True,
    frozen: bool = False,
    validates: bool = False,
    steps: int = STEPS,
    order: Sequence[int] = range(BATCH),
    **model_options: Any,
) -> dict[str, np.ndarray]:
    """Trains a model from the same weights on the same batches.

    Args:
      strategy: what it trains on.
      optimizer: "sgd", with the rate 1, so that the weights change by the gradient, or "adam".
      synchronized: whether batch normalisation is.
      frozen: whether it normalises with the stored statistics, and learns nothing.
      validates: whether there is a validation.
      steps: how many, at most `STEPS`.
      order: in which the clips of each batch come.
      **model_options: of `make_model`.

    Returns:
      `losses` of the steps; `epoch_loss`, their mean as `fit` gives it; `val_loss` after them; and
      `weights/...` by name, before and after each step: [steps + 1, ...].
    """
    chosen = np.concatenate([np.array(order) + BATCH * step for step in range(STEPS)])

    def batches(pipelines: int, pipeline: int, local: int) -> tf.data.Dataset:
        part = BATCH // pipelines
        ordered = {name: value[chosen] for name, value in clips().items()}
        dataset = tf.data.Dataset.from_tensor_slices(ordered).enumerate()
        dataset = dataset.filter(lambda index, _: (index % BATCH) // part == pipeline)
        return dataset.map(lambda _, clip: clip).batch(local, drop_remainder=True).repeat()

    model = make_model(**model_options)
    progress = Progress(strategy)
    with strategy.scope():
        model.build()
        if synchronized:
            replicas.synchronize_batch_norm(model)
        for layer in replicas.batch_norm_layers(model):
            layer.trainable = not frozen
        optimizers = {"sgd": keras.optimizers.SGD(1.0), "adam": Adam(0.01)}
        model.compile(optimizers[optimizer], jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        history = model.fit(
            replicas.distribute(strategy, BATCH, batches),
            steps_per_epoch=steps,
            validation_data=replicas.distribute(strategy, BATCH, batches) if validates else None,
            validation_steps=STEPS if validates else None,
            callbacks=[progress],
            shuffle=False,
            verbose=0,
        ).history
    return {
        "losses": progress.losses(),
        "epoch_loss": np.array(history["loss"]),
        **({"val_loss": np.array(history["val_loss"])} if validates else {}),
        **{
            f"weights/{name}": np.stack([weights[name] for weights in progress.weights])
            for name in progress.weights[0]
        },
    }


def main(strategy_name: str, devices: str, trials: str, output: str) -> None:
    if int(devices) > 1:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * int(devices),
        )
    strategy = replicas.make_strategy(strategy_name)
    results = {}
    for i, trial in enumerate(json.loads(trials)):
        for name, value in run_trial(strategy, **trial).items():
            results[f"{i}/{name}"] = value
    np.savez(output, replicas=strategy.num_replicas_in_sync, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
