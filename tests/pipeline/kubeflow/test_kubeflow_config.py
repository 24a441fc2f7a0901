"""How the pipeline lies on a cluster, and what is wrong in a file that says so."""

import json

import pytest

from pipeline.kubeflow.config import DEFAULT_RESOURCES, KubeflowConfig, NodeResources, load_config


def _load(tmp_path, content) -> KubeflowConfig:
    path = tmp_path / "kubeflow.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return load_config(path)


def test_a_file_names_only_what_differs(tmp_path):
    config = _load(
        tmp_path,
        {"image": "registry/h:1", "resources": {"TextVideoTrainer": {"accelerators": 8}}},
    )
    default = DEFAULT_RESOURCES["TextVideoTrainer"]
    assert config.resources_of("TextVideoTrainer") == NodeResources(
        cpu=default.cpu, memory=default.memory, accelerators=8, retries=default.retries
    )
    assert (
        config.resources_of("NarratedVideoExampleGen")
        == DEFAULT_RESOURCES["NarratedVideoExampleGen"]
    )
    assert config.resources_of("StatisticsGen") == NodeResources()


def test_training_and_features_have_accelerators_and_the_image_for_them():
    nodes = ["NarratedVideoExampleGen", "FeatureExtractor", "TextVideoTrainer", "Pusher"]
    config = KubeflowConfig(image="cpu", accelerator_image="gpu")
    assert config.images(nodes) == dict(zip(nodes, ["cpu", "gpu", "gpu", "cpu"], strict=True))
    assert set(KubeflowConfig(image="cpu").images(nodes).values()) == {"cpu"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ([], "an object is needed"),
        ({"imgae": "x"}, "no setting imgae; there are image"),
        ({"resources": 3}, "resources is no object"),
        ({"resources": {"Pusher": {"gpus": 1}}}, "resources of Pusher: no setting gpus"),
        ({"resources": {"Pusher": {"cpu": 0}}}, "resources of Pusher: cpu is 0"),
        ({"resources": {"Pusher": {"memory": "8Gi"}}}, "memory is '8Gi'; it must be a number"),
        ({"resources": {"Pusher": {"retries": -1}}}, "retries is -1"),
    ],
    ids=["json", "list", "name", "resources", "resource", "cpu", "memory", "retries"],
)
def test_what_is_wrong_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        _load(tmp_path, content)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.json, which does not exist"):
        load_config(tmp_path / "none.json")


def test_resources_of_a_node_that_is_not_there_are_refused():
    config = KubeflowConfig(resources={"Trainer": NodeResources()})
    with pytest.raises(ValueError, match="resources of Trainer, which the pipeline does not have"):
        config.check_nodes(["TextVideoTrainer", "Pusher"])
