"""Fixtures that every test may use."""

import pathlib

import pytest

_SHARED_DATA = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the end-to-end tests first, so that no core waits for the longest file at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """Returns the folder of real videos, subtitles and annotations beside the repository."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("the folder of real test data is not beside the repository")
    return _SHARED_DATA
