"""What a compilation for Kubeflow can be told: the image, and each node's resources and retries."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class NodeResources:
    """What one node of the pipeline gets of the cluster.

    Attributes:
      cpu: cores; the Beam nodes that decode videos start a worker for each.
      memory: gigabytes, of 10^9 bytes.
      accelerators: GPUs or TPU chips.
      retries: how often a task that failed is started again. A training goes on from its last
        checkpoint.
    """

    cpu: int = 2
    memory: float = 8.0
    accelerators: int = 0
    retries: int = 2

    def __post_init__(self):
        for name in ("cpu", "memory", "accelerators", "retries"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name} is {value!r}; it must be a number")
        if self.cpu < 1:
            raise ValueError(f"cpu is {self.cpu}; give at least 1")
        if self.memory <= 0:
            raise ValueError(f"memory is {self.memory}; give more than 0, in gigabytes")
        for name in ("accelerators", "retries"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 0")


_DECODING = NodeResources(cpu=8, memory=32.0)
_EXTRACTION = NodeResources(cpu=8, memory=32.0, accelerators=1)
# The cluster may take a machine away in the middle of days of training.
_TRAINING = NodeResources(cpu=16, memory=64.0, accelerators=1, retries=5)
_EMBEDDING = NodeResources(cpu=8, memory=32.0)

DEFAULT_RESOURCES: Mapping[str, NodeResources] = {
    "NarratedVideoExampleGen": _DECODING,
    "AnnotatedVideoExampleGen": _DECODING,
    "FeatureExtractor": _EXTRACTION,
    "AnnotatedFeatureExtractor": _EXTRACTION,
    "TextVideoTrainer": _TRAINING,
    "TargetOnlyTrainer": _TRAINING,
    "RetrievalEvaluator": _EMBEDDING,
    "BenchmarkEvaluator": _EMBEDDING,
    "ClipIndexGen": _EMBEDDING,
}


@dataclasses.dataclass(frozen=True)
class KubeflowConfig:
    """How the pipeline lies on a cluster; none of it is a setting of the run.

    Attributes:
      image: the container image that `make image` builds, as the cluster names it.
      accelerator_image: the image of the nodes with accelerators; empty for the same.
      accelerator: what the cluster calls an accelerator: a resource of Kubernetes, or on Vertex AI
        a type such as NVIDIA_TESLA_A100.
      data_root: where relative paths of data begin, unless a run says otherwise; empty if each run
        must say.
      resources: of nodes by their ids, where they are not the default ones.
    """

    image: str = "howto100m-tfx"
    accelerator_image: str = ""
    accelerator: str = "nvidia.com/gpu"
    data_root: str = ""
    resources: Mapping[str, NodeResources] = dataclasses.field(default_factory=dict)

    def resources_of(self, node_id: str) -> NodeResources:
        """Returns what a node gets.

        Args:
          node_id: its id.
        """
        return self.resources.get(node_id) or DEFAULT_RESOURCES.get(node_id) or NodeResources()

    def images(self, node_ids: Sequence[str]) -> dict[str, str]:
        """Returns the image that each node runs in, by its id.

        Args:
          node_ids: all nodes of the pipeline.
        """
        accelerated = self.accelerator_image or self.image
        return {
            name: accelerated if self.resources_of(name).accelerators else self.image
            for name in node_ids
        }

    def check_nodes(self, node_ids: Sequence[str]) -> None:
        """Checks that the resources are of nodes that the pipeline has.

        Args:
          node_ids: all nodes of the pipeline.

        Raises:
          ValueError: they are not.
        """
        unknown = sorted(set(self.resources) - set(node_ids))
        if unknown:
            raise ValueError(
                f"resources of {', '.join(unknown)}, which the pipeline does not have; it has "
                f"{', '.join(sorted(node_ids))}"
            )


def load_config(path: pathlib.Path) -> KubeflowConfig:
    """Returns the configuration that a JSON file holds.

    Args:
      path: the file: an object with any of the attributes of `KubeflowConfig`. A node's `resources`
        name only what differs from its default.

    Raises:
      ValueError: there is no such file, it is no such JSON, or a value cannot be.
    """
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"HOWTO100M_KUBEFLOW names {path}, which does not exist") from None
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
    try:
        _check_names(values, KubeflowConfig)
        given = values.get("resources", {})
        if not isinstance(given, dict):
            raise ValueError("resources is no object with the ids of nodes")
        resources = {node_id: _resources(node_id, given[node_id]) for node_id in given}
        return KubeflowConfig(**{**values, "resources": resources})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _resources(node_id: str, values: Any) -> NodeResources:
    try:
        _check_names(values, NodeResources)
        return dataclasses.replace(DEFAULT_RESOURCES.get(node_id, NodeResources()), **values)
    except ValueError as error:
        raise ValueError(f"resources of {node_id}: {error}") from error


def _check_names(values: Any, kind: type) -> None:
    if not isinstance(values, dict):
        raise ValueError("an object is needed")
    known = [field.name for field in dataclasses.fields(kind)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"no setting {', '.join(unknown)}; there are {', '.join(known)}")
