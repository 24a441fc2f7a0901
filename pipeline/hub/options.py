"""The options of `howto100m run` that say where a model is pushed to, and a look ahead."""

import os
from collections.abc import Callable

import click

from components.hub_pusher import kaggle
from models import files
from pipeline.options import with_options


def hub_options(command: Callable) -> Callable:
    """Adds the options to a command; their names are those of `configs.RunOptions`.

    Args:
      command: the command's function.
    """
    return with_options(command, _OPTIONS)


_OPTIONS = (
    click.option(
        "--hub",
        default="",
        metavar="DIR",
        help="Hub folder to push to, on this machine or remote. [default: hub/ in the output]",
    ),
    click.option(
        "--kaggle",
        "kaggle_handle",
        default="",
        metavar="OWNER/MODEL/FRAMEWORK/VARIATION",
        help="Upload what is pushed to Kaggle Models as well. Needs the extra `kaggle`, and "
        "KAGGLE_API_TOKEN in the environment.",
    ),
)


def check_push(hub: str, kaggle_handle: str) -> None:
    """Looks at what a push will need, so that what is missing shows before a training.

    Args:
      hub: what `--hub` says, or empty; only a local folder is looked at.
      kaggle_handle: `<owner>/<model>/<framework>/<variation>`, or empty.

    Raises:
      ValueError: the folder cannot be written to or is an address of the web, or Kaggle can have
        no such model.
      RuntimeError: kagglehub or the credentials are missing.
    """
    if hub and not files.is_remote(hub):
        if files.is_address(hub):
            raise ValueError(
                f"--hub {hub}: nothing can be pushed to an address of the web; give a folder, or "
                f"an address such as gs://BUCKET/hub, and `howto100m hub serve` it"
            )
        there = os.path.abspath(hub)
        while not os.path.lexists(there):
            there = os.path.dirname(there)
        if not os.path.isdir(there) or not os.access(there, os.W_OK | os.X_OK):
            raise ValueError(
                f"--hub {hub}: {there} is not a folder that can be written to; give another one"
            )
    if kaggle_handle:
        kaggle.check_setup(kaggle_handle)
