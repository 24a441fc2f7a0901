import pytest

from components.feature_extractor.config import FeaturesConfig


def test_survives_json():
    config = FeaturesConfig(source="hub:somewhere", rate_3d=2.0)
    assert FeaturesConfig.from_json(config.to_json()) == config
    with pytest.raises(ValueError, match="unknown features settings: speed"):
        FeaturesConfig.from_json('{"speed": 3}')


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_2d", 0.0),
        ("rate_3d", -1.0),
        ("hub_rate", 0.0),
        ("hub_num_frames", 0),
        ("batch_size", 0),
        ("duration_tolerance", -0.1),
        ("max_failed_fraction", 1.5),
    ],
)
def test_values_out_of_range_name_the_setting(name, value):
    with pytest.raises(ValueError, match=f"features.{name} is {value}; it must be"):
        FeaturesConfig(**{name: value})


def test_source_says_what_it_is():
    assert (FeaturesConfig().hub_path, FeaturesConfig().folder) == ("", "")
    hub = FeaturesConfig(source="hub:a/b")
    assert (hub.hub_path, hub.folder) == ("a/b", "")
    folder = FeaturesConfig(source="a/b")
    assert (folder.hub_path, folder.folder) == ("", "a/b")


@pytest.mark.parametrize("given", [{}, {"weights_2d": "a.h5"}, {"weights_3d": "b.pth"}])
def test_networks_without_weights_say_how_to_give_them(given):
    with pytest.raises(ValueError, match=r"features\.weights_2d=FILE") as caught:
        FeaturesConfig(**given).check_source()
    assert "features.weights_3d=FILE" in str(caught.value)
    assert "--features hub:PATH" in str(caught.value)


def test_what_is_not_there_is_named(tmp_path):
    present = tmp_path / "a.h5"
    present.touch()
    for config, missing in (
        (FeaturesConfig(weights_2d=str(present), weights_3d="gone.pth"), "gone.pth"),
        (FeaturesConfig(source="hub:" + str(tmp_path)), "holds no pushed model"),
        (FeaturesConfig(source="hub:"), "holds no pushed model"),
        (FeaturesConfig(source=str(tmp_path / "features")), "a folder with a subfolder"),
    ):
        with pytest.raises(ValueError, match=missing):
            config.check_source()
    FeaturesConfig(weights_2d=str(present), weights_3d=str(present)).check_source()
    FeaturesConfig(source=str(tmp_path)).check_source()
