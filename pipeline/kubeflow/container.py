"""What every container of the pipeline runs: TFX's own entry point, told what Kubeflow leaves out.

Kubeflow Pipelines names no types for the artifacts that go into a task, and TFX cannot do without;
they are taken from the task's specification. Its launcher copies artifacts that lie in MinIO or S3
into the container before the task and out of it afterwards, as neither TensorFlow nor Beam reads
those by itself; the task works on the copies. And as TFX's own launcher does, the task finds its
output folders made and empty, whatever an attempt that failed has left in them.

  python -m pipeline.kubeflow.container --executor_class_path=… --json_serialized_invocation_args=…
"""

import argparse
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from absl import app
from absl.flags import argparse_flags
from tfx.dsl.io import fileio
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

# Where the launcher keeps its copies, as in kubeflow/pipelines, backend/src/v2/component.
_COPIES = {"minio://": "/minio/", "s3://": "/s3/"}


def prepare(invocation: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Completes the message ExecutorInput of a task, in its place.

    Args:
      invocation: the message as JSON.
      inputs: the message ComponentInputsSpec of the task's component, as JSON.
    """
    types = inputs.get("artifacts", {})
    for name, listed in invocation.get("inputs", {}).get("artifacts", {}).items():
        for artifact in listed.get("artifacts", []):
            if not any(artifact.get("type", {}).values()):
                artifact["type"] = types[name]["artifactType"]
    for artifact in _artifacts(invocation.get("inputs", {}), invocation.get("outputs", {})):
        artifact["uri"] = copy_of(artifact["uri"])


def make_outputs(outputs: dict[str, Any]) -> None:
    """Makes the folders that a task writes to, and removes what is there.

    Args:
      outputs: of the message ExecutorInput, as JSON. What is a parameter too is one file.
    """
    for name, listed in outputs.get("artifacts", {}).items():
        for artifact in listed.get("artifacts", []):
            uri = artifact["uri"]
            if name in outputs.get("parameters", {}):
                fileio.makedirs(os.path.dirname(uri))
                continue
            if fileio.exists(uri):
                fileio.rmtree(uri)
            fileio.makedirs(uri)


def copy_of(address: str) -> str:
    """Returns the path of the launcher's copy, or an address that it makes none of as it is.

    Args:
      address: of an artifact.
    """
    return _replaced(address, _COPIES)


def original_of(path: str) -> str:
    """Returns the address that the launcher copies a path to, or any other path as it is.

    Args:
      path: of an artifact in the container.
    """
    return _replaced(path, {copy: address for address, copy in _COPIES.items()})


def _replaced(text: str, prefixes: dict[str, str]) -> str:
    for prefix, other in prefixes.items():
        if text.startswith(prefix):
            return other + text.removeprefix(prefix)
    return text


def _artifacts(*messages: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in messages:
        for listed in message.get("artifacts", {}).values():
            yield from listed.get("artifacts", [])


def _tell_originals(output_file: pathlib.Path) -> None:
    """Puts the addresses of the outputs in the place of their copies' paths."""
    output = json.loads(output_file.read_text())
    for artifact in _artifacts(output):
        artifact["uri"] = original_of(artifact["uri"])
    output_file.write_text(json.dumps(output))


def main(parsed: tuple[argparse.Namespace, list[str]]) -> None:
    """Runs an executor as TFX does.

    Args:
      parsed: the arguments of TFX's entry point, and further ones for Beam.
    """
    arguments, beam_arguments = parsed
    invocation = json.loads(arguments.json_serialized_invocation_args)
    prepare(invocation, json.loads(arguments.json_serialized_inputs_spec_args))
    make_outputs(invocation["outputs"])
    arguments.json_serialized_invocation_args = json.dumps(invocation)
    kubeflow_v2_run_executor.main((arguments, beam_arguments))
    output_file = invocation["outputs"]["outputFile"]
    if "://" not in output_file:
        _tell_originals(pathlib.Path(output_file))


def _parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    # One that knows absl's flags as well, which `app.run` asks for.
    parser = argparse_flags.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executor_class_path", required=True)
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", default="{}")
    return parser.parse_known_args(argv[1:])


if __name__ == "__main__":
    app.run(main, flags_parser=_parse)
