"""Models of the world of colours, one of them blind to a colour."""

import numpy as np
import pytest

RED, GREEN, BLUE = "red paint", "green paint", "blue paint"


def corner(*colours: str) -> np.ndarray:
    """Returns the mean embedding of colours, float [3]."""
    return np.mean(
        [[0.5 if name in colour else -0.5 for name in ("red", "green", "blue")] for colour in colours],
        axis=0,
    )


@pytest.fixture(scope="session")
def colour_model(colour_world, tmp_path_factory) -> str:
    return colour_world.write_model(tmp_path_factory.mktemp("colour") / "model")


@pytest.fixture(scope="session")
def colour_feature_model(colour_world, tmp_path_factory) -> str:
    return colour_world.write_feature_model(tmp_path_factory.mktemp("feature") / "model")
