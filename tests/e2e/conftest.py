"""Runs the command line as a person would, in a process of its own."""

import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest


@pytest.fixture(scope="session")
def howto100m_command() -> Callable[..., Sequence[str]]:
    """Returns a function from arguments to the command line of `howto100m`."""
    return lambda *arguments: [
        sys.executable,
        "-c",
        "from pipeline.cli import program; program()",
        *arguments,
    ]


@pytest.fixture(scope="session")
def howto100m(howto100m_command) -> Callable[..., str]:
    """Returns a function that runs `howto100m` to a good end and returns what it printed."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            howto100m_command(*arguments), capture_output=True, text=True, timeout=1200, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    return run
