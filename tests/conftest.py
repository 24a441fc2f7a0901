"""Fixtures that every test may use."""

import pathlib

import pytest

_SHARED_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Returns the folder of real videos, subtitles and annotations beside the repository."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("the folder of real test data is not beside the repository")
    return _SHARED_DATA
