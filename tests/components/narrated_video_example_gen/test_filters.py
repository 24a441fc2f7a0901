import pytest

from components.narrated_video_example_gen import filters
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.manifest import VideoRow
from components.narrated_video_example_gen.subtitles.caption import Caption

PAPER = IngestConfig(
    min_words=100, max_duration=2000.0, language="en", min_views=100, max_search_rank=200
)


def row(**values):
    return VideoRow("v", "v.mp4", **values)


def captions(text):
    return [Caption(0.0, 5.0, text)]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"views": 99}, "too_few_views"),
        ({"views": 100}, None),
        ({"search_rank": 201}, "search_rank"),
        ({"search_rank": 200}, None),
        ({"duration": 2000.5}, "too_long_video"),
        ({"duration": 2000.0}, None),
        ({"language": "de"}, "language"),
        ({"language": "en-US"}, None),
        ({"language": "English"}, None),
        ({}, None),
    ],
)
def test_metadata_against_the_limits_of_the_paper(values, reason):
    verdict = filters.check_metadata(row(**values), PAPER)
    assert (verdict and verdict[0]) == reason


def test_a_transcript_needs_100_words():
    assert filters.check_transcript(row(language="en"), captions("cut " * 99), PAPER) == (
        "too_few_words",
        "99 words; at least 100 are needed",
    )
    assert filters.check_transcript(row(language="en"), captions("cut " * 100), PAPER) is None


def test_language_is_guessed_where_the_manifest_has_none():
    german = "Zuerst schneiden wir das Papier in zwei Hälften und falten es dann in der Mitte"
    english = "First we cut the paper into two halves and then we fold it in the middle"
    config = IngestConfig(language="en")
    assert filters.check_transcript(row(), captions(german), config)[0] == "language"
    assert filters.check_transcript(row(), captions(english), config) is None
    assert filters.check_transcript(row(language="en"), captions(german), config) is None


def test_filters_are_off_by_default():
    short = row(views=0, search_rank=999, duration=9e9, language="de")
    assert filters.check_metadata(short, IngestConfig()) is None
    assert filters.check_transcript(short, captions("ja"), IngestConfig()) is None
