"""`howto100m ablate`: the command of the ablations. Heavy imports wait until it is run."""

import logging
import os
import pathlib
import shlex

import click

from pipeline import configs
from pipeline.ablations import tables as tables_lib
from pipeline.errors import errors_in_one_line

_MILNCE_PRESETS = [name for name, preset in configs.PRESETS.items() if preset.kind == "milnce"]


@click.command()
@click.argument("table", type=click.Choice([*tables_lib.LETTERS, "all"]))
@click.option("--output", required=True, type=click.Path(), help="Folder for the tables and plots.")
@click.option(
    "--data",
    type=click.Path(),
    default="runs/ablations/data",
    show_default=True,
    help="Folder of `howto100m sample-data`; made where it is missing.",
)
@click.option(
    "--videos",
    type=click.Path(exists=True),
    help="Narrated videos of one's own to train on, in place of --data: a folder or a manifest.",
)
@click.option("--test-videos", type=click.Path(exists=True), help="Annotated videos to score on.")
@click.option(
    "--test-annotations",
    type=click.Path(exists=True),
    help="Their annotations: a CSV with video_id,start,end,caption.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings of each cell."
)
@click.option(
    "--preset",
    type=click.Choice(_MILNCE_PRESETS),
    default="sample-ablation",
    show_default=True,
    help="The settings of everything that a table does not vary.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.SETTING=VALUE",
    help="Change one setting of the preset, such as training.steps=300; repeatable.",
)
@click.option(
    "--workers", type=int, default=0, help="Processes that decode videos; 0 means every core."
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Trainings at once. On CPUs one for each core is fastest.",
)
def ablate(
    table: str,
    output: str,
    data: str,
    videos: str | None,
    test_videos: str | None,
    test_annotations: str | None,
    seeds: int,
    preset: str,
    overrides: tuple[str, ...],
    workers: int,
    jobs: int,
) -> None:
    """Rerun a part of the MIL-NCE paper's table 2, or all six.

    TABLE is a (training loss), b (number of negatives), c (number of candidates), d (what is done
    with several candidates), e (symmetric and asymmetric negatives), f (language model), or all.

    Each writes table_2X.md, .json and .png into --output, with the mean and the spread over the
    seeds, and tells whether the paper's directions appear. Cells that tables share are trained
    once; an interrupted ablation goes on where it was.
    """
    if (test_videos or test_annotations) and not videos:
        raise click.UsageError("--test-videos and --test-annotations go with --videos")
    with errors_in_one_line():
        settings = configs.with_overrides(configs.PRESETS[preset], overrides)
        letters = tables_lib.LETTERS if table == "all" else (table,)
        tables = [tables_lib.make_table(letter, settings) for letter in letters]
        from pipeline.ablations import ablation, trials
        from pipeline.ablations import data as data_lib
        from pipeline.ablations import videos as videos_lib

        if videos:
            found = videos_lib.Videos(videos, test_videos or "", test_annotations or "")
        else:
            found = videos_lib.sample_videos(pathlib.Path(data), workers, _tell_progress)
        # Beam passes on its workers' start-up remarks as warnings.
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
        folder = pathlib.Path(output)
        clips = data_lib.prepare(
            folder / "clips",
            found.absolute(),
            settings,
            tables_lib.most_candidates(settings),
            workers or os.cpu_count() or 1,
        )
        planned = ablation.Ablation(
            tables, settings, trials.Trials(folder / "trials", clips, jobs), seeds, click.echo
        )
        changed = "".join(f" --set {shlex.quote(override)}" for override in overrides)
        command = (
            f"howto100m run --preset {preset} --output runs/cell {found.options()}{changed} "
            f"--set training.seed=1"
        )
        for study in planned.run(clips, command, jobs):
            study.write(folder)
            for comparison in study.comparisons:
                click.echo(comparison.in_words())
            click.echo(f"Look at {os.path.join(output, study.name)}.md and .png.")


def _tell_progress(done: int, total: int) -> None:
    """Prints how many of the sample's videos are made, now and then."""
    if done % 100 == 0 or done == total:
        click.echo(f"sample videos: {done} of {total}")
