"""A Beam engine apart from this process: a job service, and worker processes of two kinds."""

import contextlib
import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

_HERE = pathlib.Path(__file__).parent
_SECONDS_TO_START = 600

# Stands for the program `boot` of Beam's containers, which tells a worker where its engine is.
_BOOT = """#!/bin/sh
for argument; do
  case $argument in
    --id=*) export WORKER_ID="${argument#*=}" ;;
    --control_endpoint=*) export CONTROL_API_SERVICE_DESCRIPTOR="url: '${argument#*=}'" ;;
    --logging_endpoint=*) export LOGGING_API_SERVICE_DESCRIPTOR="url: '${argument#*=}'" ;;
  esac
done
export PIPELINE_OPTIONS='{}'
exec python -m apache_beam.runners.worker.sdk_worker_main
"""


@dataclasses.dataclass(frozen=True)
class Engine:
    """A running job service and what it starts workers with.

    Attributes:
      job_endpoint: address of the job service.
      pool: address of the pool of EXTERNAL workers.
      boot: command of PROCESS workers.
      processes: of the service and the pool, the ancestors of all workers.
    """

    job_endpoint: str
    pool: str
    boot: str
    processes: tuple[psutil.Process, ...]

    def arguments(self, kind: str, num_workers: int) -> list[str]:
        """Returns Beam's arguments.

        Args:
          kind: "EXTERNAL" or "PROCESS".
          num_workers: worker processes.
        """
        option = {
            "EXTERNAL": f"--environment_config={self.pool}",
            "PROCESS": f"--environment_options=process_command={self.boot}",
        }[kind]
        return [
            "--runner=PortableRunner",
            f"--job_endpoint={self.job_endpoint}",
            # Beam's client gives up a job of this service that takes longer.
            "--job_server_timeout=900",
            f"--environment_type={kind}",
            option,
            f"--direct_num_workers={num_workers}",
        ]

    def workers(self) -> list[psutil.Process]:
        """Returns the worker processes that there are now."""
        return [child for parent in self.processes for child in parent.children(recursive=True)]


@contextlib.contextmanager
def _serving(script: str, folder: pathlib.Path) -> Iterator[tuple[psutil.Process, str]]:
    port_file = folder / f"{script}.port"
    # The workers must be of this environment: the pool and `boot` take the `python` on PATH.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    python_path = os.pathsep.join(entry for entry in sys.path if entry)
    with (folder / f"{script}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(_HERE / script), str(port_file)],
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": path, "PYTHONPATH": python_path},
        )
    try:
        deadline = time.monotonic() + _SECONDS_TO_START
        while not port_file.exists():
            assert process.poll() is None, (folder / f"{script}.log").read_text()
            assert time.monotonic() < deadline, f"{script} does not start"
            time.sleep(0.1)
        yield psutil.Process(process.pid), f"localhost:{port_file.read_text()}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def engine(tmp_path_factory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    boot = folder / "boot"
    boot.write_text(_BOOT)
    boot.chmod(0o755)
    with (
        _serving("job_service.py", folder) as (service, job_endpoint),
        _serving("worker_pool.py", folder) as (pool, pool_address),
    ):
        yield Engine(job_endpoint, pool_address, str(boot), (service, pool))


def _files(folder: pathlib.Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(name="files")
def fixture_files():
    """Returns a function that reads all files below a folder."""
    return _files
