"""What a person at a terminal sees of a pipeline run: a line for each node, not TFX's log."""

import contextlib
import logging
import os
import pathlib
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator

import click

_STARTED = re.compile(r"^Component (\S+) is running\.$")
_FINISHED = re.compile(r"^Component (\S+) is finished\.$")
_CACHED = re.compile(r"^A cached execution \d+ is used\.$")


class NodeProgress(logging.Handler):
    """Turns the log of `LocalDagRunner` into one line for each node."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.cached = 0
        self.executed = 0
        self._started = 0.0
        self._from_cache = False

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a line when a node ends."""
        message = record.getMessage()
        if match := _STARTED.match(message):
            self._started = time.monotonic()
            self._from_cache = False
            click.secho(f"  {match[1]} ...", dim=True)
        elif _CACHED.match(message):
            self._from_cache = True
        elif match := _FINISHED.match(message):
            seconds = time.monotonic() - self._started
            self.cached += self._from_cache
            self.executed += not self._from_cache
            how = "cached" if self._from_cache else f"{seconds:.0f} s"
            click.echo(f"  {click.style(match[1], bold=True)}: {how}")


def watch(log_path: pathlib.Path) -> NodeProgress:
    """Sends everything that TFX and Beam log to a file, and a line for each node to the terminal.

    Args:
      log_path: the file; it is started anew.

    Returns:
      The handler that counts the nodes.
    """
    from absl import logging as absl_logging

    # A log on a full disk must not bury the error in its own tracebacks.
    logging.raiseExceptions = False
    absl_logging.set_verbosity(absl_logging.INFO)
    absl_logging.use_absl_handler()
    log_file = logging.FileHandler(log_path, mode="w")
    log_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    progress = NodeProgress()
    root = logging.getLogger()
    root.handlers = [log_file]
    absl_logger = logging.getLogger("absl")
    absl_logger.handlers = [progress]
    absl_logger.propagate = True
    return progress


@contextlib.contextmanager
def stderr_to(tell: Callable[[str], None]) -> Iterator[None]:
    """Keeps what libraries and worker processes print on standard error off the terminal.

    Beam's workers print there each error that they also report. It goes through a pipe and not to a
    file, as a worker that cannot print, on a full disk, would not report its error either.

    Args:
      tell: gets each line; it must not raise.
    """
    read, write = os.pipe()
    kept = os.dup(2)
    sys.stderr.flush()
    os.dup2(write, 2)
    os.close(write)

    def drain() -> None:
        with open(read, errors="replace") as lines:
            for line in lines:
                tell(line.rstrip())

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        # A worker that is about to end may still hold the pipe open.
        thread.join(timeout=1.0)
