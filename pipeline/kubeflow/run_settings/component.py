"""RunSettings, and the nodes behind it."""

import dataclasses
from collections.abc import Sequence

from tfx.dsl.components.base import base_component, base_node, executor_spec
from tfx.orchestration import data_types
from tfx.types import Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import String

from pipeline.configs import RunOptions
from pipeline.kubeflow import node_settings
from pipeline.kubeflow.parameters import RunParameters
from pipeline.kubeflow.run_settings import executor


class RunSettingsSpec(ComponentSpec):
    """The specification of RunSettings but for its outputs, which each pipeline has its own of."""

    PARAMETERS = {  # noqa: RUF012 - TFX declares its parameters in a plain dict.
        executor.OPTIONS_KEY: ExecutionParameter(type=str),
        **{
            field.name: ExecutionParameter(type=field.type)
            for field in dataclasses.fields(RunParameters)
        },
    }
    INPUTS = {}  # noqa: RUF012
    OUTPUTS = {}  # noqa: RUF012


class RunSettings(base_component.BaseComponent):
    """Works out a run's settings from its parameters, as `howto100m run` does from its options.

    One compiled pipeline is for many runs, so that all that its parameters decide must be worked
    out when it runs, and reaches the other nodes as outputs of this one.

    Component `outputs` contains a Channel of type `standard_artifacts.String` for each property of
    another node, by its full name (see `node_settings`).
    """

    SPEC_CLASS = RunSettingsSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, options: RunOptions, full_names: Sequence[str]):
        """Construct a RunSettings.

        Args:
          options: all that the parameters do not say.
          full_names: of the properties to work out.
        """
        spec_class = type(
            RunSettingsSpec.__name__,
            (RunSettingsSpec,),
            {"OUTPUTS": {name: ChannelParameter(type=String) for name in full_names}},
        )
        super().__init__(
            spec=spec_class(
                **{executor.OPTIONS_KEY: options.to_json()},
                **{
                    field.name: data_types.RuntimeParameter(field.name, field.type)
                    for field in dataclasses.fields(RunParameters)
                },
                **{name: Channel(type=String) for name in full_names},
            )
        )


def tell_at_run_time(
    nodes: Sequence[base_node.BaseNode], options: RunOptions
) -> list[base_node.BaseNode]:
    """Returns the nodes and before them a RunSettings, from which they get their properties.

    Args:
      nodes: the nodes of a run; their own properties are replaced.
      options: all of the run's that the parameters do not say.
    """
    names = {node.id: node_settings.full_names(node) for node in nodes}
    settings = RunSettings(options, [name for told in names.values() for name in told.values()])
    for node in nodes:
        for key, name in names[node.id].items():
            node.exec_properties[key] = settings.outputs[name].future()[0].value
    return [settings, *nodes]
