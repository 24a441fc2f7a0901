"""Paths on the command line, which may be addresses."""

from typing import Any

import click

from models import files


class ExistingPath(click.Path):
    """A local path that must exist, or an address such as s3://…, at which nobody looks yet."""

    def __init__(self):
        super().__init__(exists=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the path, once a local one is seen to exist."""
        return value if files.is_remote(value) else super().convert(value, param, ctx)
