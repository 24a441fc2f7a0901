import numpy as np
import pytest

from models import clip_features


def test_pooled_clip_by_hand():
    # One row a second and three rows in two seconds; 1.2 to 2.5 s touches rows 1 to 2 of both the
    # first stream and (int(1.8) = 1 to int(3.75) = 3) rows 1 to 3 of the second.
    first = np.array([[9, 9], [3, 0], [0, 4], [9, 9]], np.float16)
    second = np.array([[9], [1], [2], [-3], [9]], np.float16)
    pooled = clip_features.pool_clip([(first, 1.0), (second, 1.5)], 1.2, 2.5)
    np.testing.assert_allclose(pooled, [0.6, 0.8, 1.0], rtol=1e-6)
    assert pooled.dtype == np.float32


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.0, 0.9, slice(0, 1)),
        (0.0, 1.0, slice(0, 2)),
        (2.9, 2.95, slice(2, 3)),
        (1, 9, slice(1, 3)),
    ],
)
def test_rows_are_those_that_the_clip_touches(start, end, expected):
    assert clip_features.clip_rows(3, 1.0, start, end) == expected


def test_clip_after_the_last_row_is_an_error_and_not_zeros():
    with pytest.raises(ValueError, match="no row among 3 at 1 a second"):
        clip_features.pool_clip([(np.ones([3, 2]), 1.0)], 3.0, 5.0)


def test_zeros_are_not_divided_by():
    np.testing.assert_array_equal(clip_features.l2_normalize(np.zeros([2, 3])), np.zeros([2, 3]))
