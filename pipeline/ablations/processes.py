"""One call, one process. Nothing heavy is imported here: a new process would import it too."""

import concurrent.futures
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from typing import Any

_WATCH_SECONDS = 1.0


def in_own_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what a function returns in a new process, which takes all its memory with it.

    TensorFlow does not give back what one training after the other has taken. The process ends when
    this one does, however that ends.

    Args:
      function: of a module that can be imported.
      *arguments: what it is given.

    Raises:
      BrokenProcessPool: the process was killed.
    """
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), _end_with_parent, (os.getpid(),)
    ) as pool:
        return pool.submit(function, *arguments).result()


def _end_with_parent(parent: int) -> None:
    """Ends this process, whatever it is doing, soon after its parent is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
