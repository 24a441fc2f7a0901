import pytest

from models import caption_growing

# Five captions; the gaps between them are 0, 1, 0 and 3 seconds.
_STARTS = [0.0, 2.0, 5.0, 8.0, 12.0]
_ENDS = [2.0, 4.0, 8.0, 9.0, 13.0]
_WORDS = [3, 2, 4, 1, 2]


def _grow(index, *, min_words=0, min_seconds=0.0, order="time"):
    return caption_growing.grow_caption(
        _STARTS, _ENDS, _WORDS, index, min_words=min_words, min_seconds=min_seconds, order=order
    )


def test_a_caption_that_is_long_enough_stays_alone():
    assert _grow(2, min_words=4, min_seconds=3.0) == [2]
    assert _grow(3) == [3]


def test_the_neighbour_that_makes_the_shorter_clip_is_taken_first():
    # From 5-8 s: with the previous caption 2-8 s, with the next 5-9 s.
    assert _grow(2, min_seconds=3.5) == [2, 3]
    # Then 2-9 s against 5-13 s.
    assert _grow(2, min_seconds=4.5) == [1, 2, 3]


def test_of_two_equal_spans_the_previous_is_taken():
    # From 2-4 s: 0-4 s with the previous; made equal by a next caption that ends at 6 s.
    starts, ends = [0.0, 2.0, 5.0], [2.0, 4.0, 6.0]
    grown = caption_growing.grow_caption(
        starts, ends, [1, 1, 1], 1, min_words=0, min_seconds=2.5, order="time"
    )
    assert grown == [0, 1]


def test_words_are_reached_even_where_the_time_is_long_enough():
    # 5-8 s lasts 3 s, but has 4 words; 5-9 s has 5.
    assert _grow(2, min_words=5, min_seconds=3.0) == [2, 3]
    assert _grow(2, min_words=6, min_seconds=3.0) == [1, 2, 3]


def test_without_a_time_the_neighbour_with_more_words_is_taken():
    # Neighbours of 2: 2 words before, 1 after; of 1: 3 before, 4 after; of 3: 4 before, 2 after.
    assert _grow(2, min_words=5) == [1, 2]
    assert _grow(1, min_words=3) == [1, 2]
    assert _grow(3, min_words=2) == [2, 3]
    equal = caption_growing.grow_caption(
        _STARTS, _ENDS, [2, 2, 1, 2, 2], 2, min_words=2, min_seconds=0
    )
    assert equal == [1, 2]


def test_at_the_ends_only_one_neighbour_is_left():
    assert _grow(0, min_seconds=5.0) == [0, 1, 2]
    assert _grow(4, min_seconds=4.5) == [3, 4]


def test_all_captions_are_taken_where_they_do_not_suffice():
    assert _grow(2, min_seconds=100.0) == [0, 1, 2, 3, 4]
    assert _grow(0, min_words=100) == [0, 1, 2, 3, 4]


def test_the_reference_order_is_that_of_taking():
    assert _grow(2, min_seconds=4.5, order="reference") == [2, 3, 1]
    assert _grow(4, min_seconds=4.5, order="reference") == [4, 3]


def test_another_order_is_refused():
    with pytest.raises(ValueError, match="the order is 'random'; it must be 'time' or 'reference'"):
        _grow(0, order="random")
