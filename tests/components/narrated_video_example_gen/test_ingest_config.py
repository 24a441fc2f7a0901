import pytest

from components.narrated_video_example_gen.config import IngestConfig


def test_settings_survive_json():
    config = IngestConfig(frame_rate=2.5, language="en", max_duration=2000.0)
    assert IngestConfig.from_json(config.to_json()) == config


def test_defaults_are_those_of_the_protocol():
    config = IngestConfig()
    assert (config.frame_rate, config.short_side, config.min_clip_seconds, config.bag_size) == (
        10.0,
        256,
        5.0,
        5,
    )


def test_unknown_setting_is_named():
    with pytest.raises(ValueError, match="unknown ingest settings: fps"):
        IngestConfig.from_json('{"fps": 10}')


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frame_rate", 0.0),
        ("jpeg_quality", 100),
        ("eval_fraction", 1.5),
        ("annotation_format", "coin"),
        ("annotation_splits", "train"),
    ],
)
def test_value_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"ingest.{name} is {value!r}"):
        IngestConfig(**{name: value})


def test_without_filters_keeps_the_rest():
    config = IngestConfig(
        frame_rate=5.0, min_words=1, max_duration=1.0, language="en", min_views=1, max_search_rank=1
    )
    assert config.without_filters() == IngestConfig(frame_rate=5.0)
