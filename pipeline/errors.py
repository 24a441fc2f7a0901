"""What a person sees of an error: one line that says what is wrong."""

import contextlib
import pathlib
from collections.abc import Iterator

import click

from pipeline.storage_errors import storage_problem


@contextlib.contextmanager
def errors_in_one_line(log_path: pathlib.Path | None = None) -> Iterator[None]:
    """Turns an exception into one clear line and exit status 1.

    Args:
      log_path: gets the traceback, if its folder is there.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        message = storage_problem(error) or _in_one_line(error)
        if log_path is not None and log_path.parent.is_dir():
            import traceback

            # The log may be on the disk that is full.
            with contextlib.suppress(OSError):
                with log_path.open("a") as log:
                    traceback.print_exc(file=log)
                message += f" (the whole story is in {log_path})"
        raise click.ClickException(message) from error


def _in_one_line(error: Exception) -> str:
    message = " ".join(str(error).split())
    if not message or not isinstance(error, ValueError | RuntimeError | OSError):
        message = f"{type(error).__name__}: {message}"
    return message
