"""The image's recipe, read and not built: Docker is not everywhere."""

import pathlib
import re

_ROOT = pathlib.Path(__file__).resolve().parents[3]
_RECIPE = (_ROOT / "Dockerfile").read_text().replace("\\\n", " ")
_STAGES = _RECIPE.split("\nFROM ")


def _instructions(name: str, text: str = _RECIPE) -> list[str]:
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


def test_it_starts_from_a_pinned_release_of_the_current_stacks_python():
    assert re.search(r"^ARG PYTHON=python:3\.13\.\d+-slim-trixie$", _RECIPE, re.MULTILINE)
    assert {source.split()[0] for source in _instructions("FROM")} == {"${PYTHON}"}


def test_every_package_is_checked_against_a_lock_file():
    installs = re.findall(r"pip install[^&\n]*", _RECIPE)
    of_packages = [text for text in installs if not text.endswith(" .")]
    assert (len(installs), len(of_packages)) == (4, 3)
    assert all("--require-hashes" in text for text in of_packages)


def test_what_runs_is_not_root_and_has_no_compiler():
    last = _STAGES[-1]
    assert _instructions("USER", last) == ["1000"]
    assert "g++" in _STAGES[1]
    assert "apt-get" not in last


def test_the_context_holds_what_is_copied_and_no_more():
    lines = (_ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = set()
    for arguments in _instructions("COPY"):
        if not arguments.startswith("--from"):
            copied.update(arguments.split()[:-1])
    assert copied == kept
    assert all((_ROOT / name).exists() for name in copied)
