"""The order of a training's records, here numbers of three digits: the file, then the record."""

import tensorflow as tf

from models import clip_order

_SIZES = (9, 0, 1, 4, 7, 3, 12)
_NUM_RECORDS = sum(_SIZES)


def _read(file: tf.Tensor) -> tf.data.Dataset:
    first = file * 100
    return tf.data.Dataset.range(first, first + tf.gather(tf.constant(_SIZES, tf.int64), file))


def _passes(count: int, **settings) -> list[list[int]]:
    options = {"seed": 3, "shuffle_buffer": 8, **settings}
    dataset = clip_order.in_passes(len(_SIZES), _read, **options)
    taken = [int(record) for record in dataset.take(count * _NUM_RECORDS)]
    return [taken[i * _NUM_RECORDS : (i + 1) * _NUM_RECORDS] for i in range(count)]


def test_every_pass_has_every_record_once_in_an_order_of_its_own():
    passes = _passes(3)
    everything = [100 * file + record for file, size in enumerate(_SIZES) for record in range(size)]
    for records in passes:
        assert sorted(records) == everything
    assert passes[0] != passes[1]
    assert passes[1] != passes[2]
    # With a buffer of one record only the files' order is drawn, which differs too.
    unbuffered = _passes(2, shuffle_buffer=1)
    assert unbuffered[0] != unbuffered[1]


def test_a_later_pass_needs_no_earlier_one():
    passes = _passes(3)
    assert _passes(2, first_pass=1) == passes[1:]
    assert _passes(1, first_pass=2, num_passes=1) == passes[2:]


def test_the_order_is_that_of_the_seed_whatever_the_process_has_drawn():
    expected = _passes(2)
    assert _passes(2, seed=4) != expected
    for seed in (0, 12345):
        tf.random.set_seed(seed)
        assert _passes(2) == expected


def test_a_number_of_passes_ends():
    options = {"seed": 0, "shuffle_buffer": 8, "num_passes": 2}
    dataset = clip_order.in_passes(len(_SIZES), _read, **options)
    assert len(list(dataset)) == 2 * _NUM_RECORDS
