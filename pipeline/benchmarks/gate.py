"""The options of `howto100m run` that let a benchmark gate the push, and a look at its files."""

import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import click

from components.benchmark_evaluator.config import GateConfig
from components.benchmark_evaluator.names import BENCHMARKS
from models import files
from pipeline.options import with_options

if TYPE_CHECKING:
    from components.benchmark_evaluator.embedding.frame_rows import FrameProtocol
    from components.benchmark_evaluator.embedding.row_rules import RowRule

# How many items a message names.
_NAMED = 5


def gate_options(command: Callable) -> Callable:
    """Adds the options to a command; their names are those of `configs.RunOptions`.

    Args:
      command: the command's function.
    """
    return with_options(command, _OPTIONS)


_OPTIONS = (
    click.option(
        "--benchmark",
        type=click.Choice(["", *BENCHMARKS]),
        default="",
        metavar="NAME",
        help="One of the papers' benchmarks: the model is pushed only if it reaches a bar on it.",
    ),
    click.option("--benchmark-annotations", default="", help="Its annotation file or folder."),
    click.option(
        "--benchmark-videos", default="", help="Folder of its videos, for a model of frames."
    ),
    click.option(
        "--benchmark-features",
        default="",
        help="Folder of their features in place of videos, for a gated model.",
    ),
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
    click.option(
        "--benchmark-rate",
        "benchmark_rates",
        multiple=True,
        metavar="STREAM=ROWS_A_SECOND",
        help="Of a stream of its features. [default: that of the model's features]",
    ),
    click.option(
        "--benchmark-require-complete/--benchmark-allow-missing",
        default=True,
        show_default=True,
        help="Whether a model is refused where a part of the benchmark cannot be scored.",
    ),
)


def check_gate(gate: GateConfig) -> None:
    """Reads the files of a gate, so that what is wrong with them shows before a training.

    Args:
      gate: the benchmark and the bar.

    Raises:
      ManifestError: the annotations, or the features, cannot be read.
      ValueError: a setting does not fit, or nothing could be scored, or less than is required.
    """
    folder = gate.videos or gate.features
    if not files.is_folder(folder):
        option = "--benchmark-videos" if gate.videos else "--benchmark-features"
        raise ValueError(f"{option} {folder}: there is no such folder")
    from components.benchmark_evaluator.benchmarks import find_benchmark

    benchmark = find_benchmark(gate.benchmark)
    settings = benchmark.defaults.replaced(gate.settings)
    annotated = benchmark.read(gate.annotations, settings.protocol)
    rules = benchmark.rules(annotated, settings.protocol)
    if not rules:
        raise ValueError(f"{gate.annotations} has no video to score with these settings")
    if gate.videos:
        _check_frames(gate.benchmark, benchmark.needs_text, settings.frames, rules.values())
    there = _video_ids(gate)
    missing = [video_id for video_id in rules if video_id not in there]
    if len(missing) == len(rules):
        raise ValueError(f"none of the {len(rules):,} videos of {gate.benchmark} is in {folder}")
    if gate.require_complete:
        _check_complete(
            f"of {gate.benchmark} cannot be used",
            [problem.item for problem in annotated.problems if problem.loses_item],
        )
        _check_complete(f"of the videos of {gate.benchmark} are not in {folder}", missing)


def _check_frames(
    benchmark: str, needs_text: bool, frames: "FrameProtocol", rules: Iterable["RowRule"]
) -> None:
    """Refuses settings of frames by which no model could be scored."""
    from components.benchmark_evaluator.embedding.row_rules import ClipRows, RegularRows

    if needs_text and frames.output != "video_embedding":
        raise ValueError(
            f"{benchmark} compares videos with text, so --benchmark-set frames.output must be "
            f"video_embedding, not {frames.output}"
        )
    if frames.frame_rate is None and any(
        isinstance(rule, ClipRows | RegularRows) for rule in rules
    ):
        raise ValueError(
            f"{benchmark} asks for seconds of a video, so --benchmark-set frames.frame_rate must "
            f"be a number"
        )


def _check_complete(what: str, items: Sequence[str]) -> None:
    if items:
        named = ", ".join(items[:_NAMED]) + (", …" if len(items) > _NAMED else "")
        raise ValueError(
            f"{len(items):,} {what} ({named}), so that no model would be pushed; "
            f"--benchmark-allow-missing scores the others"
        )


def _video_ids(gate: GateConfig) -> set[str]:
    """Returns the ids of the videos of which there is a file, or features of each stream."""
    if gate.videos:
        from components.narrated_video_example_gen.manifest import find_video_files

        return {pathlib.PurePath(path).stem for path in find_video_files(gate.videos)}
    from components.feature_extractor import feature_folder

    streams = feature_folder.find_features(gate.features)
    unknown = sorted(set(gate.feature_rates) - set(streams))
    if unknown:
        raise ValueError(
            f"--benchmark-rate: {gate.features} has no stream {' or '.join(unknown)}; it has "
            f"{' and '.join(streams)}"
        )
    return set.intersection(*map(set, streams.values()))
