"""`--exclude-from-training`: keeps the videos of benchmarks out of training."""

import os
import pathlib
from collections.abc import Sequence

import click

EXCLUSIONS_FILE = "excluded_videos.csv"

exclude_option = click.option(
    "--exclude-from-training",
    "excluded",
    multiple=True,
    metavar="BENCHMARK=ANNOTATIONS",
    help="Leave out the videos that a benchmark's annotations name, such as "
    "youcook2=youcookii_annotations_trainval.json, or ids=FILE with an id on each line; "
    "repeatable. The ledger counts them.",
)


def exclusion(excluded: Sequence[str], output: pathlib.Path) -> tuple[str, ...]:
    """Writes the ids of benchmarks' videos to a file and returns the setting that names it.

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
        known = ids_of.get(benchmark, frozenset())
        ids_of[benchmark] = known | benchmark_video_ids(benchmark, annotations)
    path = output / EXCLUSIONS_FILE
    write_exclusions(path, ids_of)
    return (f"ingest.exclude_videos={os.path.abspath(path)}",)
