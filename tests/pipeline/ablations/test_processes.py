"""Calls in processes of their own."""

import os
import pathlib
import subprocess
import sys
import time

from pipeline.ablations import processes


def test_each_call_has_a_process_of_its_own():
    found = {processes.in_own_process(os.getpid) for _ in range(2)}
    assert len(found) == 2
    assert os.getpid() not in found


def test_a_process_ends_with_a_parent_that_is_killed(tmp_path):
    file = tmp_path / "pid"
    (tmp_path / "sleeper.py").write_text(
        f"import os, pathlib, time\n"
        f"def sleep():\n"
        f"    pathlib.Path({str(file)!r}).write_text(str(os.getpid()))\n"
        f"    time.sleep(300)\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"import sleeper\n"
        f"from pipeline.ablations import processes\n"
        f"processes.in_own_process(sleeper.sleep)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment)
    assert _soon(file.exists)
    assert _soon(lambda: file.read_text() != "")
    child = int(file.read_text())
    assert _is_running(child)
    parent.kill()
    parent.wait()
    assert _soon(lambda: not _is_running(child))


def _is_running(process):
    try:
        status = pathlib.Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    # A process that nobody waits for stays as a zombie.
    return status.rpartition(")")[2].split()[0] != "Z"


def _soon(condition):
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
