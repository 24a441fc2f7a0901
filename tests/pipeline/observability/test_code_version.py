"""The version of the code, with and without a repository."""

import pathlib
import re
import subprocess

import pytest

from pipeline.observability import code_version


@pytest.fixture
def repository(tmp_path) -> pathlib.Path:
    """Returns a file in the only commit of a new repository."""
    source = tmp_path / "code" / "module.py"
    source.parent.mkdir()
    source.write_text("first\n")
    for command in (
        ["init", "-q"],
        ["add", "code/module.py"],
        ["-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "-q", "-m", "first"],
        ["tag", "-a", "v1", "-m", "v1"],
    ):
        identity = ["-c", "user.name=n", "-c", "user.email=n@example.com"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *command], check=True)
    return source


def _head(folder: pathlib.Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_code_in_a_repository_is_known_by_its_commit(repository):
    assert code_version.code_version(repository) == _head(repository.parent)


def test_a_change_that_is_not_committed_is_told(repository):
    repository.write_text("second\n")
    assert code_version.code_version(repository) == f"{_head(repository.parent)}-dirty"


def test_a_repository_that_does_not_track_the_code_says_nothing_of_it(repository):
    installed = repository.parent / "installed.py"
    installed.write_text("")
    assert re.fullmatch(r"howto100m-tfx \d+\.\d+\.\d+", code_version.code_version(installed))


def test_without_git_and_package_it_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(code_version, "_DISTRIBUTION", "no-such-distribution")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_version.code_version(tmp_path / "module.py") == "unknown"
