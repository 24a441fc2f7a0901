"""The models of the world of colours, each written once."""

import pytest


@pytest.fixture(scope="session")
def colour_model(colour_world, tmp_path_factory) -> str:
    return colour_world.write_model(tmp_path_factory.mktemp("colour") / "model")


@pytest.fixture(scope="session")
def colour_feature_model(colour_world, tmp_path_factory) -> str:
    return colour_world.write_feature_model(tmp_path_factory.mktemp("feature") / "model")
