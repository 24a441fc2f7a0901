import numpy as np
import pytest

from components.benchmark_evaluator.protocols import windows


def test_windows_of_a_clip_by_hand():
    # 10 - 3.2 - 0.4 = 6.4 is the last start.
    np.testing.assert_allclose(windows.clip_windows(4, 14, 3.2, 4), [4, 6.1333333, 8.2666667, 10.4])


def test_a_clip_shorter_than_a_window_gives_the_same_window_again():
    np.testing.assert_array_equal(windows.clip_windows(2, 5, 3.2, 3), [2, 2, 2])
    with pytest.raises(ValueError, match="5 to 5 s is no clip"):
        windows.clip_windows(5, 5, 3.2, 1)
    with pytest.raises(ValueError, match="at least 1 window"):
        windows.clip_windows(5, 6, 3.2, 0)


def test_rows_of_a_video_look_around_their_centres_and_stay_inside():
    np.testing.assert_allclose(windows.regular_windows(5.0, 1.0, 2.0), [0, 0.5, 1.5, 2.5, 3.0])
    np.testing.assert_array_equal(windows.regular_windows(2.5, 1.0, 3.2), [0, 0, 0])
    assert len(windows.regular_windows(3.0000000001, 1.0, 1.0)) == 3
    with pytest.raises(ValueError, match="no rows"):
        windows.regular_windows(0, 1, 1)


def test_windows_of_a_file_count_its_frames():
    assert windows.spread_windows(100, 16, 4).tolist() == [0, 28, 56, 84]
    assert windows.spread_windows(10, 16, 3).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="none"):
        windows.spread_windows(0, 16, 3)
