"""What TFX's compiler leaves out of the specification of a pipeline, or writes wrongly.

TFX 1.16 and 1.21 compile no retries, no defaults of runtime parameters and one choice of caching
for all nodes; and where an output of a node is a property of another one, they name a task that
does not exist.
"""

from collections.abc import Mapping
from typing import Any

_SUFFIX = "_task"


def complete(
    spec: dict[str, Any],
    retries: Mapping[str, int],
    defaults: Mapping[str, str | int],
    uncached: str,
    pipeline_root: str,
) -> None:
    """Completes a compiled specification in its place.

    Args:
      spec: the message PipelineSpec as a dict, as `KubeflowV2DagRunner` returns it.
      retries: how often a task that failed is started again, by the id of its node.
      defaults: of the runtime parameters, by their names.
      uncached: the node that runs every time.
      pipeline_root: where the outputs lie, unless a run says otherwise.
    """
    tasks = spec["root"]["dag"]["tasks"]
    for node_id, task in tasks.items():
        for parameter in task.get("inputs", {}).get("parameters", {}).values():
            if source := parameter.get("taskOutputParameter"):
                source["producerTask"] = _existing(source["producerTask"], tasks)
        if retries[node_id]:
            task["retryPolicy"] = {
                "maxRetryCount": retries[node_id],
                "backoffDuration": "30s",
                "backoffFactor": 2.0,
                "backoffMaxDuration": "3600s",
            }
    tasks[uncached].pop("cachingOptions", None)
    for name, parameter in spec["root"]["inputDefinitions"]["parameters"].items():
        parameter |= {"defaultValue": defaults[name], "isOptional": True}
    spec["defaultPipelineRoot"] = pipeline_root


def _existing(name: str, tasks: Mapping[str, Any]) -> str:
    return name if name in tasks else name.removesuffix(_SUFFIX)
