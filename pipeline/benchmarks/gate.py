"""The options of `howto100m run` that let a benchmark gate the push."""

from collections.abc import Callable

import click

from pipeline.benchmarks.cli import BENCHMARKS


def gate_options(command: Callable) -> Callable:
    """Adds the options to a command; their names are those of `configs.RunOptions`.

    Args:
      command: the command's function.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--benchmark",
        type=click.Choice(["", *BENCHMARKS]),
        default="",
        metavar="NAME",
        help="One of the papers' benchmarks: the model is pushed only if it reaches a bar on it.",
    ),
    click.option("--benchmark-annotations", default="", help="Its annotation file or folder."),
    click.option("--benchmark-videos", default="", help="Folder of its videos."),
    click.option("--benchmark-features", default="", help="Folder of features in their place."),
    click.option(
        "--benchmark-minimum",
        type=click.FloatRange(0, 1),
        default=0.0,
        show_default=True,
        help="Least value of its headline figure, such as R@10, as a fraction.",
    ),
    click.option(
        "--benchmark-set",
        "benchmark_settings",
        multiple=True,
        metavar="SECTION.SETTING=VALUE",
        help="Change a setting of the benchmark, such as frames.num_frames=8; repeatable.",
    ),
)
