"""Trains tiny models for a step on Keras's backend, for `test_jax_backend.py` to compare.

Run as a program: `python jax_trial.py WEIGHTS OUTPUT`. WEIGHTS is an .npz file of the models' first
weights, which is written if it does not exist; OUTPUT gets all results. KERAS_BACKEND names the
backend, which has to be known before Keras starts, so that each is run in a process of its own.
"""

import pathlib
import sys

import keras
import numpy as np

from models.i3d import I3D
from models.milnce import TextVideoModel
from models.objective import Objective
from models.s3d import S3D
from models.text_tower import TextTower

CLIPS = 6
WORDS = 9
# Every text model and every loss, with the number of candidates. The video towers are slow to
# compile, so each occurs once.
TRIALS = {
    "s3d max_pool mil_nce": 2,
    "i3d max_pool max_margin": 1,
    "colour lstm max_nce": 2,
    "colour gru attention_nce": 2,
    "colour transformer concatenation_nce": 2,
    "colour netvlad nce": 1,
    "colour max_pool binary": 1,
}


class MeanColour(keras.Model):
    """A video tower that is a linear map of the clip's mean colour."""

    embedding_size = 4

    def __init__(self):
        super().__init__()
        self.head = keras.layers.Dense(4)

    def build(self, input_shape=None):
        self.head.build((None, 3))

    def call(self, video, training=None):
        means = keras.ops.mean(video, axis=(1, 2, 3))
        return {"video_embedding": self.head(means), "mixed_5c": means}


def make_model(trial: str) -> TextVideoModel:
    """Returns the model of a trial, built and compiled."""
    tower, text_model, loss = trial.split()
    video_tower = {"s3d": lambda: S3D(0.05, 4), "i3d": lambda: I3D(0.05, 4), "colour": MeanColour}
    vectors = np.random.default_rng(3).normal(size=(WORDS + 1, 4))
    text_tower = TextTower(vectors, 8, 4, text_model=text_model)
    model = TextVideoModel(video_tower[tower](), text_tower, Objective(loss))
    model.build()
    # JAX is slow without a compiler, TensorFlow with one.
    on_jax = keras.backend.backend() == "jax"
    # With a small epsilon, Adam's first step is the gradient's sign, even of rounding alone.
    optimizer = keras.optimizers.Adam(0.01, epsilon=0.1)
    model.compile(optimizer, jit_compile=on_jax, run_eagerly=not on_jax)
    return model


def first_weights(model: TextVideoModel) -> list[np.ndarray]:
    """Returns random weights that keep the size of what passes through them."""
    rng = np.random.default_rng(5)
    weights = []
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weights.append(rng.uniform(1.0, 2.0, weight.shape))
        elif weight.name == "beta":
            weights.append(rng.normal(0.5, 0.1, weight.shape))
        elif len(weight.shape) == 1:
            weights.append(rng.normal(0.0, 0.1, weight.shape))
        else:
            weights.append(rng.normal(0.0, (2 / np.prod(weight.shape[:-1])) ** 0.5, weight.shape))
    return [np.float32(weight) for weight in weights]


def make_batch(trial: str) -> dict[str, np.ndarray]:
    """Returns clips with their candidates, padded and without a word among them.

    The clips differ in the mean of what a window sees: else batch normalisation would divide by the
    standard deviation of nearly equal values, and magnify what the backends round. The noise leaves
    no equal values for max pooling to choose from.
    """
    rng = np.random.default_rng(7)
    blocks = rng.integers(0, 200, (CLIPS, 2, 2, 2, 3))
    video = np.kron(blocks, np.ones((1, 2, 16, 16, 1)))
    video += rng.integers(0, 50, video.shape)
    word_ids = rng.integers(1, WORDS + 1, (CLIPS, TRIALS[trial], 3))
    word_ids[0, 0, 2] = 0
    word_ids[1, 0] = 0
    return {
        "video": video.astype(np.uint8),
        "word_ids": word_ids.astype(np.int32),
    }


def run_trial(trial: str, weights: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Embeds a batch, takes its loss, trains on it for a step, and returns all of it."""
    model = make_model(trial)
    model.set_weights(weights)
    batch = make_batch(trial)
    results = dict(model.predict_on_batch(batch))
    results["loss"] = model.train_on_batch(batch)
    for i, weight in enumerate(model.weights):
        results[f"weight {i} {weight.name}"] = np.asarray(weight)
    return results


def main() -> None:
    """Runs all trials."""
    weights_file, output = map(pathlib.Path, sys.argv[1:])
    if not weights_file.exists():
        arrays = {
            f"{trial}/{i}": weight
            for trial in TRIALS
            for i, weight in enumerate(first_weights(make_model(trial)))
        }
        np.savez(weights_file, **arrays)
    results = {}
    with np.load(weights_file, allow_pickle=False) as arrays:
        for trial in TRIALS:
            count = sum(name.startswith(f"{trial}/") for name in arrays.files)
            weights = [arrays[f"{trial}/{i}"] for i in range(count)]
            for name, value in run_trial(trial, weights).items():
                results[f"{trial}: {name}"] = value
    np.savez(output, **results)


if __name__ == "__main__":
    main()
