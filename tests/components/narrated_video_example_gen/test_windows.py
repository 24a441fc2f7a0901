import pytest

from components.narrated_video_example_gen import windows
from components.narrated_video_example_gen.subtitles.caption import Caption


def captions(*times):
    return [Caption(start, end, f"{start}") for start, end in times]


@pytest.mark.parametrize(
    ("caption", "duration", "window"),
    [
        ((10.0, 12.0), 60.0, (8.5, 13.5)),  # 3 s are missing, 1.5 s on each side
        ((10.0, 16.0), 60.0, (10.0, 16.0)),  # long enough
        ((0.5, 1.5), 60.0, (0.0, 5.0)),  # shifted off the start
        ((58.0, 59.0), 60.0, (55.0, 60.0)),  # shifted off the end
        ((58.0, 70.0), 60.0, (55.0, 60.0)),  # the caption outlasts the video
        ((0.0, 4000.0), 60.0, (0.0, 60.0)),
        ((1.0, 2.0), 3.0, (0.0, 3.0)),  # the whole of a short video
    ],
)
def test_clip_window_is_widened_inside_the_video(caption, duration, window):
    assert windows.clip_window(*caption, duration, 5.0) == pytest.approx(window)


def test_clip_window_of_an_annotation_is_not_widened():
    assert windows.clip_window(10.0, 10.5, 60.0, 0.0) == (10.0, 10.5)


def test_bag_grows_to_the_side_of_the_shorter_span():
    lines = captions((0, 2), (10, 12), (12, 14), (14, 16), (30, 32), (32, 34), (60, 62))
    # From 2, left spans 14 - 10 = 4 and right 16 - 12 = 4, a tie: right (3). Then left 16 - 10 = 6
    # against right 32 - 12 = 20: left (1). Then 16 - 0 = 16 against 32 - 10 = 22: left (0), which
    # is the first, so what is missing comes from the right (4).
    assert windows.positive_bag(lines, 2, 5) == [2, 3, 1, 0, 4]


def test_bag_of_size_k_is_the_prefix_of_a_larger_bag():
    lines = captions((0, 1), (3, 4), (4, 6), (7, 8), (8, 9), (20, 21))
    for index in range(len(lines)):
        largest = windows.positive_bag(lines, index, 9)
        for size in range(1, 9):
            assert windows.positive_bag(lines, index, size) == largest[:size]


@pytest.mark.parametrize(
    ("times", "drawn", "size", "bag"),
    [
        (((0, 2), (2, 4), (4, 6)), 1, 4, [1, 2, 0, 0]),
        (((1, 2), (2, 4), (9, 10)), 1, 4, [1, 0, 2, 2]),
        (((0, 2), (2, 4), (4, 6)), 2, 4, [2, 1, 0, 0]),
        (((0, 2), (2, 4), (4, 6)), 0, 4, [0, 1, 2, 2]),
        (((0, 2), (2, 4)), 1, 4, [1, 0, 0, 0]),
        (((0, 2), (2, 4)), 0, 4, [0, 1, 1, 1]),
        (((0, 2),), 0, 3, [0, 0, 0]),
    ],
)
def test_bag_of_a_short_transcript_repeats_captions_as_the_reference_does(times, drawn, size, bag):
    assert windows.positive_bag(captions(*times), drawn, size) == bag
