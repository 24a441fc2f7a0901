"""The time that a training waits for its batches."""

import time

import numpy as np
import pytest
import tensorflow as tf

from models import input_wait

_SECONDS = 0.05
_COUNT = 6


def _slow() -> tf.data.Dataset:
    """Counts from 0, and takes its time for each number."""

    def take_time(number: np.ndarray) -> np.ndarray:
        time.sleep(_SECONDS)
        return number

    def load(number: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(take_time, [number], tf.int64), [])

    return tf.data.Dataset.range(_COUNT).map(load)


def test_a_reader_without_buffer_waits_for_all_of_the_work():
    wait = input_wait.InputWait()
    assert [int(number) for number in wait.measured(_slow())] == list(range(_COUNT))
    assert _COUNT * _SECONDS <= wait.seconds < 3 * _COUNT * _SECONDS


def test_what_is_done_in_the_background_is_no_waiting():
    wait = input_wait.InputWait()
    read = iter(wait.measured(_slow().prefetch(_COUNT)))
    next(read)
    waited_for_the_first = wait.seconds
    # By then the others are there.
    time.sleep(4 * _COUNT * _SECONDS)
    assert [int(number) for number in read] == list(range(1, _COUNT))
    assert waited_for_the_first >= _SECONDS
    assert wait.seconds - waited_for_the_first < _SECONDS


@pytest.mark.parametrize("element", [{"a": 1, "b": (2, 3)}, (1, 2), 4], ids=["dict", "pair", "one"])
def test_elements_keep_their_structure(element):
    dataset = input_wait.InputWait().measured(tf.data.Dataset.from_tensors(element))
    (read,) = dataset.as_numpy_iterator()
    assert read == element
