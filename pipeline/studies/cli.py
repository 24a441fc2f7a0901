"""`howto100m study`: the commands of the studies. Heavy imports wait until one is run."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

import click

from pipeline.errors import errors_in_one_line

_seeds_option = click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings of each kind."
)
_output_option = click.option(
    "--output", required=True, type=click.Path(), help="Folder for the table and the plot."
)
_run_option = click.option(
    "--run", "run_folder", required=True, type=click.Path(exists=True), help="Folder of a run."
)
_steps_option = click.option(
    "--steps", type=click.IntRange(1), help="Steps of each training. [default: the run's]"
)
_target_option = click.option(
    "--target",
    required=True,
    type=click.Path(exists=True),
    help="Folder of a run on the annotated set to fine-tune and score on.",
)


@click.group()
def study() -> None:
    """Repeat the HowTo100M paper's studies on runs of a gated preset.

    Each study writes a table (NAME.md, NAME.json) and a plot (NAME.png) into --output, and tells
    whether the paper's direction appears. An interrupted study goes on where it was.
    """


@study.command("size")
@_run_option
@_output_option
@_seeds_option
@_steps_option
def study_size(run_folder: str, output: str, seeds: int, steps: int | None) -> None:
    """Train on the videos up to search rank 2, 3, 5, 10, 20, 40, 80 and 200 (figure 3)."""
    with errors_in_one_line(), _studies(output) as (definitions, trials, load):
        _finish(definitions.training_size(load(run_folder, steps), trials, seeds), output)


@study.command("negatives")
@_run_option
@_output_option
@_seeds_option
@_steps_option
def study_negatives(run_folder: str, output: str, seeds: int, steps: int | None) -> None:
    """Train with and without negatives from the same video (table 3)."""
    with errors_in_one_line(), _studies(output) as (definitions, trials, load):
        _finish(definitions.intra_video_negatives(load(run_folder, steps), trials, seeds), output)


@study.command("pretraining")
@click.option(
    "--run",
    "run_folders",
    required=True,
    multiple=True,
    type=click.Path(exists=True),
    help="Folder of a run to pre-train on the data of, the narrated one first; repeatable.",
)
@_target_option
@_output_option
@_seeds_option
def study_pretraining(run_folders: tuple[str, ...], target: str, output: str, seeds: int) -> None:
    """Pre-train on each set, fine-tune on the target (figure 5)."""
    with errors_in_one_line(), _studies(output) as (definitions, trials, load):
        sources = [load(folder) for folder in run_folders]
        _finish(definitions.pretraining_sets(load(target), sources, trials, seeds), output)


@study.command("fraction")
@_target_option
@click.option(
    "--init-from",
    required=True,
    type=click.Path(exists=True),
    help="The pushed model to start from.",
)
@_output_option
@_seeds_option
def study_fraction(target: str, init_from: str, output: str, seeds: int) -> None:
    """Fine-tune on shares of the annotations (figure 4)."""
    with errors_in_one_line(), _studies(output) as (definitions, trials, load):
        from models import hub_folder

        pretrained = pathlib.Path(os.path.abspath(hub_folder.version_folder(init_from)))
        _finish(definitions.annotated_fraction(load(target), pretrained, trials, seeds), output)


@contextlib.contextmanager
def _studies(output: str) -> Iterator[tuple]:
    """Imports what studies need; gives their definitions, trials and a loader of runs' features."""
    import dataclasses

    from pipeline.studies import definitions, feature_set, trials

    def load(run_folder: str, steps: int | None = None):
        data = feature_set.load_feature_set(pathlib.Path(run_folder))
        if steps is None:
            return data
        return dataclasses.replace(data, training=dataclasses.replace(data.training, steps=steps))

    yield definitions, trials.Trials(pathlib.Path(output) / "trials"), load


def _finish(result, output: str) -> None:
    """Writes a study's files and prints its directions."""
    result.write(pathlib.Path(output))
    for comparison in result.comparisons:
        click.echo(comparison.in_words())
    click.echo(f"Look at {os.path.join(output, result.name)}.md and .png.")
