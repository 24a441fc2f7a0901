import math

import numpy as np

from components.benchmark_evaluator.embedding import row_rules


def test_each_clip_is_a_row_of_several_windows():
    rule = row_rules.ClipRows(((4.0, 14.0), (0.0, 1.0)), 3)
    found = rule.windows(20.0, 10.0, 32)
    # 14 - 3.2 - 0.4 = 10.4 is the first clip's last start; the second clip is shorter than that.
    assert found.first_samples.tolist() == [40, 72, 104, 0, 0, 0]
    assert found.rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.num_rows == 2


def test_a_clip_without_an_end_lasts_as_long_as_the_video():
    rule = row_rules.ClipRows(((0.0, math.inf), (30.0, math.inf)), 2)
    # The second clip begins after the end of the video: its windows will find nothing.
    assert rule.windows(13.6, 10.0, 32).first_samples.tolist() == [0, 100, 300, 300]


def test_regular_rows_have_one_window_each():
    found = row_rules.RegularRows(1.0).windows(4.5, 10.0, 10)
    assert found.first_samples.tolist() == [0, 10, 20, 30, 35]
    assert found.rows.tolist() == [0, 1, 2, 3, 4]


def test_spread_rows_count_samples():
    assert row_rules.SpreadRows(3).windows(100, 1.0, 16).first_samples.tolist() == [0, 42, 84]
    assert row_rules.SpreadRows(3).windows(10.0, 10.0, 16).first_samples.tolist() == [0, 42, 84]


def test_clips_that_end_after_the_video_are_cut_off():
    clips = ((0.0, 4.0), (2.0, 10.1), (2.0, 10.2), (9.0, math.inf), (11.0, 12.0))
    assert row_rules.ClipRows(clips, 2).cut_off(10.0, 0.1) == (2, 4)
    assert row_rules.RegularRows(1.0).cut_off(10.0, 0.1) == ()
    assert row_rules.SpreadRows(2).cut_off(10.0, 0.1) == ()


def test_times_that_were_computed_keep_their_sample():
    rule = row_rules.ClipRows(((0.1 * 3, 10.0),), 1)
    assert rule.windows(20.0, 10.0, 32).first_samples.tolist() == [3]
    assert np.issubdtype(rule.windows(20.0, 10.0, 32).first_samples.dtype, np.integer)
