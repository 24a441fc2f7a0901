"""Logistic regression over many classes, on features that need not fit in memory at once."""

import dataclasses
from collections.abc import Callable, Iterator

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class RegressionConfig:
    """How the regression is trained.

    Attributes:
      epochs: passes over all groups.
      batch_size: samples in a step.
      learning_rate: of Adam; it falls to 0 by a cosine.
      weight_decay: factor of half the squared weights in the loss.
      seed: of the order in which groups and samples are met.
    """

    epochs: int = 20
    batch_size: int = 1024
    learning_rate: float = 1e-2
    weight_decay: float = 1e-6
    seed: int = 0


class SoftmaxRegression:
    """A linear softmax classifier of standardised features."""

    def __init__(
        self,
        load: Callable[[int], tuple[np.ndarray, np.ndarray]],
        num_groups: int,
        num_classes: int,
        config: RegressionConfig,
    ):
        """Trains it, holding the features of a few groups at a time.

        Args:
          load: returns the features, float32 [n, D], and the classes, int [n], of a group, such as
            the clips of one video.
          num_groups: number of groups, at least 1.
          num_classes: number of classes, C.
          config: how.

        Raises:
          ValueError: there is nothing to learn from.
        """
        if num_groups < 1:
            raise ValueError("there is nothing to learn from")
        num_samples, self._mean, self._scale = _moments(load, num_groups)
        rng = np.random.default_rng(config.seed)
        steps = config.epochs * -(-num_samples // config.batch_size)
        self._layer = keras.layers.Dense(
            num_classes,
            kernel_initializer="zeros",
            kernel_regularizer=keras.regularizers.L2(config.weight_decay / 2),
        )
        model = keras.Sequential([keras.Input([len(self._mean)]), self._layer])
        model.compile(
            keras.optimizers.Adam(
                keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        for _ in range(config.epochs):
            for features, classes in _batches(load, num_groups, config.batch_size, rng):
                model.train_on_batch(self._standardized(features), classes)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Returns the class of each sample, int64 [N].

        Args:
          features: float32 [N, D].
        """
        return self.logits(features).argmax(axis=1)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Returns the score of each class, float32 [N, C].

        Args:
          features: float32 [N, D].
        """
        kernel, bias = (np.asarray(weight) for weight in self._layer.get_weights())
        return self._standardized(features) @ kernel + bias

    def _standardized(self, features: np.ndarray) -> np.ndarray:
        return ((features - self._mean) / self._scale).astype(np.float32)


def _moments(load: Callable, num_groups: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Returns the number of samples, and mean and deviation of each feature, float64 [D]."""
    count, total, squares = 0, 0.0, 0.0
    for group in range(num_groups):
        features = load(group)[0].astype(np.float64)
        count += len(features)
        total = total + features.sum(axis=0)
        squares = squares + (features**2).sum(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    # A feature that never changes says nothing, whatever it is divided by.
    return count, mean, np.where(deviation > 1e-8, deviation, 1.0)


def _batches(
    load: Callable, num_groups: int, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields batches of samples of several groups, in an order of chance; the last may be short.

    Samples of one video are alike, so those of many groups are mixed: at a time as many groups are
    held as give ten batches.
    """
    pool: list[tuple[np.ndarray, np.ndarray]] = []
    held = 0
    for place, group in enumerate(rng.permutation(num_groups)):
        pool.append(load(int(group)))
        held += len(pool[-1][1])
        is_last = place == num_groups - 1
        if held < 10 * batch_size and not is_last:
            continue
        features = np.concatenate([part for part, _ in pool])
        classes = np.concatenate([part for _, part in pool])
        order = rng.permutation(len(classes))
        stop = len(order) if is_last else len(order) // batch_size * batch_size
        for start in range(0, stop, batch_size):
            chosen = order[start : min(start + batch_size, stop)]
            yield features[chosen], classes[chosen]
        left = order[stop:]
        pool, held = [(features[left], classes[left])], len(left)
