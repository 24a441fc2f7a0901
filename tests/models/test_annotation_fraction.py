from models import annotation_fraction

_CAPTIONS = [(f"video{i % 50}", 1.5 * i) for i in range(2000)]


def _kept(fraction):
    return {c for c in _CAPTIONS if annotation_fraction.is_kept(*c, fraction)}


def test_a_fraction_is_about_that_share_of_the_captions():
    assert 340 <= len(_kept(0.2)) <= 460
    assert len(_kept(1.0)) == 2000
    assert not _kept(0.0)


def test_smaller_fractions_are_subsets_of_larger_ones():
    assert _kept(0.1) < _kept(0.2) < _kept(0.5) < _kept(1.0)


def test_the_caption_counts_and_not_only_its_video():
    videos = {video for video, _ in _kept(0.5)}
    assert len(videos) == 50
    assert 10 <= sum(1 for video, _ in _kept(0.5) if video == "video0") <= 30


def test_single_precision_of_the_records_does_not_matter():
    start = 1234.567
    stored = 1234.5670166015625  # As float32.
    for i in range(20):
        video = f"video{i}"
        assert annotation_fraction.is_kept(video, start, 0.5) == annotation_fraction.is_kept(
            video, stored, 0.5
        )
