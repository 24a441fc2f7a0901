"""The command line, `howto100m`. Heavy imports wait until a command needs them."""

import contextlib
import logging
import os
import pathlib
import sys
import time
import warnings
from collections.abc import Iterator

import click

from pipeline import configs


@contextlib.contextmanager
def _errors_in_one_line(log_path: pathlib.Path | None = None) -> Iterator[None]:
    """Turns an exception into one clear line and exit status 1; the traceback goes to the log."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        message = " ".join(str(error).split())
        if not message or not isinstance(error, ValueError | RuntimeError | OSError):
            message = f"{type(error).__name__}: {message}"
        if log_path is not None and log_path.parent.is_dir():
            import traceback

            with log_path.open("a") as log:
                traceback.print_exc(file=log)
            message += f" (the whole story is in {log_path})"
        raise click.ClickException(message) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="howto100m-tfx")
def main() -> None:
    """From narrated videos to text-video search: HowTo100M and MIL-NCE as a TFX pipeline."""
    # What is printed is for the person; TensorFlow would report every missing GPU library.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Beam's worker processes read the variable, this process the filter.
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")
    warnings.filterwarnings("ignore", category=FutureWarning)


_videos_option = click.option(
    "--videos",
    required=True,
    type=click.Path(exists=True),
    help="Folder of videos with their subtitles, or a manifest CSV.",
)
_set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.SETTING=VALUE",
    help="Change one setting of the preset, such as training.steps=300; repeatable.",
)
_workers_option = click.option(
    "--workers", type=int, default=0, help="Processes that decode videos; 0 means every core."
)


@main.command()
@_videos_option
@click.option("--output", type=click.Path(), help="Folder of the run. [default: runs/<videos>]")
@click.option(
    "--preset",
    type=click.Choice(list(configs.PRESETS)),
    default="small",
    show_default=True,
    help="The named settings to start from.",
)
@_set_option
@click.option("--word-vectors", type=click.Path(exists=True), help="A word2vec file.")
@click.option("--test-videos", type=click.Path(exists=True), help="Annotated videos to score on.")
@click.option(
    "--test-annotations",
    type=click.Path(exists=True),
    help="Their annotations: a CSV with video_id,start,end,caption.",
)
@click.option("--publisher", default="local", show_default=True, help="Hub folder, first level.")
@click.option(
    "--model-name", default="mil-nce-s3d", show_default=True, help="Hub folder, second level."
)
@_workers_option
def run(
    videos: str,
    output: str | None,
    preset: str,
    overrides: tuple[str, ...],
    word_vectors: str | None,
    test_videos: str | None,
    test_annotations: str | None,
    publisher: str,
    model_name: str,
    workers: int,
) -> None:
    """Train, score and push a text-video model from a folder of narrated videos.

    The output folder ends with hub/ (the pushed models), report.html, metrics.json, ledger.jsonl
    and index/ (what `howto100m search` reads). A second run with nothing changed is all from cache;
    a run that was killed goes on from its last checkpoint.
    """
    started = time.monotonic()
    if output is None:
        output = str(pathlib.Path("runs") / pathlib.Path(videos).resolve().stem)
    if word_vectors:
        overrides = (*overrides, f"words.path={os.path.abspath(word_vectors)}")
    folder = pathlib.Path(output)
    log_path = folder / "run.log"
    with _errors_in_one_line(log_path):
        options = configs.RunOptions(
            videos=videos,
            output=output,
            preset=preset,
            overrides=overrides,
            test_videos=test_videos or "",
            test_annotations=test_annotations or "",
            publisher=publisher,
            model_name=model_name,
            workers=workers,
        )
        config = options.resolve()
        options.save(folder / "run.json")
        click.echo(f"howto100m run: {videos} -> {output} (preset {preset})")
        from pipeline import console

        progress = console.watch(log_path)
        from pipeline import local_runner

        local_runner.run(config)
        _print_outcome(config, progress, time.monotonic() - started)


def _print_outcome(config: configs.RunConfig, progress, seconds: float) -> None:
    """Prints what was read, how well text finds video, and where everything is."""
    import json

    from components.narrated_video_example_gen import ledger

    folder = pathlib.Path(config.output)
    click.echo(ledger.format_summary(json.loads((folder / "summary.json").read_text())))
    if config.test_videos:
        click.echo("annotated, to score on:")
        click.echo(ledger.format_summary(json.loads((folder / "test_summary.json").read_text())))
    metrics = json.loads((folder / "metrics.json").read_text())
    for name, title in (
        ("text_to_video", "text to video"),
        ("video_to_text", "video to text"),
        ("random", "random"),
    ):
        row = metrics[name]
        click.echo(
            f"{title:>14}:  R@1 {row['R@1']:.3f}  R@5 {row['R@5']:.3f}  R@10 {row['R@10']:.3f}  "
            f"median rank {row['median_rank']:g}"
        )
    click.echo(metrics["blessing_reason"])
    if not metrics["blessed"]:
        click.echo("Nothing was pushed; --set evaluation.min_recall_margin=-1 takes the bar away.")
    nodes = f"{progress.executed} nodes run, {progress.cached} from cache"
    click.echo(f"{nodes}, {seconds:.0f} s. Look at {os.path.relpath(folder / 'report.html')}.")


@main.command()
@_videos_option
@click.option("--output", required=True, type=click.Path(), help="Folder for what is read.")
@click.option(
    "--preset",
    type=click.Choice(list(configs.PRESETS)),
    help="The named settings to start from. [default: 10 fps, short side 256, no filters]",
)
@_set_option
@_workers_option
def ingest(
    videos: str, output: str, preset: str | None, overrides: tuple[str, ...], workers: int
) -> None:
    """Read videos and subtitles into clips, captions and a ledger: the first stage alone."""
    with _errors_in_one_line():
        start = configs.PRESETS[preset] if preset else configs.Preset("")
        settings = configs.with_overrides(start, overrides).ingest
        # Beam passes on its workers' start-up remarks as warnings.
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
        from components.narrated_video_example_gen import ingest as ingest_lib
        from components.narrated_video_example_gen import ledger

        summary = ingest_lib.run_ingest(
            videos, output, settings, num_workers=workers or os.cpu_count() or 1
        )
        click.echo(ledger.format_summary(summary))


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def captions(file: str) -> None:
    """Print the captions of a subtitle file, or of a video with a subtitle track, as CSV.

    The columns are HowTo100M's: start,end,text, in seconds; YouTube's rolling repeats are removed.
    """
    with _errors_in_one_line():
        from components.narrated_video_example_gen.subtitles import reader

        reader.write_howto100m_csv(reader.read_captions(file), sys.stdout)


@main.command()
@click.argument("queries", nargs=-1, required=True)
@click.option("--run", "run_folder", type=click.Path(), help="Folder of a run. [default: newest]")
@click.option("--top", default=5, show_default=True, help="Clips to show for each query.")
def search(queries: tuple[str, ...], run_folder: str | None, top: int) -> None:
    """Find the clips of a run that show what each QUERY says, with the run's pushed model."""
    with _errors_in_one_line():
        folder = pathlib.Path(run_folder) if run_folder else _newest_run()
        if not (folder / "index").is_dir():
            raise ValueError(f"{folder} holds no index; `howto100m run` makes one when it pushes")
        from components.clip_index import search as search_lib

        index = search_lib.ClipIndex.load(folder / "index")
        embedded = search_lib.embed_query(index.pushed_model, queries)
        for query, embedding, known in zip(
            queries, embedded.embeddings, embedded.known, strict=True
        ):
            click.secho(query, bold=True)
            if not known:
                click.echo("  none of these words is known to the model")
                continue
            for hit in index.search(embedding, top):
                click.echo(
                    f"  {hit.rank}. {hit.score:8.2f}  {hit.video_id}  "
                    f"{hit.start:7.2f} - {hit.end:7.2f} s  {hit.caption}"
                )


def _newest_run() -> pathlib.Path:
    """Returns the folder below runs/ whose index is newest."""
    runs = sorted(pathlib.Path("runs").glob("*/index"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise ValueError("no run with an index below runs/; name one with --run")
    return runs[-1].parent


@main.command("sample-data")
@click.option("--output", required=True, type=click.Path(), help="Folder for the videos.")
@click.option("--videos", type=int, help="Number of narrated training videos.")
@click.option("--test-videos", type=int, help="Number of annotated test videos.")
@click.option("--seed", type=int, help="Another seed gives other videos.")
@_workers_option
def sample_data(
    output: str, videos: int | None, test_videos: int | None, seed: int | None, workers: int
) -> None:
    """Write narrated how-to videos with rolling subtitles, and annotated test videos."""
    with _errors_in_one_line():
        from pipeline.sample_data import config as sample_config
        from pipeline.sample_data import generate

        given = {"num_videos": videos, "num_test_videos": test_videos, "seed": seed}
        config = sample_config.SampleConfig(**{k: v for k, v in given.items() if v is not None})
        with click.progressbar(length=config.num_videos + config.num_test_videos) as bar:
            generate.write_sample_data(
                pathlib.Path(output),
                config,
                workers=workers or None,
                progress=lambda done, _: bar.update(done - bar.pos),
            )
        click.echo(f"sample data is in {output}")
