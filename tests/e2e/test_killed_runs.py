"""Runs whose orchestrator is killed at random moments, and what they leave in the end.

`make test-kills` kills ten times; without HOWTO100M_KILLS it is three times, one of them while the
model is pushed.
"""

import dataclasses
import datetime
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time
from collections.abc import Sequence

import numpy as np
import psutil
import pytest
import tensorflow as tf

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_KILLS = int(os.environ.get("HOWTO100M_KILLS", "3"))
_SEED = int(os.environ.get("HOWTO100M_KILLS_SEED", "0"))
_SETTINGS = [
    "training.steps=40",
    "training.steps_per_epoch=5",
    "training.batch_size=8",
    "model.width=0.125",
    # Forty steps teach nothing, but the road behind the blessing is to be tested too.
    "evaluation.min_recall_margin=-1",
]
_EVENT = re.compile(
    r"^(\S+ \S+) INFO absl: (Component \S+ is (?:running|finished)\.)", re.MULTILINE
)
_SECONDS_BETWEEN_LOOKS = 0.01
_LONGEST_SECONDS = 1200
_ORPHANS_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill: some seconds after an event of the log, or as soon as the next event comes.

    Attributes:
      event: the log's message; empty for the start of the process.
      offset: the seconds.
    """

    event: str
    offset: float


def _events(log: str) -> list[tuple[str, float]]:
    """Returns the messages of the nodes' starts and ends, and when each was written."""
    form = "%Y-%m-%d %H:%M:%S,%f"
    return [
        (message, datetime.datetime.strptime(written, form).timestamp())
        for written, message in _EVENT.findall(log)
    ]


def _moments(started: float, events: Sequence[tuple[str, float]], count: int) -> list[Moment]:
    """Draws moments evenly from the time of an undisturbed run, one of them from its push."""
    draw = random.Random(_SEED)
    timeline = [("", started), *events]
    last = events[-1][1]
    places = {name: place for place, (name, _) in enumerate(timeline)}
    (push,) = (p for name, p in places.items() if re.search(r"Pusher is running", name))
    times = [draw.uniform(started, last) for _ in range(count - 1)]
    times.append(draw.uniform(timeline[push][1], timeline[push + 1][1]))
    moments = []
    for moment in sorted(times):
        name, begun = max((event for event in timeline if event[1] <= moment), key=lambda e: e[1])
        moments.append(Moment(name, moment - begun))
    return moments


class HubWatch:
    """Looks at a hub folder again and again: what is there must stay as it was first seen."""

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._seen: dict[str, dict[str, int]] = {}

    def look(self) -> None:
        """Remembers each version and each archive that is new, and compares the others."""
        if not self._folder.is_dir():
            return
        for name in os.listdir(self._folder):
            # What begins with a dot is no version for any reader of a hub folder.
            if not name.startswith("."):
                files = self._files(self._folder / name)
                assert self._seen.setdefault(name, files) == files, f"{name} was seen half-written"

    @staticmethod
    def _files(path: pathlib.Path) -> dict[str, int]:
        paths = path.rglob("*") if path.is_dir() else [path]
        return {
            str(file.relative_to(path)): file.stat().st_size for file in paths if file.is_file()
        }

    def versions(self) -> list[dict[str, int]]:
        """Returns the files of each version, as they were first seen."""
        return [files for name, files in self._seen.items() if name.isdigit()]


@dataclasses.dataclass(frozen=True)
class Finished:
    """A run that came to its end.

    Attributes:
      output: its folder.
      printed: what the last process printed.
    """

    output: pathlib.Path
    printed: str

    @property
    def hub(self) -> pathlib.Path:
        """The folder of the versions."""
        return self.output / "hub" / "local" / "mil-nce-s3d"

    def version(self) -> pathlib.Path:
        """Returns the newest version."""
        return max((p for p in self.hub.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))


@pytest.fixture(scope="module")
def data(tmp_path_factory, howto100m) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data")
    howto100m("sample-data", "--output", str(folder), "--videos", "8", "--test-videos", "0")
    return folder


@pytest.fixture(scope="module")
def run_in(data, tmp_path_factory, howto100m_command):
    """Returns a function that gives the command of a run in a folder of its own."""

    def command(output: pathlib.Path) -> Sequence[str]:
        arguments = ["run", "--preset", "sample", "--output", str(output)]
        arguments += ["--videos", str(data / "videos"), "--set", "ingest.eval_fraction=0.25"]
        arguments += [part for setting in _SETTINGS for part in ("--set", setting)]
        return howto100m_command(*arguments)

    return command


@pytest.fixture(scope="module")
def undisturbed(run_in, tmp_path_factory) -> tuple[Finished, float]:
    """Returns a run that nothing disturbed, and when it was started."""
    output = tmp_path_factory.mktemp("undisturbed")
    started = time.time()
    return Finished(output, _finish(run_in(output), output)), started


def _finish(command: Sequence[str], output: pathlib.Path) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False
    )
    log = output / "run.log"
    assert done.returncode == 0, done.stderr[-2000:] + log.read_text()[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def killed(undisturbed, run_in, tmp_path_factory) -> tuple[Finished, HubWatch, int]:
    """Kills a run again and again, then lets it end; returns it, its hub and how often it died."""
    whole, started = undisturbed
    moments = _moments(started, _events((whole.output / "run.log").read_text()), _KILLS)
    output = tmp_path_factory.mktemp("killed")
    watch = HubWatch(Finished(output, "").hub)
    groups = []
    kills = 0
    try:
        for moment in moments:
            (output / "run.log").unlink(missing_ok=True)
            process = subprocess.Popen(
                run_in(output), stdout=subprocess.DEVNULL, start_new_session=True
            )
            groups.append(process.pid)
            _wait_until(moment, process, output / "run.log", watch)
            # The orchestrator alone: its workers have to notice by themselves.
            process.kill()
            kills += process.wait() == -signal.SIGKILL
            watch.look()
        finished = Finished(output, _finish(run_in(output), output))
        watch.look()
        _check_no_orphans(groups)
    finally:
        for process in _members(groups):
            process.kill()
    return finished, watch, kills


def _wait_until(
    moment: Moment, process: subprocess.Popen, log: pathlib.Path, watch: HubWatch
) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    begun = None if moment.event else time.monotonic()
    while process.poll() is None:
        assert time.monotonic() < deadline
        watch.look()
        events = [name for name, _ in _events(log.read_text())] if log.exists() else []
        if begun is None and moment.event in events:
            begun = time.monotonic()
        if begun is not None:
            # In a run that goes on from a checkpoint the node may need less time than it did.
            is_past = bool(events) and events[-1] != moment.event
            if is_past or time.monotonic() - begun >= moment.offset:
                return
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _members(groups: Sequence[int]) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return members


def _check_no_orphans(groups: Sequence[int]) -> None:
    deadline = time.monotonic() + _ORPHANS_SECONDS
    while members := _members(groups):
        assert time.monotonic() < deadline, [process.cmdline() for process in members]
        time.sleep(0.5)


def test_each_run_was_killed(killed):
    assert killed[2] == _KILLS


def test_final_metrics_are_those_of_an_undisturbed_run(undisturbed, killed):
    whole, mended = (
        json.loads((run.output / "metrics.json").read_text()) for run in (undisturbed[0], killed[0])
    )
    assert mended == whole


def test_final_model_is_that_of_an_undisturbed_run(undisturbed, killed):
    whole, mended = undisturbed[0].version(), killed[0].version()
    for name in ("MODEL_CARD.md", "assets.extra/words.txt", "assets.extra/howto100m.json"):
        assert (mended / name).read_text() == (whole / name).read_text()
    readers = [
        tf.train.load_checkpoint(str(version / "variables" / "variables"))
        for version in (whole, mended)
    ]
    shapes = [reader.get_variable_to_shape_map() for reader in readers]
    assert shapes[0] == shapes[1]
    variables = [name for name in shapes[0] if name.endswith("/.ATTRIBUTES/VARIABLE_VALUE")]
    assert len(variables) > 10
    for name in variables:
        first, second = (reader.get_tensor(name) for reader in readers)
        np.testing.assert_array_equal(second, first, err_msg=name)


def test_nothing_half_written_was_ever_seen_in_the_hub(undisturbed, killed):
    whole = undisturbed[0].version()
    expected = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    versions = killed[1].versions()
    assert versions
    for files in versions:
        assert set(files) == expected


def test_people_find_the_same_after_the_kills(undisturbed, killed):
    whole, mended = undisturbed[0].output, killed[0].output
    for name in ("summary.json", "ledger.jsonl", "index/clips.jsonl"):
        assert (mended / name).read_text() == (whole / name).read_text()
    embeddings = [np.load(output / "index" / "embeddings.npy") for output in (whole, mended)]
    np.testing.assert_array_equal(*embeddings)
    report = (mended / "report.html").read_text()
    assert report.count("<h2>How the run went</h2>") == 1
    summary = json.loads((mended / "run_summary.json").read_text())
    assert {node["state"] for node in summary["nodes"]} <= {"cached", "executed"}
    (trainer,) = (node for node in summary["nodes"] if node["node"] == "TextVideoTrainer")
    assert trainer["figures"]["samples"] == 40 * 8
