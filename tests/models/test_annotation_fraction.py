import numpy as np

from models import annotation_fraction

_STARTS = 1.5 * np.arange(40)


def _kept(fraction):
    masks = [annotation_fraction.is_kept(f"video{v}", _STARTS, fraction) for v in range(50)]
    return np.stack(masks)


def test_a_fraction_is_about_that_share_of_the_captions():
    assert 340 <= _kept(0.2).sum() <= 460
    assert _kept(1.0).all()


def test_smaller_fractions_are_subsets_of_larger_ones():
    smaller, larger = _kept(0.2), _kept(0.5)
    assert smaller.sum() < larger.sum()
    assert (smaller <= larger).all()


def test_both_the_video_and_the_caption_count():
    kept = _kept(0.5)
    assert (kept.sum(axis=0) > 10).all()
    assert (kept.sum(axis=0) < 40).all()
    assert (kept.sum(axis=1) > 5).all()
    assert (kept.sum(axis=1) < 35).all()


def test_single_precision_of_the_records_does_not_matter():
    starts = 0.1 * np.arange(1000)
    np.testing.assert_array_equal(
        annotation_fraction.is_kept("video", starts, 0.5),
        annotation_fraction.is_kept("video", starts.astype(np.float32), 0.5),
    )


def test_the_hash_is_the_same_everywhere():
    # A change would mix fractions of runs before and after it.
    kept = annotation_fraction.is_kept("video", np.arange(8.0), 0.5)
    np.testing.assert_array_equal(kept, [False] * 6 + [True] * 2)
