"""Runs on a small disk, and on one that cannot be written to."""

import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_IN_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "--"]
_MOUNT = 'mount -t tmpfs -o "$1" none "$0" && shift && exec "$@"'


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory) -> Callable[..., subprocess.CompletedProcess]:
    """Returns a function that runs a command where a folder is a disk with given options."""
    # JAX, which a test in this process may have imported, lets TensorFlow say more on its way.
    environment = {key: v for key, v in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}

    def run(folder: pathlib.Path, options: str, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*_IN_NAMESPACE, "sh", "-c", _MOUNT, str(folder), options, *command],
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
            env=environment,
        )

    probe = tmp_path_factory.mktemp("probe")
    if not shutil.which("unshare") or run(probe, "size=1m", "true").returncode:
        pytest.skip("this system does not let a test mount a disk of its own")
    return run


@pytest.fixture(scope="module")
def videos(tmp_path_factory, howto100m) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data")
    howto100m("sample-data", "--output", str(folder), "--videos", "4", "--test-videos", "0")
    return folder / "videos"


def _the_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.rstrip()


@pytest.mark.parametrize("size", ["100k", "700k", "1200k"])
def test_a_run_on_a_full_disk_is_one_clear_line(on_disk, videos, howto100m_command, tmp_path, size):
    arguments = ["run", "--preset", "sample", "--videos", str(videos)]
    command = howto100m_command(*arguments, "--output", str(tmp_path / "run"), "--workers", "2")
    line = _the_line(on_disk(tmp_path, f"size={size}", *command))
    assert "the disk is full; free some space, or give a folder elsewhere, and run the" in line


def test_an_ingest_on_a_full_disk_is_one_clear_line(on_disk, videos, howto100m_command, tmp_path):
    arguments = ["ingest", "--videos", str(videos), "--output", str(tmp_path / "out")]
    line = _the_line(on_disk(tmp_path, "size=100k", *howto100m_command(*arguments)))
    assert "the disk is full; free some space" in line


def test_a_disk_that_cannot_be_written_to_is_one_clear_line(
    on_disk, videos, howto100m_command, tmp_path
):
    arguments = ["run", "--videos", str(videos), "--output", str(tmp_path / "run")]
    line = _the_line(on_disk(tmp_path, "ro", *howto100m_command(*arguments)))
    assert line == (
        f"Error: {tmp_path / 'run'}: the file system can only be read; give a folder that you can "
        f"write to"
    )
