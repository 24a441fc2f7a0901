"""`howto100m hub`: the commands for a hub folder. Heavy imports wait until one is run."""

import click

from pipeline.errors import errors_in_one_line


@click.group()
def hub() -> None:
    """Give the models of a hub folder to others."""


@hub.command()
@click.argument("directory", metavar="DIR", type=click.Path())
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--gcs",
    default="",
    metavar="gs://BUCKET/FOLDER",
    help="Where the same folder lies on Google Cloud Storage, for clients with "
    "TFHUB_MODEL_LOAD_FORMAT=UNCOMPRESSED, which read it there.",
)
def serve(directory: str, host: str, port: int, gcs: str) -> None:
    """Serve the models in DIR, a run's hub/, to `hub.load` and their cards to browsers.

    A model's address is http://HOST:PORT/PUBLISHER/MODEL/VERSION. Everyone who reaches the port can
    read all of DIR. Ctrl-C ends the server.
    """
    with errors_in_one_line():
        from components.hub_server import serving

        serving.serve(
            directory, host, port, lambda url: click.echo(f"serving {directory} at {url}"), gcs
        )
