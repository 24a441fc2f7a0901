"""The sample pipeline compiled for a cluster and run container by container, to a pushed model."""

import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("kfp", reason="kfp is in the extra kubeflow")

from google.protobuf import json_format
from kfp import components as kfp_components

from pipeline import configs, kubeflow_runner
from pipeline.kubeflow.config import KubeflowConfig, NodeResources

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PROGRAM = pathlib.Path(__file__).with_name("kubeflow_stand_in.py")
_SPECIFICATION = importlib.util.spec_from_file_location("kubeflow_stand_in", _PROGRAM)
kubeflow_stand_in = importlib.util.module_from_spec(_SPECIFICATION)
_SPECIFICATION.loader.exec_module(kubeflow_stand_in)

_SETTINGS = (
    "training.steps_per_epoch=5",
    "training.batch_size=8",
    "training.warmup_steps=2",
    "model.width=0.125",
    # A few steps teach nothing, but the road behind the blessing is to be tested too.
    "evaluation.min_recall_margin=-1",
)
_STEPS = 15


@pytest.fixture(scope="module")
def data(tmp_path_factory, howto100m) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("data")
    howto100m("sample-data", "--output", str(folder), "--videos", "8", "--test-videos", "3")
    return folder


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def spec(output) -> dict:
    """The compiled specification, as kfp's own loader reads it."""
    options = configs.RunOptions(
        videos="videos",
        output=str(output),
        preset="sample",
        overrides=_SETTINGS,
        test_videos="test/videos",
        test_annotations="test/annotations.csv",
    )
    config = KubeflowConfig(resources={"NarratedVideoExampleGen": NodeResources(cpu=1, retries=0)})
    path = output / "howto100m.yaml"
    kubeflow_runner.compile_pipeline(options, config, path)
    loaded = kfp_components.load_component_from_file(str(path))
    return json_format.MessageToDict(loaded.pipeline_spec)


def _image_environment(home: pathlib.Path) -> dict[str, str]:
    """Returns the variables of the image's last stage, with this environment's folders."""
    stage = (_ROOT / "Dockerfile").read_text().split("FROM ")[-1].replace("\\\n", " ")
    variables = dict(re.findall(r"(\w+)=(\S+)", re.search(r"^ENV (.*)$", stage, re.MULTILINE)[1]))
    variables["PATH"] = variables["PATH"].replace(
        "/opt/howto100m/bin", str(pathlib.Path(sys.executable).parent)
    )
    # What the image has installed lies where this process found it.
    variables["PYTHONPATH"] = os.environ.get("PYTHONPATH", str(_ROOT))
    variables["HOME"] = str(home)
    return variables


class _KilledOnce:
    """Starts processes, and kills the first training after its first checkpoint."""

    def __init__(self, checkpoints: pathlib.Path):
        self._checkpoints = checkpoints
        self.killed = False

    def __call__(self, command: list[str], **settings) -> subprocess.Popen:
        process = subprocess.Popen(command, **settings)
        if "components.trainer.executor.Executor" in command and not self.killed:
            deadline = time.monotonic() + 600
            while not list(self._checkpoints.glob("*/ckpt-*.index")):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
            process.send_signal(signal.SIGKILL)
            self.killed = True
        return process


@pytest.fixture(scope="module")
def run(spec, data, output, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    start = _KilledOnce(output / "checkpoints")
    cluster = kubeflow_stand_in.StandIn(spec, folder, _image_environment(folder), start)
    cluster.run(data_root=str(data), steps=_STEPS, hub=str(output / "models"))
    assert start.killed
    return cluster


def test_a_model_is_pushed_to_the_hub_of_the_parameters(run, output):
    import tensorflow_hub as hub

    (archive,) = (output / "models" / "local" / "mil-nce-s3d").glob("*.tar.gz")
    version = archive.with_name(archive.name.removesuffix(".tar.gz"))
    model = hub.load(str(version))
    assert model.signatures["text"](words=["cut it"])["text_embedding"].shape == (1, 512)
    assert not (output / "hub").exists()


def test_the_training_took_the_steps_of_the_parameters_and_went_on_after_its_death(run):
    assert run.attempts["TextVideoTrainer"] == 2
    log = pathlib.Path(run.artifacts["TextVideoTrainer"]["model_run"]["uri"]) / "training.jsonl"
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [5, 10, 15]
