"""Times `make demo` from a clean folder and again unchanged, and watches its memory.

    make benchmark-demo        about ten minutes on two cores; writes benchmarks/demo.json

Memory is the sum of the proportional set sizes of all processes of the run (what they share is
counted once), sampled every half second.
"""

import json
import pathlib
import platform
import re
import shutil
import subprocess
import threading
import time
from importlib import metadata

import psutil

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_RUN = _ROOT / "runs" / "demo"
_GIGABYTE = 2**30


def _memory(process: psutil.Process) -> int:
    """Returns the bytes that a process and its descendants hold."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue  # It ended between the listing and the look.
    return total


def _demo() -> dict[str, float | str]:
    """Runs `make demo` once; returns its wall time, its peak memory and what it printed."""
    started = time.monotonic()
    process = subprocess.Popen(
        ["make", "demo"], cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    watched = psutil.Process(process.pid)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            try:
                peak = max(peak, _memory(watched))
            except psutil.Error:
                return
            time.sleep(0.5)

    watcher = threading.Thread(target=watch)
    watcher.start()
    printed, _ = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"make demo failed:\n{printed[-3000:]}")
    return {
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_gib": round(peak / _GIGABYTE, 2),
        "printed": printed,
    }


def _node_seconds(printed: str) -> dict[str, int]:
    return {name: int(seconds) for name, seconds in re.findall(r"(\w+): (\d+) s\b", printed)}


def _processor() -> str:
    model = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())
    return model[1] if model else platform.processor()


def main() -> None:
    """Runs the demo twice and writes the figures beside this file."""
    shutil.rmtree(_RUN, ignore_errors=True)
    first = _demo()
    metrics = json.loads((_RUN / "metrics.json").read_text())
    second = _demo()
    cached = re.search(r"(\d+) nodes run, (\d+) from cache", second["printed"])
    figures = {
        "machine": {
            "processor": _processor(),
            "cores": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / _GIGABYTE),
            "system": platform.platform(),
        },
        "software": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("tfx", "tensorflow", "keras", "av")},
        },
        "first_run": {
            "seconds": first["seconds"],
            "peak_memory_gib": first["peak_memory_gib"],
            "node_seconds": _node_seconds(first["printed"]),
        },
        "second_run": {
            "seconds": second["seconds"],
            "nodes_run": int(cached[1]),
            "nodes_from_cache": int(cached[2]),
        },
        "metrics": {name: metrics[name] for name in ("text_to_video", "video_to_text", "random")},
    }
    text = json.dumps(figures, indent=2) + "\n"
    (pathlib.Path(__file__).parent / "demo.json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
