"""`--exclude-from-training`: keeps the videos of benchmarks out of training."""

import collections
import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from models import files

EXCLUSIONS_FILE = "excluded_videos.csv"

exclude_option = click.option(
    "--exclude-from-training",
    "excluded",
    multiple=True,
    metavar="BENCHMARK=ANNOTATIONS",
    help="Leave out the videos that a benchmark's annotations name, such as "
    "youcook2=youcookii_annotations_trainval.json, or ids=FILE with an id on each line; "
    "repeatable. The ledger counts them. Most ids are YouTube's; those of lsmdc, hmdb51, ucf101 "
    "and youtube8m_segments are not, and leave out only files that are named by them.",
)
# A benchmark by which `--benchmark` asks for another task on the same videos.
_OTHER_TASK = "_fine_tuning"


def exclusion(excluded: Sequence[str], output: files.Path) -> tuple[str, ...]:
    """Writes the ids of benchmarks' videos to a file and returns the setting that names it.

    How many ids there are is printed.

    Args:
      excluded: `BENCHMARK=ANNOTATIONS`, each.
      output: folder for the file.

    Returns:
      The setting, `ingest.exclude_videos=PATH`; nothing where nothing is excluded.

    Raises:
      ManifestError: the annotations cannot be read, or name no video.
      ValueError: one is not of that form.
    """
    if not excluded:
        return ()
    from components.benchmark_evaluator.annotations.video_ids import benchmark_video_ids
    from components.narrated_video_example_gen.exclusions import write_exclusions

    ids_of: dict[str, frozenset[str]] = {}
    for text in excluded:
        benchmark, separator, annotations = text.partition("=")
        if not separator or not annotations:
            raise ValueError(
                f"--exclude-from-training {text!r} is not of the form BENCHMARK=ANNOTATIONS"
            )
        benchmark = benchmark.removesuffix(_OTHER_TASK)
        known = ids_of.get(benchmark, frozenset())
        ids_of[benchmark] = known | benchmark_video_ids(benchmark, annotations)
    path = files.absolute(os.path.join(output, EXCLUSIONS_FILE))
    write_exclusions(path, ids_of)
    for benchmark, ids in ids_of.items():
        click.echo(f"excluded from training: {len(ids):,} ids of {benchmark}")
    return (f"ingest.exclude_videos={path}",)


def exclusion_lines(path: str, summary: Mapping[str, Any]) -> list[str]:
    """Returns for each benchmark how many videos its ids left out, as a line.

    Args:
      path: the file of ids, `ingest.exclude_videos`; empty for none.
      summary: what the ingest's `summary.json` holds.

    Raises:
      ManifestError: the file cannot be read.
    """
    from components.narrated_video_example_gen import exclusions

    left_out = summary["videos"]["left_out"]
    lines = []
    for benchmark, num_ids in collections.Counter(
        exclusions.read_exclusions(path).values()
    ).items():
        count = left_out.get(exclusions.reason(benchmark), 0)
        line = f"excluded from training: {count:,} videos by {num_ids:,} ids of "
        lines.append(line + (benchmark or "a benchmark"))
        if not count:
            lines[-1] += "; no video that was read has one of them"
    return lines
