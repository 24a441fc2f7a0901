import numpy as np
import pytest

from components.feature_extractor import row_inputs


def frame(number, height=2, width=2):
    return np.full((height, width, 3), number, np.uint8)


def inputs(maker, numbers, **size):
    given = [array for number in numbers for array in maker.add(frame(number, **size))]
    return given + list(maker.finish())


def shown(arrays):
    """The number of each frame of each input, where it is one grey."""
    return [array.reshape(len(array), -1)[:, 0].tolist() for array in arrays]


def test_each_frame_is_a_row_of_its_own():
    rows = inputs(row_inputs.EachFrame(), [5, 6], height=2, width=3)
    assert [row.shape for row in rows] == [(2, 3, 3), (2, 3, 3)]
    assert [row[0, 0, 0] for row in rows] == [5, 6]


def test_last_chunk_is_filled_with_zeros():
    chunks = inputs(row_inputs.Chunks(4, 2), range(1, 11))
    assert shown(chunks) == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0]]
    assert {chunk.dtype for chunk in chunks} == {np.dtype(np.uint8)}


def test_full_last_chunk_is_not_followed_by_an_empty_one():
    assert shown(inputs(row_inputs.Chunks(4, 2), range(1, 9))) == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_chunk_shows_the_middle_of_the_frame():
    picture = np.zeros((2, 6, 3), np.uint8)
    picture[:, 2:4] = 7
    maker = row_inputs.Chunks(1, 2)
    (chunk,) = maker.add(picture)
    assert chunk.tolist() == np.full((1, 2, 2, 3), 7).tolist()


def test_windows_are_centred_on_the_middle_of_the_rows_time():
    # 4 samples a second, 1 row a second, 5 s: the middles lie at the samples 2, 6, 10, 14, 18.
    windows = inputs(row_inputs.CentredWindows(4, 4.0, 1.0, 2), range(20))
    assert shown(windows) == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
        [12, 13, 14, 15],
        [16, 17, 18, 19],
    ]


def test_windows_that_are_longer_than_a_row_are_shifted_into_the_video():
    # Around 2, 6, 10, 14, 18 of 20 samples: -1..5 and 15..21 do not fit.
    windows = inputs(row_inputs.CentredWindows(6, 4.0, 1.0, 2), range(20))
    assert [(window[0], window[-1]) for window in shown(windows)] == [
        (0, 5),
        (3, 8),
        (7, 12),
        (11, 16),
        (14, 19),
    ]


@pytest.mark.parametrize(("samples", "rows"), [(20, 5), (21, 6), (19, 5), (4, 1), (1, 1)])
def test_there_is_a_row_for_each_begun_second(samples, rows):
    maker = row_inputs.CentredWindows(3, 4.0, 1.0, 2)
    assert len(inputs(maker, range(samples))) == rows


def test_windows_at_more_rows_than_one_a_second():
    # 10 samples and 1.5 rows a second: 6.67 samples a row, middles at 3.33, 10, 16.67.
    windows = inputs(row_inputs.CentredWindows(4, 10.0, 1.5, 2), range(20))
    assert [window[0] for window in shown(windows)] == [1, 8, 15]


def test_window_of_a_video_that_is_too_short_ends_black():
    (window,) = inputs(row_inputs.CentredWindows(4, 4.0, 1.0, 2), [8, 9])
    assert shown([window]) == [[8, 9, 0, 0]]


def test_windows_hold_no_more_frames_than_they_need():
    maker = row_inputs.CentredWindows(4, 4.0, 1.0, 2)
    for number in range(200):
        list(maker.add(frame(number)))
        assert len(maker._latest) <= 4


def test_no_samples_give_no_rows():
    assert inputs(row_inputs.CentredWindows(4, 4.0, 1.0, 2), []) == []
    assert inputs(row_inputs.Chunks(4, 2), []) == []
