"""`howto100m evaluate`, `metrics` and `results`. Heavy imports wait until one is run."""

import contextlib
import logging
import os

import click

from components import beam_engine
from components.benchmark_evaluator.names import BENCHMARKS, RESULT_FILE
from pipeline.benchmarks.rates import read_rates
from pipeline.engine import engine_option
from pipeline.errors import errors_in_one_line


@click.command()
@click.option("--benchmark", required=True, type=click.Choice(BENCHMARKS))
@click.option(
    "--model",
    metavar="PATH_OR_URL",
    default="",
    help="A pushed model, the folder of its versions, or a module such as "
    "https://tfhub.dev/deepmind/mil-nce/s3d/1. It is a program that is run: give an address only "
    "if you trust it. A probe of features needs none.",
)
@click.option(
    "--annotations",
    required=True,
    help="The benchmark's annotation file or folder; train=FILES,eval=FILES where it has parts.",
)
@click.option("--videos", default="", help="Folder of its videos, each named after its id.")
@click.option(
    "--features", default="", help="In place of videos: folder of a subfolder with ID.npy a stream."
)
@click.option(
    "--output",
    type=click.Path(),
    help="Folder for the result. [default: runs/results/BENCHMARK/MODEL_NAME/DIGEST, which other "
    "settings and data have another of]",
)
@click.option(
    "--store",
    default="runs/embeddings",
    show_default=True,
    type=click.Path(),
    help="Folder that keeps embeddings; what is there is not computed again.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.SETTING=VALUE",
    help="Change a setting, such as frames.num_frames=16 or protocol.num_windows=10; repeatable.",
)
@click.option(
    "--rate",
    "rates",
    multiple=True,
    metavar="STREAM=ROWS_A_SECOND",
    help="Of a stream of features. [default: the model's, or 2d=1, 3d=1.5, others 1]",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=0,
    help="Processes that decode videos. [default: one a core]",
)
@engine_option
def evaluate(
    benchmark: str,
    model: str,
    annotations: str,
    videos: str,
    features: str,
    output: str | None,
    store: str,
    overrides: tuple[str, ...],
    rates: tuple[str, ...],
    workers: int,
    engine: tuple[str, ...],
) -> None:
    """Score a model on one of the papers' benchmarks, of which you have the data.

    Writes result.json, with all settings and everything that could not be scored, and
    failures.jsonl.
    """
    try:
        feature_rates = read_rates(rates, "--rate")
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if feature_rates and not features:
        raise click.UsageError("--rate goes with --features")
    with errors_in_one_line():
        # Beam passes on its workers' start-up remarks as warnings.
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
        import apache_beam as beam

        from components.benchmark_evaluator import evaluate as evaluate_lib
        from pipeline import configs

        defaults = evaluate_lib.find_benchmark(benchmark).defaults
        request = evaluate_lib.Request(
            benchmark=benchmark,
            model=evaluate_lib.model_folder(model) if model else "",
            annotations=annotations,
            videos=videos,
            features=features,
            settings=configs.with_overrides(defaults, overrides),
            feature_rates=feature_rates,
            model_source=model,
        )
        folder = output or evaluate_lib.result_folder(request)
        # Before hours of decoding: it may be a place where nothing can be written.
        os.makedirs(folder, exist_ok=True)
        arguments = beam_engine.engine_arguments(engine, workers)
        with contextlib.closing(_Bars()) as bars:
            result = evaluate_lib.evaluate(
                request,
                store,
                lambda: beam.Pipeline(argv=arguments),
                beam_engine.decoder_threads(arguments),
                bars.tell,
                click.echo,
            )
        result.write(folder)
        _print_result(result.content)
        click.echo(f"Look at {os.path.join(folder, RESULT_FILE)}.")


class _Bars:
    """A progress bar for each pass over videos: fine-tuning has one for each split."""

    def __init__(self):
        self._bar = None
        self._told: tuple[int, int] | None = None

    def tell(self, done: int, total: int) -> None:
        """Shows how many videos are done.

        Args:
          done: so far; fewer than before in a new pass.
          total: of the pass.
        """
        if (done, total) == self._told:
            return
        if self._bar and (done < self._bar.pos or total != self._bar.length):
            self.close()
        if self._bar is None:
            self._bar = click.progressbar(length=total, label="videos")
            self._bar.render_progress()
        self._bar.update(done - self._bar.pos)
        self._told = done, total
        if done == total:
            self.close()

    def close(self) -> None:
        """Ends the line of the bar, if there is one."""
        if self._bar:
            self._bar.render_finish()
        self._bar = None


def _print_result(content: dict) -> None:
    """Prints the figures, what they rest on, and the papers' beside them."""
    items = content["items"]
    click.echo(
        f"{content['title']}, {content['task']}: {items['scored']:,} of {items['annotated']:,} "
        f"{items['unit']} scored"
    )
    for reason, count in items["failed_by_reason"].items():
        click.echo(f"  {count:,} {reason}")
    click.echo(f"Protocol {content['protocol']['name']}: {content['protocol']['in_words']}.")
    rows = [("this model", content["metrics"])]
    rows += [(f"{row['method']} ({row['source']})", row["metrics"]) for row in content["published"]]
    width = max(len(name) for name, _ in rows)
    for name, figures in rows:
        click.echo(f"{name:>{width}}:  {_in_words(figures)}")
    for name, (low, high) in content["intervals"]["of"].items():
        click.echo(
            f"{name}: {content['intervals']['level']:.0%} interval {_figure(name, low)} to "
            f"{_figure(name, high)}"
        )
    if content["num_ties"] is not None:
        click.echo(f"{content['num_ties']:,} queries tied")
    for reason in content["not_comparable_because"]:
        click.secho(f"Not comparable: {reason}", fg="yellow")


def _in_words(figures: dict) -> str:
    return "  ".join(f"{name} {_figure(name, value)}" for name, value in figures.items())


def _figure(name: str, value: float) -> str:
    return f"{value:g}" if name == "median_rank" else f"{100 * value:.1f} %"


@click.command()
@click.option("--video-embeddings", required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--text-embeddings", required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the document of metrics.json.")
def metrics(video_embeddings: str, text_embeddings: str, as_json: bool) -> None:
    """Score anybody's embeddings: row i of one .npy file belongs to row i of the other."""
    with errors_in_one_line():
        import json

        from components.retrieval_evaluator import embedding_files

        scored = embedding_files.score_files(video_embeddings, text_embeddings)
        if as_json:
            click.echo(json.dumps(scored, indent=2))
            return
        for name in ("text_to_video", "video_to_text", "random"):
            row = scored[name]
            click.echo(
                f"{name.replace('_', ' '):>14}:  R@1 {row['R@1']:.3f}  R@5 {row['R@5']:.3f}  "
                f"R@10 {row['R@10']:.3f}  median rank {row['median_rank']:g}"
            )
        click.echo(
            f"{scored['num_scored']:,} of {scored['num_expected']:,} pairs scored, "
            f"{scored['text_to_video']['num_ties']:,} queries tied"
        )
        if scored["num_not_finite"]:
            named = ", ".join(map(str, scored["first_not_finite"]))
            dots = ", ..." if scored["num_not_finite"] > len(scored["first_not_finite"]) else ""
            click.secho(f"Left out as not finite, counted from 0: rows {named}{dots}", fg="yellow")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True))
@click.option(
    "--output", type=click.Path(), default="runs/results", show_default=True, help="Folder."
)
def results(paths: tuple[str, ...], output: str) -> None:
    """Collect results in one page: results.html and results.md, in the shape of the papers' tables.

    PATHS are result.json files or folders with them. [default: runs/results]
    """
    with errors_in_one_line():
        from components.benchmark_evaluator import page, result_files

        found = result_files.read_results(paths or ("runs/results",))
        page.write_page(found, output)
        click.echo(f"{len(found)} results are in {os.path.join(output, 'results.html')}")
