import numpy as np
import pytest

from components.benchmark_evaluator.embedding import frame_windows


def _frames(count):
    """Yields frames that hold their number, from 1, so that 0 is black."""
    for number in range(1, count + 1):
        yield np.full([2, 2, 3], number, np.uint8)


def _cut(count, first_samples, num_frames):
    return {
        position: window[:, 0, 0, 0].tolist()
        for positions, window in frame_windows.cut_windows(
            _frames(count), np.array(first_samples), num_frames
        )
        for position in positions
    }


def test_windows_overlap_repeat_and_may_lie_far_apart():
    assert _cut(20, [4, 0, 15, 1, 4], 3) == {
        0: [5, 6, 7],
        1: [1, 2, 3],
        2: [16, 17, 18],
        3: [2, 3, 4],
        4: [5, 6, 7],
    }


def test_equal_windows_are_yielded_once():
    found = list(frame_windows.cut_windows(_frames(9), np.array([2, 2, 2]), 4))
    assert [positions for positions, _ in found] == [[0, 1, 2]]


def test_a_window_is_filled_up_with_black_and_one_after_the_end_is_none():
    assert _cut(5, [3, 4, 5, 9], 4) == {0: [4, 5, 0, 0], 1: [5, 0, 0, 0]}
    assert _cut(0, [0], 2) == {}
    assert _cut(3, [0], 3) == {0: [1, 2, 3]}


def test_frames_are_read_no_further_than_the_last_window():
    frames = _frames(100)
    list(frame_windows.cut_windows(frames, np.array([0, 2]), 4))
    assert next(frames)[0, 0, 0] <= 8


@pytest.mark.parametrize("seed", range(5))
def test_against_slices(seed):
    rng = np.random.default_rng(seed)
    firsts = rng.integers(0, 60, 25)
    length = int(rng.integers(1, 9))
    padded = [*range(1, 51), *[0] * 20]
    expected = {
        position: padded[first : first + length]
        for position, first in enumerate(firsts)
        if first < 50
    }
    assert _cut(50, firsts, length) == expected


def test_the_middle_square():
    frame = np.arange(4 * 7 * 3, dtype=np.uint8).reshape(4, 7, 3)
    np.testing.assert_array_equal(frame_windows.centre_crop(frame, 4), frame[:, 1:5])
    np.testing.assert_array_equal(
        frame_windows.centre_crop(frame.swapaxes(0, 1), 4).shape, [4, 4, 3]
    )
