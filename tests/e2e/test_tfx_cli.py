"""The tfx command line with the engines of a cluster, as far as it goes without one."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("kfp", reason="kfp is in the extra kubeflow")

from kfp import components as kfp_components

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("tfx")
    run = {"videos": "videos", "output": "gs://bucket/run", "preset": "sample"}
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def _tfx(folder: pathlib.Path, engine: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs `tfx` in a folder whose files it may write, with a home of its own."""
    return subprocess.run(
        ["tfx", *arguments, "--engine", engine],
        cwd=folder,
        env={
            **os.environ,
            "HOME": str(folder),
            "HOWTO100M_RUN": str(folder / "run.json"),
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _done(folder: pathlib.Path, *arguments: str) -> str:
    done = _tfx(folder, "vertex", *arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def test_pipeline_compile_writes_what_kubeflow_takes(folder):
    _done(folder, "pipeline", "compile", "--pipeline_path", str(_ROOT / "kubeflow_runner.py"))
    loaded = kfp_components.load_component_from_file(str(folder / "howto100m.yaml"))
    assert loaded.name == "howto100m"
    assert set(loaded.component_spec.inputs) == {"data_root", "preset", "steps", "hub"}


def test_pipeline_create_update_and_list_keep_what_vertex_takes(folder):
    script = str(_ROOT / "kubeflow_runner.py")
    _done(folder, "pipeline", "create", "--pipeline_path", script)
    job = folder / "tfx" / "vertex" / "howto100m" / "pipeline.json"
    first = json.loads(job.read_text())
    assert first["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/run/pipeline_root"
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, "output": "gs://bucket/other"}))
    _done(folder, "pipeline", "update", "--pipeline_path", script)
    second = json.loads(job.read_text())
    assert second["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/other/pipeline_root"
    assert "howto100m" in _done(folder, "pipeline", "list").splitlines()


def test_the_local_engine_compiles_creates_updates_and_lists_but_runs_nothing(tmp_path):
    run = {"videos": "videos", "output": "run", "preset": "sample"}
    (tmp_path / "run.json").write_text(json.dumps(run))
    script = str(_ROOT / "local_runner.py")
    for command in ("compile", "create", "update"):
        done = _tfx(tmp_path, "local", "pipeline", command, "--pipeline_path", script)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "howto100m" in _tfx(tmp_path, "local", "pipeline", "list").stdout.splitlines()
    assert not (tmp_path / "run" / "metadata.sqlite").exists()


@pytest.mark.parametrize("engine", ["local", "vertex"])
def test_the_engines_without_a_list_of_runs_say_so(folder, engine):
    done = _tfx(folder, engine, "run", "list", "--pipeline_name", "howto100m")
    assert "not supported" in (done.stdout + done.stderr).lower()


def test_what_cannot_be_compiled_ends_in_one_line(folder, tmp_path):
    (tmp_path / "run.json").write_text('{"videos": "videos", "output": "relative"}')
    script = str(_ROOT / "kubeflow_runner.py")
    done = _tfx(tmp_path, "vertex", "pipeline", "compile", "--pipeline_path", script)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("kubeflow_runner: output is 'relative'")


def test_engine_kubeflow_is_one_that_tfx_no_longer_has(folder):
    """When this fails, TFX has it again: the README says why it says vertex."""
    script = str(_ROOT / "kubeflow_runner.py")
    done = _tfx(folder, "kubeflow", "pipeline", "compile", "--pipeline_path", script)
    assert done.returncode != 0
    assert "kubeflow_dag_runner" in done.stderr
