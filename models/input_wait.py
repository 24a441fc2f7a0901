"""How long a training waits for its batches, by TensorFlow's clock."""

import tensorflow as tf


class InputWait:
    """Adds up the time that whoever reads a dataset waits for its elements.

    Of a dataset that prefetches this is the stall of the input, not the work that is done in the
    background.
    """

    def __init__(self):
        # A dataset runs on the CPU, and so must what it adds to.
        with tf.device("CPU:0"):
            self._seconds = tf.Variable(0.0, trainable=False, dtype=tf.float64)

    @property
    def seconds(self) -> float:
        """The time waited up to now, over all readers."""
        return float(self._seconds.numpy())

    def measured(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Returns a dataset of the same elements, whose reader's waiting is added up.

        Args:
          dataset: the dataset.
        """

        def add(before: tf.Tensor, element, after: tf.Tensor):
            with tf.control_dependencies([self._seconds.assign_add(after - before)]):
                return tf.nest.map_structure(tf.identity, element)

        # A zip asks its datasets one after the other.
        timed = tf.data.Dataset.zip((_clock(), dataset, _clock())).map(add)
        options = tf.data.Options()
        # A buffer behind the clock would have it measure the background.
        options.experimental_optimization.inject_prefetch = False
        return timed.with_options(options)


def _clock() -> tf.data.Dataset:
    """Returns the time at which each of its elements is asked for, in seconds."""
    return tf.data.Dataset.counter().map(lambda _: tf.timestamp())
