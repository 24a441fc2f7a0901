"""A stand-in for Kubeflow Pipelines: runs a compiled pipeline's containers as local processes.

It does what the cluster's driver and launcher do (kubeflow/pipelines, backend/src/v2): works out
the parameters and artifacts of each task, tells no types of input artifacts, makes the folders
above the outputs and no others, puts the message ExecutorInput in the place of {{$}}, starts a
task that failed again, and reads what the task says of its outputs.
"""

import collections
import graphlib
import itertools
import json
import pathlib
import subprocess
from collections.abc import Callable, Mapping
from typing import Any


class TaskFailedError(Exception):
    """A task failed as often as it may; the message is the end of its log."""


class StandIn:
    """Runs one pipeline.

    Attributes:
      attempts: how often each task was started.
      parameters: the output parameters of each task.
      artifacts: the output artifacts of each task, each with `uri` and `metadata`.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        root: pathlib.Path,
        environment: Mapping[str, str],
        start: Callable[..., subprocess.Popen] = subprocess.Popen,
    ):
        """Prepares a run.

        Args:
          spec: the message PipelineSpec as JSON.
          root: where artifacts and logs go.
          environment: the variables that a container has.
          start: makes a process of a task, as `subprocess.Popen` does.
        """
        self.attempts = collections.Counter()
        self.parameters: dict[str, dict[str, Any]] = {}
        self.artifacts: dict[str, dict[str, dict[str, Any]]] = {}
        self._spec = spec
        self._root = root
        self._environment = environment
        self._start = start
        self._ids = itertools.count(1)

    def run(self, **arguments: str | int) -> None:
        """Runs all tasks, each after those that it depends on.

        Args:
          **arguments: values of the pipeline's parameters; the others have their defaults.

        Raises:
          TaskFailedError: a task failed.
        """
        defined = self._spec["root"]["inputDefinitions"]["parameters"]
        assert arguments.keys() <= defined.keys()
        defaults = {name: parameter.get("defaultValue") for name, parameter in defined.items()}
        tasks = self._spec["root"]["dag"]["tasks"]
        order = graphlib.TopologicalSorter(
            {name: task.get("dependentTasks", []) for name, task in tasks.items()}
        )
        for name in order.static_order():
            self._run_task(name, tasks[name], {**defaults, **arguments})

    def _run_task(self, name: str, task: dict[str, Any], given: dict[str, Any]) -> None:
        component = self._spec["components"][task["componentRef"]["name"]]
        executors = self._spec["deploymentSpec"]["executors"]
        container = executors[component["executorLabel"]]["container"]
        invocation = self._invocation(name, task, component, given)
        command = [
            text.replace("{{$}}", json.dumps(invocation))
            for text in [*container["command"], *container.get("args", [])]
        ]
        log = self._root / f"{name}.log"
        for _ in range(1 + int(task.get("retryPolicy", {}).get("maxRetryCount", 0))):
            self.attempts[name] += 1
            with log.open("ab") as stream:
                process = self._start(
                    command, env=self._environment, cwd=self._root, stdout=stream, stderr=stream
                )
                if process.wait() == 0:
                    break
        else:
            raise TaskFailedError(f"{name}: {log.read_text()[-3000:]}")
        output = json.loads(pathlib.Path(invocation["outputs"]["outputFile"]).read_text())
        self.parameters[name] = output.get("parameterValues", {})
        self.artifacts[name] = {
            key: {"name": str(next(self._ids)), **listed["artifacts"][0]}
            for key, listed in output.get("artifacts", {}).items()
        }

    def _invocation(
        self, name: str, task: dict[str, Any], component: dict[str, Any], given: dict[str, Any]
    ) -> dict[str, Any]:
        """Returns the message ExecutorInput of a task, and makes the folders for its outputs."""
        folder = self._root / "artifacts" / name
        folder.mkdir(parents=True)
        messages = self._root / "messages" / name
        messages.mkdir(parents=True)
        inputs = task.get("inputs", {})
        defined = component.get("outputDefinitions", {})
        return {
            "inputs": {
                "parameterValues": {
                    key: self._parameter(source, given)
                    for key, source in inputs.get("parameters", {}).items()
                },
                "artifacts": {
                    key: {"artifacts": [self._artifact(source["taskOutputArtifact"])]}
                    for key, source in inputs.get("artifacts", {}).items()
                },
            },
            "outputs": {
                "outputFile": str(messages / "output_metadata.json"),
                "parameters": {
                    key: {"outputFile": str(messages / key)}
                    for key in defined.get("parameters", {})
                },
                "artifacts": {
                    key: {"artifacts": [{"type": output["artifactType"], "uri": str(folder / key)}]}
                    for key, output in defined.get("artifacts", {}).items()
                },
            },
        }

    def _parameter(self, source: dict[str, Any], given: dict[str, Any]) -> Any:
        if "componentInputParameter" in source:
            return given[source["componentInputParameter"]]
        if "runtimeValue" in source:
            return source["runtimeValue"]["constant"]
        output = source["taskOutputParameter"]
        return self.parameters[output["producerTask"]][output["outputParameterKey"]]

    def _artifact(self, source: dict[str, Any]) -> dict[str, Any]:
        artifact = self.artifacts[source["producerTask"]][source["outputArtifactKey"]]
        return {**artifact, "type": {"instanceSchema": ""}}
