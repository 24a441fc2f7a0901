"""Which videos cannot be trained on: looked at together, and once for each file."""

import concurrent.futures
import os
import pathlib
from collections.abc import Callable, Sequence

from components.benchmark_evaluator.fine_tuning.labelled_clips import unreadable
from components.files_fingerprint import files_fingerprint


def find_unreadable(
    paths: Sequence[str],
    kept_in: str,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, tuple[str, str]]:
    """Returns why videos cannot be read, see `labelled_clips.unreadable`.

    What can be read is kept, so that another split and another run need not look again unless the
    file has changed. What cannot be read is looked at each time: it may be copied anew meanwhile.

    Args:
      paths: the files.
      kept_in: text file with a line for each file that can be read; made where it is missing.
      workers: threads that decode; 0 for one for each core.
      progress: is told after each file how many of all are done.

    Returns:
      Reason and message of each path that cannot be read.
    """
    prints = {path: files_fingerprint([path]) for path in paths}
    kept = pathlib.Path(kept_in)
    known = set(kept.read_text().splitlines()) if kept.exists() else set()
    waiting = [path for path in prints if prints[path] not in known]
    kept.parent.mkdir(parents=True, exist_ok=True)
    problems = {}
    with (
        # Line by line, for a run that is killed.
        kept.open("a", buffering=1) as stream,
        concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool,
    ):
        results = zip(waiting, pool.map(unreadable, waiting), strict=True)
        for done, (path, problem) in enumerate(results, len(prints) - len(waiting) + 1):
            if problem is None:
                stream.write(f"{prints[path]}\n")
            else:
                problems[path] = problem
            if progress is not None:
                progress(done, len(prints))
    return problems
