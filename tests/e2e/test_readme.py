"""The README's commands: run as they are written where a small run can stand for the demo's.

What needs downloads, other machines or hours is parsed by the command line and not run. That of
`hub serve` is run in tests/components/hub_server/test_hub_readme.py.
"""

import contextlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.cli import main
from pipeline.observability import executions

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_README = (_ROOT / "README.md").read_text()
_NODES = 12
_STATES = metadata_store_pb2.Execution
_SMALLER_DATA = "--videos 8 --test-videos 2"
_SHORTER_RUN = (
    "--set training.steps=4 --set training.steps_per_epoch=2 --set training.batch_size=8 "
    "--set model.width=0.125 --set evaluation.min_recall_margin=-1"
)
_PROGRAM = """#!/bin/sh
exec {python} -c 'from pipeline.cli import program; program()' "$@"
"""
# What a runner or a recipe needs of the repository.
_FILES = (
    "Makefile",
    "kubeflow_runner.py",
    "local_runner.py",
    "pyproject.toml",
    "requirements-uv.lock",
    "requirements.lock",
    "tools",
)
# Stands for Docker, which is not everywhere.
_DOCKER = """#!/bin/sh
echo "$@" > docker.txt
"""
# What the README's first example of `hub.load` takes as given.
_CLIPS = "import numpy as np\nclips = np.zeros([1, 8, 64, 64, 3], np.float32)\n"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("make"), reason="make is not installed"),
]


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)


def _block_with(text: str, language: str = "sh") -> str:
    (block,) = (block for block in _blocks(language) if text in block)
    return block


def _commands(block: str) -> list[list[str]]:
    """Returns the words of each command, without comments."""
    commands, text = [], ""
    for line in block.splitlines(keepends=True):
        text += line
        if text.endswith("\\\n"):
            continue
        # An open quotation mark goes on in the next line.
        with contextlib.suppress(ValueError):
            commands.append(shlex.split(text.replace("\\\n", " "), comments=True))
            text = ""
    assert not text
    return [words for words in commands if words]


class Checkout:
    """A folder in which the README's commands find what they find in a clone after `make`."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        here = pathlib.Path(sys.executable).parent
        for name, text in (("howto100m", _PROGRAM), ("docker", _DOCKER)):
            (programs / name).write_text(text.format(python=shlex.quote(sys.executable)))
            (programs / name).chmod(0o755)
        for name in _FILES:
            (folder / name).symlink_to(_ROOT / name)
        # Of `make test`, which may be what runs this.
        of_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in of_make},
            "HOME": str(folder),
            "PATH": os.pathsep.join([str(programs), str(here), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(entry for entry in [str(_ROOT), *sys.path] if entry),
        }

    def run(self, *command: str) -> str:
        """Runs a command to a good end and returns what it printed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def demo(checkout) -> str:
    """Runs the commands of `make demo` with fewer videos and steps; returns what they printed."""
    recipe = checkout.run("make", "-n", "-o", "setup", "demo")
    smaller = recipe.replace("sample-data", f"sample-data {_SMALLER_DATA}")
    smaller = smaller.replace("--preset sample", f"--preset sample {_SHORTER_RUN}")
    assert smaller.count("howto100m ") == 3
    return checkout.run("sh", "-ec", smaller)


@pytest.fixture(scope="module")
def version(demo, checkout) -> str:
    """The pushed version."""
    folder = checkout.folder / "runs" / "demo" / "hub" / "local" / "mil-nce-s3d"
    (name,) = (path.name for path in folder.iterdir() if path.is_dir())
    return name


def test_the_demo_leaves_what_the_readme_says(demo, version, checkout):
    assert "Look at runs/demo/report.html." in demo
    assert demo.count("\n  1. ") == 3
    (table,) = re.findall(r"leaves in `runs/demo/`:\n\n(.*?)\n\n", _README, re.DOTALL)
    rows = [row.split("|")[1] for row in table.splitlines()]
    names = [name for row in rows for name in re.findall(r"`(.+?)`", row)]
    assert {"report.html", "run_summary.json"} <= set(names)
    for name in names:
        path = checkout.folder / "runs" / "demo" / name.replace("VERSION", version)
        assert path.exists(), name


def test_search_finds_the_newest_run(demo, checkout):
    (line,) = re.findall(r"^\S*howto100m search .*$", _README, re.MULTILINE)
    found = checkout.run("sh", "-ec", line)
    assert found.startswith("cut paper\n  1. ")
    assert "\ntie a knot\n  1. " in found


def test_hub_load_gives_similarities(version, checkout):
    block = _block_with('hub.load("runs/demo', "python").replace("VERSION", version)
    printed = checkout.run(sys.executable, "-c", f"{_CLIPS}{block}print(scores.shape)")
    assert printed == "(2, 1)\n"


def test_lineage_tells_where_the_model_came_from(version, checkout):
    printed = checkout.run("sh", "-ec", _block_with("howto100m lineage"))
    assert f"local/mil-nce-s3d/{version}" in printed
    assert "TextVideoTrainer" in printed
    videos = (checkout.folder / "runs" / "demo" / "data" / "videos").glob("*.mp4")
    for video in videos:
        assert video.stem in printed


def test_tfx_runs_the_demo_on_this_machine(demo, checkout):
    store = executions.connect(checkout.folder / "runs" / "demo" / "metadata.sqlite")
    before = {execution.id for execution in store.get_executions()}
    checkout.run("sh", "-ec", _block_with("tfx pipeline create --engine local"))
    states = [run.last_known_state for run in store.get_executions() if run.id not in before]
    # Not necessarily from the cache: the schema's path is another where Bazel runs a copy of it.
    assert len(states) == _NODES
    assert set(states) <= {_STATES.CACHED, _STATES.COMPLETE}


def test_the_image_is_built_and_the_pipeline_compiled_for_a_cluster(checkout):
    kfp_components = pytest.importorskip("kfp.components", reason="kfp is in the extra kubeflow")
    checkout.run("sh", "-ec", _block_with("make image"))
    arguments = (checkout.folder / "docker.txt").read_text()
    assert arguments == "build --build-arg CUDA= --tag REGISTRY/howto100m:1 .\n"
    loaded = kfp_components.load_component_from_file(str(checkout.folder / "howto100m.yaml"))
    assert loaded.name == "howto100m"


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z0-9-]+)", _README))))
def test_every_target_has_a_recipe(checkout, target):
    assert checkout.run("make", "-n", target)


@pytest.mark.parametrize(
    "words",
    [
        words
        for block in _blocks("sh")
        for words in _commands(block)
        if words[0].endswith("howto100m")
    ],
    ids=lambda words: " ".join(words[1:3]),
)
def test_every_command_is_one_that_the_command_line_takes(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [part for word in words[1:] for part in _completed(word)]
    for word in arguments:
        if not word.startswith("-") and "=" not in word and "://" not in word:
            path = tmp_path / word
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if path.suffix else path.mkdir(exist_ok=True)
    taken = []
    for command in _leaves(main):
        monkeypatch.setattr(command, "callback", lambda **options: taken.append(options))
    main(arguments, standalone_mode=False)
    assert len(taken) == 1


def _leaves(command: click.Command) -> Iterator[click.Command]:
    if not isinstance(command, click.Group):
        yield command
        return
    for inner in command.commands.values():
        yield from _leaves(inner)


def _completed(word: str) -> list[str]:
    """Returns what a word of the README stands for."""
    return ["--videos", "DIR"] if word == "…" else [word]
