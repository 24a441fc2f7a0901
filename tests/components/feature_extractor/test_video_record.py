import numpy as np
import pytest

from components.feature_extractor import video_record
from components.feature_extractor.captions import Caption, CaptionedVideo
from models import clip_features
from schemas import video_features
from schemas.video_features import FeatureStream


def stream(name, rate, rows):
    return FeatureStream(name, rate, np.ones([rows, 2], np.float16))


def caption(start, clip_start=None):
    return Caption(start, start + 2, start if clip_start is None else clip_start, start + 3, "x")


@pytest.mark.parametrize(("rows", "fits"), [(7, False), (8, True), (12, True), (13, False)])
def test_rows_fit_within_the_tolerance_in_seconds(rows, fits):
    streams = [stream("2d", 1.0, rows)]
    if fits:
        video_record.check_num_rows(streams, 10.0, 2.0)
    else:
        with pytest.raises(video_record.UnusableError) as caught:
            video_record.check_num_rows(streams, 10.0, 2.0)
        assert caught.value.reason == "rows_do_not_fit"


def test_message_names_stream_rows_and_what_was_expected():
    streams = [stream("2d", 1.0, 100), stream("3d", 1.5, 100)]
    with pytest.raises(
        video_record.UnusableError, match=r"stream 3d has 100 rows; .* 100.0 s has 150 at 1.5"
    ):
        video_record.check_num_rows(streams, 100.0, 2.0)


def test_unknown_duration_is_that_of_the_2d_rows():
    streams = [stream("a", 2.0, 30), stream("2d", 1.0, 10)]
    video = CaptionedVideo("v", 0.0, "", ())
    assert video_record.known_duration(video, streams) == 10.0
    assert video_record.known_duration(video, streams[:1]) == 15.0
    assert video_record.known_duration(CaptionedVideo("v", 12.0, "", ()), streams) == 12.0


def test_captions_that_start_after_any_stream_ends_are_lost():
    # Rows 0 to 9 at 1 a second, and 0 to 11 at 1.5 a second, which end at 8 s.
    streams = [stream("2d", 1.0, 10), stream("3d", 1.5, 12)]
    starts = [0.0, 7.9, 8.0, 9.5, 10.0]
    result = list(video_record.covered_captions([caption(start) for start in starts], streams))
    assert result[:2] == [caption(0.0), caption(7.9)]
    assert [lost.index for lost in result[2:]] == [2, 3, 4]
    assert result[2].message == "starts at 8.0 s; the stream 3d ends at 8.0 s"
    assert "stream 2d" in result[4].message


def test_a_window_that_starts_before_its_caption_does_not_save_it():
    (lost,) = video_record.covered_captions([caption(5.0, clip_start=3.0)], [stream("2d", 1.0, 5)])
    assert isinstance(lost, video_record.LostCaption)


def test_kept_captions_have_rows_to_pool_after_they_were_stored():
    streams = [stream("2d", 0.7, 7)]
    starts = [float(np.float32(start)) for start in np.arange(0, 12, 0.1)]
    kept = [
        item
        for item in video_record.covered_captions([caption(start) for start in starts], streams)
        if isinstance(item, Caption)
    ]
    assert 90 < len(kept) < 110
    video = CaptionedVideo("v", 10.0, "task", tuple(kept))
    record = video_features.parse_video_features(
        video_features.serialize_video_features(
            video_record.video_record(video, kept, streams, search_rank=3)
        )
    )
    assert (record.search_rank, record.task, record.duration) == (3, "task", 10.0)
    stored = [(s.values, s.rate) for s in record.streams]
    for start, clip_start, end in zip(
        record.caption_starts, record.clip_starts, record.caption_ends, strict=True
    ):
        clip_features.pool_clip(stored, start, end)
        clip_features.pool_clip(stored, clip_start, end)


def test_stored_rate_decides_which_row_a_time_falls_on():
    # 0.7 is 0.699999988 in single precision: 10 s falls on row 6, in double precision on row 7.
    assert int(10.0 * 0.7) == 7
    (kept,) = video_record.covered_captions([caption(10.0)], [stream("2d", 0.7, 7)])
    assert kept == caption(10.0)


def test_computed_values_must_be_numbers():
    bad = FeatureStream("2d", 1.0, np.array([[1, np.nan]], np.float16))
    with pytest.raises(video_record.UnusableError) as caught:
        video_record.check_finite([stream("3d", 1.0, 2), bad])
    assert caught.value.reason == "not_finite"


@pytest.mark.parametrize(("duration", "end"), [(0.0, 10.0), (12.0, 1e6)])
def test_caption_without_an_end_ends_with_the_features_where_no_duration_is_known(duration, end):
    whole = Caption(0.0, 1e6, 0.0, 1e6, "x")
    video = CaptionedVideo("v", duration, "", (whole,))
    record = video_record.video_record(video, [whole], [stream("2d", 1.0, 10)], 0)
    assert list(record.caption_ends) == list(record.clip_ends) == [end]
