"""The compiled pipeline: what kfp reads in it, and what its first node works out."""

import http.server
import json
import pathlib
import threading

import pytest

pytest.importorskip("kfp", reason="kfp is in the extra kubeflow")

import kfp
from google.protobuf import json_format
from kfp import components as kfp_components
from tfx.types import standard_artifacts

import components
from components import artifacts
from pipeline import configs, kubeflow_runner
from pipeline import pipeline as pipeline_lib
from pipeline.kubeflow.config import KubeflowConfig, NodeResources
from pipeline.kubeflow.run_settings import executor

_CONFIG = KubeflowConfig(
    image="registry/howto100m:1",
    accelerator_image="registry/howto100m-gpu:1",
    data_root="/nowhere",
    resources={"NarratedVideoExampleGen": NodeResources(cpu=3, memory=12.0, retries=0)},
)
_NODES = {
    *("RunSettings", "NarratedVideoExampleGen", "StatisticsGen", "ImportSchemaGen"),
    *("CaptionValidator", "Transform", "WordVectorsGen", "TextVideoTrainer"),
    *("RetrievalEvaluator", "ModelCardGen", "ClipIndexGen"),
}


def _options(**values) -> configs.RunOptions:
    return configs.RunOptions(**{"videos": "videos", "output": "/o", "preset": "sample", **values})


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("compiled") / "pipeline.yaml"
    kubeflow_runner.compile_pipeline(_options(hub="gs://b/hub"), _CONFIG, path)
    return path


@pytest.fixture(scope="module")
def spec(compiled) -> dict:
    """The specification as kfp's own loader reads it."""
    loaded = kfp_components.load_component_from_file(str(compiled))
    return json_format.MessageToDict(loaded.pipeline_spec)


def _container(spec: dict, node: str) -> dict:
    return spec["deploymentSpec"]["executors"][f"{node}_executor"]["container"]


def _tasks(spec: dict) -> dict:
    return spec["root"]["dag"]["tasks"]


def test_the_nodes_are_those_of_the_run_behind_its_settings(spec):
    assert _tasks(spec).keys() >= _NODES
    for name in _NODES - {"RunSettings"}:
        parameters = _tasks(spec)[name].get("inputs", {}).get("parameters", {})
        told = [source for source in parameters.values() if "taskOutputParameter" in source]
        assert {source["taskOutputParameter"]["producerTask"] for source in told} <= {"RunSettings"}
        assert not told or "RunSettings" in _tasks(spec)[name]["dependentTasks"]
    assert (
        "taskOutputParameter" in _tasks(spec)["TextVideoTrainer"]["inputs"]["parameters"]["run_fn"]
    )


def test_the_parameters_have_their_defaults(spec):
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert {name: parameter["defaultValue"] for name, parameter in parameters.items()} == {
        "data_root": "/nowhere",
        "preset": "sample",
        "steps": 0,
        "hub": "gs://b/hub",
    }


def test_containers_have_their_image_command_and_resources(spec):
    ingest, trainer = (
        _container(spec, name) for name in ("NarratedVideoExampleGen", "TextVideoTrainer")
    )
    assert ingest["image"] == "registry/howto100m:1"
    assert ingest["command"] == ["python", "-m", "pipeline.kubeflow.container"]
    assert ingest["args"][:2] == [
        "--executor_class_path",
        "components.narrated_video_example_gen.executor.Executor",
    ]
    assert "--direct_num_workers=3" in ingest["args"]
    assert ingest["resources"] == {"cpuLimit": 3.0, "memoryLimit": 12.0}
    assert trainer["image"] == "registry/howto100m-gpu:1"
    accelerator = trainer["resources"]["accelerator"]
    assert (accelerator["type"], int(accelerator["count"])) == ("nvidia.com/gpu", 1)


def test_failed_tasks_start_again_and_the_settings_are_worked_out_every_time(spec):
    tasks = _tasks(spec)
    assert "retryPolicy" not in tasks["NarratedVideoExampleGen"]
    assert tasks["TextVideoTrainer"]["retryPolicy"]["maxRetryCount"] == 5
    assert tasks["Transform"]["cachingOptions"] == {"enableCache": True}
    assert "cachingOptions" not in tasks["RunSettings"]


def test_no_path_of_the_compiling_machine_is_in_the_specification(spec):
    text = json.dumps(spec)
    assert "captions.pbtxt" not in text
    assert "site-packages" not in text


class _Server(http.server.BaseHTTPRequestHandler):
    """Answers kfp's client as the API of a cluster with one experiment does, and keeps its runs."""

    def do_GET(self):
        self._answer({"experiments": [{"experiment_id": "e", "display_name": "howto100m"}]})

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.server.runs.append(json.loads(self.rfile.read(length)))
        self._answer({"run_id": "r"})

    def _answer(self, content: dict) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    server.runs = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_kfps_client_submits_it_with_parameters(compiled, server):
    client = kfp.Client(host=f"http://127.0.0.1:{server.server_port}")
    client.create_run_from_pipeline_package(
        str(compiled),
        arguments={"steps": 1000, "hub": "gs://b/other"},
        experiment_name="howto100m",
    )
    (run,) = server.runs
    assert run["runtime_config"]["parameters"] == {"steps": 1000, "hub": "gs://b/other"}
    assert run["pipeline_spec"]["pipelineInfo"]["name"] == "howto100m"


def test_vertex_takes_a_whole_job(tmp_path):
    path = tmp_path / "pipeline.json"
    output = tmp_path / "output"
    kubeflow_runner.compile_pipeline(_options(output=str(output)), _CONFIG, path)
    job = json.loads(path.read_text())
    assert job["runtimeConfig"]["gcsOutputDirectory"] == f"{output}/pipeline_root"
    assert job["pipelineSpec"]["schemaVersion"] == "2.1.0"
    # The cluster's folder is none of the compiling machine's.
    assert not output.exists()


@pytest.mark.parametrize(
    ("values", "config", "message"),
    [
        ({"output": "runs/x"}, _CONFIG, "output is 'runs/x'; on a cluster it must be an absolute"),
        ({"preset": "none"}, _CONFIG, "no preset 'none'"),
        (
            {},
            KubeflowConfig(resources={"Trainer": NodeResources()}),
            "resources of Trainer, which the pipeline does not have",
        ),
    ],
    ids=["output", "preset", "node"],
)
def test_what_cannot_be_compiled_is_named(tmp_path, values, config, message):
    path = tmp_path / "pipeline.yaml"
    with pytest.raises(ValueError, match=message):
        kubeflow_runner.compile_pipeline(_options(**values), config, path)
    assert not path.exists()


def test_a_missing_run_ends_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("HOWTO100M_RUN", str(tmp_path / "none.json"))
    with pytest.raises(SystemExit, match=r"^kubeflow_runner: .*none\.json does not exist"):
        kubeflow_runner.main()


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(artifacts).values() if getattr(kind, "TYPE_NAME", None)],
    ids=lambda kind: kind.__name__,
)
def test_artifact_types_are_found_by_their_names(kind):
    package, name = kind.TYPE_NAME.split(".")
    assert package == components.__name__
    assert getattr(components, name) is kind


def _work_out(spec: dict, folder, names=None, **parameters) -> dict[str, str]:
    """Runs the first node's executor; returns what it tells the others, by full name."""
    names = names or spec["components"]["RunSettings"]["outputDefinitions"]["parameters"]
    (folder / "settings").mkdir(exist_ok=True)
    outputs = {}
    for name in names:
        outputs[name] = [standard_artifacts.String()]
        outputs[name][0].uri = str(folder / "settings" / name)
    compiled = _tasks(spec)["RunSettings"]["inputs"]["parameters"]["options"]
    properties = {"options": compiled["runtimeValue"]["constant"]}
    properties |= {"preset": "sample", "steps": 0, "hub": "", **parameters}
    executor.Executor().Do({}, outputs, properties)
    return {name: (folder / "settings" / name).read_text() for name in names}


@pytest.fixture
def data(tmp_path):
    (tmp_path / "videos").mkdir()
    for name in ("a.mp4", "a.vtt"):
        (tmp_path / "videos" / name).write_bytes(b"")
    return tmp_path


def test_the_first_node_tells_the_others_what_they_are_told_on_one_machine(spec, data):
    told = _work_out(spec, data, data_root=str(data), steps=9, hub="/models")
    options = _options(videos=str(data / "videos"), overrides=("training.steps=9",), hub="/models")
    for node in pipeline_lib.create_nodes(options.resolve()):
        for name, value in node.exec_properties.items():
            if isinstance(value, str):
                assert told.pop(f"{node.id}_{name}") == value
    # Which one machine's orchestrator works out by itself.
    assert told.keys() == {"NarratedVideoExampleGen_input_fingerprint"}


def test_a_changed_video_changes_the_cache_key(spec, data):
    key = "NarratedVideoExampleGen_input_fingerprint"
    before = _work_out(spec, data, data_root=str(data))[key]
    assert _work_out(spec, data, data_root=str(data))[key] == before
    (data / "videos" / "a.mp4").write_bytes(b"longer")
    assert _work_out(spec, data, data_root=str(data))[key] != before


def test_an_image_with_other_nodes_is_refused(spec, data):
    defined = spec["components"]["RunSettings"]["outputDefinitions"]["parameters"]
    with pytest.raises(
        ValueError, match="they differ in OldNode_config; compile it with the image"
    ):
        _work_out(spec, data, [*defined, "OldNode_config"], data_root=str(data))
