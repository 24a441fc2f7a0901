"""Which engine runs the Beam pipelines: processes of this machine, or what one setting names.

The setting is Beam's own pipeline arguments, such as `--runner=FlinkRunner`, and every Beam
component of a run gets the same ones.
"""

import os
import shlex
from collections.abc import Sequence

# Names the in-process runner itself: Beam's DirectRunner would first try to fetch another one.
FN_API_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
_LOCAL_RUNNERS = ("FnApiRunner", "DirectRunner")


def parse_arguments(text: str) -> tuple[str, ...]:
    """Returns Beam's arguments in a text, split as a shell splits them; none in an empty one.

    Args:
      text: such as "--runner=PortableRunner --job_endpoint=localhost:8099".

    Raises:
      ValueError: a quotation mark is missing, what is there is no option, or no runner is named.
    """
    try:
        arguments = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"Beam's arguments {text!r} cannot be split: {error}") from error
    if not arguments:
        return ()
    if not arguments[0].startswith("--"):
        raise ValueError(f"Beam's arguments begin with {arguments[0]!r}; an option begins with --")
    if not any(word == "--runner" or word.startswith("--runner=") for word in arguments):
        raise ValueError(f"Beam's arguments {text!r} name no engine; add --runner=…")
    return arguments


def engine_arguments(given: Sequence[str], workers: int) -> list[str]:
    """Returns the arguments of the pipelines that decode videos.

    Args:
      given: those of an engine, or none for processes of this machine.
      workers: processes of this machine; 0 for one for each core. An engine has its own setting.
    """
    if given:
        return list(given)
    workers = workers or os.cpu_count() or 1
    arguments = [f"--runner={FN_API_RUNNER}", f"--direct_num_workers={workers}"]
    # A single process is this one: another would only cost its start.
    return arguments if workers == 1 else [*arguments, "--direct_running_mode=multi_processing"]


def decoder_threads(arguments: Sequence[str]) -> int:
    """Returns how many threads each worker's decoder can use without getting in others' way.

    Args:
      arguments: of the Beam pipeline. An engine that is not this machine decides how many workers
        share a machine's cores, so that a decoder has one thread there.
    """
    from apache_beam.options import pipeline_options

    options = pipeline_options.PipelineOptions(list(arguments))
    runner = options.view_as(pipeline_options.StandardOptions).runner or "DirectRunner"
    if not runner.endswith(_LOCAL_RUNNERS):
        return 1
    cores = os.cpu_count() or 1
    workers = options.view_as(pipeline_options.DirectOptions).direct_num_workers
    return max(1, cores // (workers or cores))
