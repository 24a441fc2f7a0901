"""In which order a training reads its clips: a function of the seed and of the pass alone.

A training that was cut off can therefore go on with the very clip that was next, and workers that
read the same files agree on every batch without talking to each other.
"""

from collections.abc import Callable

import tensorflow as tf

_INTERLEAVED_SHARDS = 16
_FOR_EVER = tf.int64.max
# Of a graph's random operations without a seed of their own; any number but 0.
_GRAPH_SEED = 1


def in_passes(
    num_files: int,
    read: Callable[[tf.Tensor], tf.data.Dataset],
    *,
    seed: int,
    shuffle_buffer: int,
    first_pass: int = 0,
    num_passes: int | None = None,
) -> tf.data.Dataset:
    """Reads the records of some files again and again, each pass in an order of its own.

    A pass permutes the files, interleaves 16 of them at a time, and draws each next record from a
    buffer. The orders of two passes, or of two seeds, are unrelated.

    Args:
      num_files: number of files, at least 1.
      read: returns the records of a file, given its number, int64 [] below `num_files`.
      seed: seed of all orders.
      shuffle_buffer: records among which the next one is drawn.
      first_pass: the pass to begin with, from 0.
      num_passes: how many passes to make; None makes them for ever.

    Returns:
      A dataset of what `read` returns.
    """

    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        # `shuffle` mixes its seed with the graph's, which would be that of the whole process. This
        # sets it for the graph of this function only.
        tf.random.set_seed(_GRAPH_SEED)
        draws = tf.random.stateless_uniform(
            [3], tf.stack([tf.constant(seed, tf.int64), number]), None, None, tf.int64
        )
        files = tf.random.experimental.stateless_shuffle(
            tf.range(num_files, dtype=tf.int64), draws[:2]
        )
        dataset = tf.data.Dataset.from_tensor_slices(files)
        dataset = dataset.interleave(
            read,
            cycle_length=min(num_files, _INTERLEAVED_SHARDS),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        return dataset.shuffle(shuffle_buffer, seed=draws[2], reshuffle_each_iteration=False)

    last = _FOR_EVER if num_passes is None else first_pass + num_passes
    return tf.data.Dataset.range(first_pass, last).flat_map(one_pass)
