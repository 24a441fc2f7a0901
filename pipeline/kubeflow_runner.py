"""Compiles the pipeline for Kubeflow Pipelines and Vertex AI, without a look at the data.

The tfx CLI calls `main` through the script of the same name at the top of the repository. The run
comes from the file that the environment variable HOWTO100M_RUN names, a `run.json`, and how it lies
on the cluster from the file that HOWTO100M_KUBEFLOW names, if it is set.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import yaml
from absl import logging
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base import base_node
from tfx.dsl.io import fileio
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from components.feature_extractor.config import FeaturesConfig
from pipeline import configs
from pipeline import pipeline as pipeline_lib
from pipeline.kubeflow import spec
from pipeline.kubeflow.config import KubeflowConfig, NodeResources, load_config
from pipeline.kubeflow.parameters import RunParameters, is_absolute
from pipeline.kubeflow.run_settings.component import RunSettings, tell_at_run_time

OUTPUT_FILE = "howto100m.yaml"

_COMMAND = ["python", "-m", "pipeline.kubeflow.container"]
_ResourceSpec = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec
# Any will do to compile, as the features are those of the run.
_SOME_FEATURES = FeaturesConfig(source="run://features")


class Runner(kubeflow_v2_dag_runner.KubeflowV2DagRunner):
    """TFX's compiler, with what it leaves out.

    A file that ends in .yaml gets the pipeline's specification, which Kubeflow Pipelines and its
    `kfp` command take; another one a whole job as JSON, which the tfx CLI and Vertex AI take.
    """

    def __init__(
        self,
        config: KubeflowConfig,
        nodes: Sequence[base_node.BaseNode],
        defaults: RunParameters,
        output: pathlib.Path,
    ):
        """Construct a Runner.

        Args:
          config: how the pipeline lies on the cluster.
          nodes: the pipeline's nodes.
          defaults: of the runtime parameters.
          output: the file to write, unless the tfx CLI takes another.
        """
        super().__init__(
            config=kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
                default_image=config.images([node.id for node in nodes]),
                default_commands=_COMMAND,
                # What kfp's loader reads.
                use_pipeline_spec_2_1=True,
            ),
            output_dir=str(output.parent),
            output_filename=output.name,
        )
        self._retries = {node.id: config.resources_of(node.id).retries for node in nodes}
        self._defaults = dataclasses.asdict(defaults)

    def run(
        self,
        pipeline: tfx.dsl.Pipeline,
        parameter_values: dict[str, Any] | None = None,
        write_out: bool | None = True,
    ) -> dict[str, Any]:
        """Compiles a pipeline.

        Args:
          pipeline: the pipeline.
          parameter_values: values of runtime parameters, for a job.
          write_out: whether the file is written.

        Returns:
          The message PipelineJob as a dict.
        """
        job = super().run(pipeline, parameter_values, write_out=False)
        spec.complete(
            job["pipelineSpec"],
            self._retries,
            self._defaults,
            uncached=RunSettings.__name__,
            pipeline_root=pipeline.pipeline_info.pipeline_root,
        )
        if write_out:
            fileio.makedirs(self._output_dir)
            with fileio.open(os.path.join(self._output_dir, self._output_filename), "w") as file:
                if self._output_filename.endswith(".yaml"):
                    yaml.safe_dump(job["pipelineSpec"], file)
                else:
                    json.dump(job, file, sort_keys=True)
        return job


def compile_pipeline(
    options: configs.RunOptions, config: KubeflowConfig, output: pathlib.Path
) -> dict[str, Any]:
    """Compiles the pipeline of a run.

    Of the files that the run reads only a pushed model that it is initialised from is looked at.

    Args:
      options: the run; its relative paths begin at the parameter `data_root`.
      config: how it lies on the cluster.
      output: the file to write, unless the tfx CLI takes another.

    Returns:
      The message PipelineJob as a dict.

    Raises:
      ValueError: the options do not fit each other or name no place for the output, or the
        configuration names a node that the pipeline does not have.
    """
    if not is_absolute(options.output):
        raise ValueError(
            f"output is {options.output!r}; on a cluster it must be an absolute path or an address "
            f"that all nodes reach"
        )
    defaults = RunParameters(config.data_root, options.preset, steps=0, hub=options.hub)
    run = dataclasses.replace(defaults, data_root=config.data_root or "/").apply(options).resolve()
    if run.preset.features is not None:
        preset = dataclasses.replace(run.preset, features=_SOME_FEATURES)
        run = dataclasses.replace(run, preset=preset)
    if not options.workers:
        run = dataclasses.replace(run, workers=config.resources_of("NarratedVideoExampleGen").cpu)
    nodes = pipeline_lib.create_nodes(run)
    config.check_nodes([node.id for node in nodes])
    nodes = tell_at_run_time(nodes, options)
    for node in nodes:
        node.with_platform_config(_resource_spec(config.resources_of(node.id), config.accelerator))
    runner = Runner(config, nodes, defaults, output)
    return runner.run(pipeline_lib.pipeline_of(nodes, run))


def _resource_spec(resources: NodeResources, accelerator: str) -> _ResourceSpec:
    limits = _ResourceSpec(cpu_limit=resources.cpu, memory_limit=resources.memory)
    if resources.accelerators:
        limits.accelerator.type = accelerator
        limits.accelerator.count = resources.accelerators
    return limits


def main() -> None:
    """Compiles what the files named by HOWTO100M_RUN and HOWTO100M_KUBEFLOW say."""
    logging.set_verbosity(logging.INFO)
    try:
        options = configs.load_options(
            pathlib.Path(os.environ.get("HOWTO100M_RUN", "runs/demo/run.json"))
        )
        cluster = os.environ.get("HOWTO100M_KUBEFLOW")
        config = load_config(pathlib.Path(cluster)) if cluster else KubeflowConfig()
        compile_pipeline(options, config, pathlib.Path(OUTPUT_FILE).absolute())
    except (ValueError, OSError) as error:
        raise SystemExit(f"kubeflow_runner: {error}") from error
