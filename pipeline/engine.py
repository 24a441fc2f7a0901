"""`--beam`: the one setting that moves every Beam pipeline of a command to another engine."""

import click

from components import beam_engine


def _parsed(context: click.Context, option: click.Parameter, text: str) -> tuple[str, ...]:
    try:
        return beam_engine.parse_arguments(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


engine_option = click.option(
    "--beam",
    "engine",
    metavar="ARGUMENTS",
    default="",
    callback=_parsed,
    help="Beam's own arguments, for all Beam pipelines, in one string: "
    "'--runner=FlinkRunner --flink_master=HOST:8081 …'. [default: --workers processes here]",
)
