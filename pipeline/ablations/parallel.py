"""Several trainings at once, each in a process and on cores of its own.

The operations of a small tower are too short to keep several cores busy; trainings side by side
are not.
"""

import concurrent.futures
import contextlib
import os
from collections.abc import Iterator, Sequence

from pipeline.ablations.processes import in_own_process
from pipeline.ablations.trials import Measurement, Trials
from pipeline.configs import Preset


def measure(
    trials: Trials, presets: Sequence[Preset], jobs: int
) -> Iterator[tuple[Preset, Measurement]]:
    """Measures settings in processes, and yields each as soon as it is done.

    Args:
      trials: trains and scores; a copy of it goes to each process.
      presets: the settings, the seed among them.
      jobs: processes at once.

    Raises:
      ValueError: there is too little to train or to score on.
      FloatingPointError: the loss of a training became NaN or infinite.
      BrokenProcessPool: a process was killed.
    """
    with (
        _threads_of_children(trials.cores),
        concurrent.futures.ThreadPoolExecutor(jobs) as threads,
    ):
        waiting = {threads.submit(in_own_process, trials.measure, one): one for one in presets}
        try:
            for done in concurrent.futures.as_completed(waiting):
                yield waiting[done], done.result()
        finally:
            threads.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _threads_of_children(cores: int) -> Iterator[None]:
    """Limits the threads of the processes that are started; TensorFlow asks when it starts."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(cores)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
