"""`howto100m lineage`. Heavy imports wait until it is run."""

import json
import pathlib
import sys

import click

from models import hub_folder
from pipeline.errors import errors_in_one_line


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--run",
    "run_folder",
    type=click.Path(exists=True, file_okay=False),
    help="Output folder of the run that pushed it. [default: the one that it lies in]",
)
@click.option("--videos", is_flag=True, help="Print all of its videos as CSV, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lineage(model: str, run_folder: str | None, videos: bool, as_json: bool) -> None:
    """Tell which videos, settings and version of the code a pushed MODEL came from.

    MODEL is the folder of a version, or of all versions, of which the newest is taken.
    """
    if videos and as_json:
        raise click.UsageError("give --videos or --json, not both")
    with errors_in_one_line():
        from pipeline.observability import executions, lineage_text
        from pipeline.observability import lineage as lineage_lib

        version = pathlib.Path(hub_folder.version_folder(model))
        if run_folder is None:
            metadata = lineage_lib.find_metadata(version)
        else:
            metadata = pathlib.Path(run_folder) / lineage_lib.METADATA_FILE
            if not metadata.is_file():
                raise ValueError(
                    f"{run_folder} is no output folder of a run: it has no {metadata.name}"
                )
        found = lineage_lib.trace(executions.connect(metadata), version)
        if videos:
            lineage_text.write_videos(found, sys.stdout)
        elif as_json:
            click.echo(json.dumps(lineage_text.as_json(found), indent=2, ensure_ascii=False))
        else:
            for line in lineage_text.as_text(found):
                click.echo(line)
