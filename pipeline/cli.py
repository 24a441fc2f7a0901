"""The command line, `howto100m`. Heavy imports wait until a command needs them."""

import logging
import os
import pathlib
import sys
import time
import warnings
from typing import Any

import click

from models import files
from pipeline import configs
from pipeline.ablations.cli import ablate
from pipeline.benchmarks.cli import evaluate, metrics, results
from pipeline.benchmarks.exclusion import exclude_option, exclusion, exclusion_lines
from pipeline.benchmarks.gate import check_gate, gate_options
from pipeline.engine import engine_option
from pipeline.errors import errors_in_one_line
from pipeline.hub.cli import hub
from pipeline.hub.options import check_push, hub_options
from pipeline.observability.cli import lineage
from pipeline.paths import ExistingPath
from pipeline.studies.cli import study


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
    type=ExistingPath(),
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
@click.option(
    "--videos",
    type=ExistingPath(),
    help="Folder of videos with their subtitles, or a manifest CSV; may be left out where "
    "--annotations name the videos and --features is a folder.",
)
@click.option("--output", type=click.Path(), help="Folder of the run. [default: runs/<videos>]")
@click.option(
    "--root",
    default="",
    help="Folder, or address such as s3://BUCKET/NAME, of the data, checkpoints and pushed models. "
    "[default: the output folder]",
)
@click.option(
    "--preset",
    type=click.Choice(list(configs.PRESETS)),
    default="small",
    show_default=True,
    help="The named settings to start from.",
)
@_set_option
@click.option("--word-vectors", type=ExistingPath(), help="A word2vec file.")
@click.option(
    "--features",
    metavar="hub:PATH|DIR",
    help="Frozen features of a gated preset: mixed_5c of a pushed model, or a folder with one "
    "subfolder for each stream and one <video id>.npy for each video in it.",
)
@click.option(
    "--init-from",
    type=ExistingPath(),
    help="A pushed model to start training from. With --annotations the report compares the four "
    "rows: random, trained on the target only, pre-trained only, pre-trained and fine-tuned.",
)
@click.option(
    "--annotations",
    metavar="FILE",
    help="Train and evaluate on annotated captions in place of the narration.",
)
@click.option(
    "--annotation-format",
    type=click.Choice(["csv", "youcook2", "msrvtt", "lsmdc"]),
    default="csv",
    show_default=True,
    help="The public format of the annotations; csv has video_id,start,end,caption[,split].",
)
@click.option(
    "--train-fraction",
    type=click.FloatRange(0, 1, min_open=True),
    help="Train on this share of the captions of the train split.",
)
@exclude_option
@click.option("--test-videos", type=ExistingPath(), help="Annotated videos to score on.")
@click.option(
    "--test-annotations",
    type=ExistingPath(),
    help="Their annotations: a CSV with video_id,start,end,caption.",
)
@gate_options
@engine_option
@click.option("--publisher", default="local", show_default=True, help="Hub folder, first level.")
@click.option("--model-name", help="Hub folder, second level. [default: the preset's]")
@hub_options
@_workers_option
def run(
    videos: str | None,
    output: str | None,
    root: str,
    preset: str,
    overrides: tuple[str, ...],
    word_vectors: str | None,
    features: str | None,
    init_from: str | None,
    annotations: str | None,
    annotation_format: str,
    train_fraction: float | None,
    excluded: tuple[str, ...],
    test_videos: str | None,
    test_annotations: str | None,
    publisher: str,
    model_name: str | None,
    workers: int,
    engine: tuple[str, ...],
    **gate_and_hub: Any,
) -> None:
    """Train, score and push a text-video model from a folder of narrated videos.

    The output folder ends with hub/ (the pushed models), report.html, metrics.json, ledger.jsonl
    and index/ (what `howto100m search` reads). A second run with nothing changed is all from cache;
    a run that was killed goes on from its last checkpoint.
    """
    started = time.monotonic()
    source = videos or annotations
    if source is None:
        raise click.UsageError("give --videos, or --annotations with --features")
    if output is None:
        output = str(pathlib.Path("runs") / pathlib.Path(source.split("=")[-1]).resolve().stem)
    if word_vectors:
        overrides = (*overrides, f"words.path={files.absolute(word_vectors)}")
    if features:
        if configs.PRESETS[preset].features is None:
            gated = [name for name, settings in configs.PRESETS.items() if settings.features]
            raise click.UsageError(f"--features is for the presets {', '.join(gated)}")
        with errors_in_one_line():
            overrides = (*overrides, f"features.source={configs.absolute_source(features)}")
    if annotations:
        with errors_in_one_line():
            named = configs.absolute_annotations(annotations)
        overrides = (
            *overrides,
            f"ingest.annotations={named}",
            f"ingest.annotation_format={annotation_format}",
            "ingest.annotation_splits=own",
        )
    if not videos:
        overrides = (*overrides, "ingest.store_frames=false")
    with errors_in_one_line():
        configs.check_output(output)
        overrides = (*overrides, *exclusion(excluded, output))
    if train_fraction is not None:
        overrides = (*overrides, f"training.train_fraction={train_fraction}")
    folder = pathlib.Path(output)
    log_path = folder / "run.log"
    with errors_in_one_line(log_path):
        options = configs.RunOptions(
            videos=videos or "",
            output=output,
            preset=preset,
            overrides=overrides,
            test_videos=test_videos or "",
            test_annotations=test_annotations or "",
            publisher=publisher,
            model_name=model_name or "",
            workers=workers,
            engine=engine,
            init_from=init_from or "",
            root=root,
            **gate_and_hub,
        )
        config = options.resolve()
        if config.gate is not None:
            check_gate(config.gate)
        check_push(config.hub, config.kaggle_handle)
        options.save(folder / "run.json")
        click.echo(f"howto100m run: {source} -> {output} (preset {preset})")
        from pipeline import console

        progress = console.watch(log_path)
        from pipeline import local_runner

        with console.stderr_to(logging.getLogger("stderr").info):
            local_runner.run(config)
        _print_outcome(config, progress, time.monotonic() - started)


def _print_outcome(config: configs.RunConfig, progress, seconds: float) -> None:
    """Prints what was read, how well text finds video, and where everything is."""
    import json

    from components.narrated_video_example_gen import ledger
    from pipeline import results

    titles = {"": "", "features_": "features:", "test_": "annotated, to score on:"}
    titles["test_features_"] = "features of the annotated:"
    folder = pathlib.Path(config.output)
    for prefix in results.ledgers(config).values():
        if titles[prefix]:
            click.echo(titles[prefix])
        summary = json.loads((folder / f"{prefix}summary.json").read_text())
        click.echo(ledger.format_summary(summary))
        if missing := ledger.format_missing(summary):
            click.echo(missing)
        if not prefix:
            for line in exclusion_lines(config.preset.ingest.exclude_videos, summary):
                click.echo(line)
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = [
        ("text to video", metrics["text_to_video"]),
        ("video to text", metrics["video_to_text"]),
        ("random", metrics["random"]),
    ]
    _print_recalls(rows)
    if metrics.get("fine_tuning"):
        click.echo("fine-tuning, text to video:")
        _print_recalls([(row["name"], row) for row in metrics["fine_tuning"]])
    click.echo(metrics["blessing_reason"])
    if config.gate is not None:
        result = json.loads((folder / "benchmark_result.json").read_text())
        click.echo(result["gate"]["reason"])
        if metrics["blessed"] and not result["gate"]["blessed"]:
            click.echo(f"Nothing was pushed{_way_out(result)}.")
    if not metrics["blessed"]:
        click.echo("Nothing was pushed; --set evaluation.min_recall_margin=-1 takes the bar away.")
    nodes = f"{progress.executed} nodes run, {progress.cached} from cache"
    click.echo(f"{nodes}, {seconds:.0f} s. Look at {os.path.relpath(folder / 'report.html')}.")


def _way_out(result: dict) -> str:
    """Returns what would let a model pass that only its gate refused, as the end of a sentence."""
    items = result["items"]
    if "not_finite" in items["failed_by_reason"]:
        return ""
    if result["gate"]["require_complete"] and items["scored"] < items["annotated"]:
        return "; --benchmark-allow-missing scores what is there"
    return "; a lower --benchmark-minimum would let it pass"


def _print_recalls(rows: list[tuple[str, dict]]) -> None:
    """Prints a line for each row of metrics, or why there are none."""
    width = max(14, *(len(name) for name, _ in rows))
    for name, row in rows:
        if row.get("error"):
            click.echo(f"{name:>{width}}:  {row['error']}")
            continue
        click.echo(
            f"{name:>{width}}:  R@1 {row['R@1']:.3f}  R@5 {row['R@5']:.3f}  "
            f"R@10 {row['R@10']:.3f}  median rank {row['median_rank']:g}"
        )


@main.command()
@_videos_option
@click.option("--output", required=True, type=click.Path(), help="Folder for what is read.")
@click.option(
    "--preset",
    type=click.Choice(list(configs.PRESETS)),
    help="The named settings to start from. [default: 10 fps, short side 256, no filters]",
)
@_set_option
@exclude_option
@engine_option
@_workers_option
def ingest(
    videos: str,
    output: str,
    preset: str | None,
    overrides: tuple[str, ...],
    excluded: tuple[str, ...],
    workers: int,
    engine: tuple[str, ...],
) -> None:
    """Read videos and subtitles into clips, captions and a ledger: the first stage alone."""
    with errors_in_one_line():
        start = configs.PRESETS[preset] if preset else configs.Preset("")
        overrides = (*overrides, *exclusion(excluded, output))
        settings = configs.with_overrides(start, overrides).ingest
        # Beam passes on its workers' start-up remarks as warnings.
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
        from components.narrated_video_example_gen import ingest as ingest_lib
        from components.narrated_video_example_gen import ledger
        from pipeline import console

        with console.stderr_to(lambda line: None):
            summary = ingest_lib.run_ingest(videos, output, settings, workers, engine)
        click.echo(ledger.format_summary(summary))
        for line in exclusion_lines(settings.exclude_videos, summary):
            click.echo(line)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def captions(file: str) -> None:
    """Print the captions of a subtitle file, or of a video with a subtitle track, as CSV.

    The columns are HowTo100M's: start,end,text, in seconds; YouTube's rolling repeats are removed.
    """
    with errors_in_one_line():
        from components.narrated_video_example_gen.subtitles import reader

        reader.write_howto100m_csv(reader.read_captions(file), sys.stdout)


@main.command()
@click.argument("queries", nargs=-1, required=True)
@click.option("--run", "run_folder", type=click.Path(), help="Folder of a run. [default: newest]")
@click.option("--top", default=5, show_default=True, help="Clips to show for each query.")
def search(queries: tuple[str, ...], run_folder: str | None, top: int) -> None:
    """Find the clips of a run that show what each QUERY says, with the run's pushed model."""
    with errors_in_one_line():
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
    with errors_in_one_line():
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


def _max_words_option(default: int):
    return click.option(
        "--max-words", default=default, show_default=True, help="Words of a sentence that are kept."
    )


_model_output_option = click.option(
    "--output", required=True, type=click.Path(), help="Folder for the SavedModel."
)


@main.command("import-gated")
@click.option(
    "--checkpoint",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="The public PyTorch checkpoint, howto100m_pt_model.pth. Needs the extra `torch`.",
)
@click.option(
    "--word-vectors",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="The word2vec file that it was trained with, GoogleNews-vectors-negative300.bin[.gz].",
)
@_max_words_option(30)
@click.option(
    "--vocabulary-size", type=int, help="Keep only the first words of the file. [default: all]"
)
@_model_output_option
def import_gated(
    checkpoint: str, word_vectors: str, max_words: int, vocabulary_size: int | None, output: str
) -> None:
    """Turn the public weights of the HowTo100M paper's model into a SavedModel."""
    with errors_in_one_line():
        from components.public_weights import gated

        gated.import_gated(
            checkpoint, word_vectors, output, max_words=max_words, vocabulary_size=vocabulary_size
        )
        click.echo(f"the model is in {output}")


@main.command("import-milnce")
@click.option(
    "--checkpoint",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="The public PyTorch checkpoint, s3d_howto100m.pth. Needs the extra `torch`.",
)
@click.option(
    "--vocabulary",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="The vocabulary that it was trained with, s3d_dict.npy.",
)
@_max_words_option(16)
@_model_output_option
def import_milnce(checkpoint: str, vocabulary: str, max_words: int, output: str) -> None:
    """Turn the public PyTorch weights of the MIL-NCE paper's S3D into a SavedModel."""
    with errors_in_one_line():
        from components.public_weights import milnce

        milnce.import_milnce(checkpoint, vocabulary, output, max_words=max_words)
        click.echo(f"the model is in {output}")


@main.command("import-hub")
@click.argument("module", metavar="DIR_OR_URL")
@click.option(
    "--vocabulary",
    type=click.Path(exists=True, dir_okay=False),
    help="A .npy array of the words by id from 1. [default: the module's own table]",
)
@_max_words_option(16)
@click.option(
    "--verify",
    is_flag=True,
    help="Run the module's graph, which must be one to trust, and compare its answers.",
)
@_model_output_option
def import_hub(
    module: str, vocabulary: str | None, max_words: int, verify: bool, output: str
) -> None:
    """Turn the TF Hub module deepmind/mil-nce/s3d/1 or i3d/1 into a SavedModel of ours."""
    with errors_in_one_line():
        from components.public_weights import hub

        hub.import_hub(module, output, vocabulary, max_words=max_words, verify=verify)
        click.echo(f"the model is in {output}")


main.add_command(ablate)
main.add_command(evaluate)
main.add_command(lineage)
main.add_command(metrics)
main.add_command(results)
main.add_command(hub)
main.add_command(study)


def program() -> None:
    """Runs `howto100m`, and ends this process."""
    try:
        main()
    except SystemExit as end:
        files.end_process(end.code)


if __name__ == "__main__":
    program()
