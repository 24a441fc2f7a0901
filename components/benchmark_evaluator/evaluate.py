"""Evaluates one model on one benchmark: annotations, rows of the videos, figures, a document."""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam

from components.benchmark_evaluator import document
from components.benchmark_evaluator.annotations.items import RetrievalSet
from components.benchmark_evaluator.benchmarks import Benchmark, find_benchmark
from components.benchmark_evaluator.embedding.feature_rows import FeatureRows
from components.benchmark_evaluator.embedding.frame_rows import FrameRows
from components.benchmark_evaluator.embedding.row_rules import ClipRows, RegularRows
from components.benchmark_evaluator.embedding.rows import RowSource
from components.benchmark_evaluator.embedding.run import VideoJob, embed_videos
from components.benchmark_evaluator.outcome import failures_of, reasons_in_words
from components.benchmark_evaluator.settings import BenchmarkSettings, RetrievalProtocol
from components.benchmark_evaluator.tasks import fine_tuning, retrieval
from components.feature_extractor import feature_folder
from components.feature_extractor.config import FeaturesConfig
from components.narrated_video_example_gen.annotations.files import annotation_files
from components.narrated_video_example_gen.manifest import ManifestError, find_video_files
from components.retrieval_evaluator.text_video_model import ModelError, TextVideoModel
from models import files, hub_folder
from models.feature_pipeline import describe_layout
from models.hub_download import downloaded

# Of a file's SHA-256; enough to tell two lists apart.
_DIGITS = 16


@dataclasses.dataclass(frozen=True)
class Request:
    """What is evaluated on what.

    Attributes:
      benchmark: its name.
      model: folder of a SavedModel; may be empty where features are probed.
      annotations: the benchmark's annotation files.
      videos: folder of its videos, or empty.
      features: folder of their features in place of videos, or empty.
      settings: how.
      feature_rates: rows a second of each stream of the features; those of the HowTo100M paper for
        the streams 2d and 3d, and one for others, where neither it nor the model says otherwise.
      model_source: the model as it was asked for, such as the address that `model` was downloaded
        from; empty for `model` itself.
    """

    benchmark: str
    model: str
    annotations: str
    videos: str
    features: str
    settings: BenchmarkSettings
    feature_rates: Mapping[str, float] = dataclasses.field(default_factory=dict)
    model_source: str = ""


def evaluate(
    request: Request,
    store: str,
    make_pipeline: Callable[[], beam.Pipeline],
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = print,
) -> document.Result:
    """Evaluates a model.

    Args:
      request: what on what.
      store: folder that keeps the rows of videos; a second evaluation with the same settings takes
        them from there.
      make_pipeline: makes the Beam pipeline to run on.
      threads: threads of each worker's decoder.
      progress: is told now and then how many of all videos are done.
      say: gets a line after each pass of a fine-tuning.

    Raises:
      ManifestError: annotations, videos or features cannot be read.
      ModelError: the model does not load, lacks what the benchmark needs, or fails.
      ValueError: a setting does not fit, or too little can be scored.
    """
    benchmark = find_benchmark(request.benchmark)
    request = dataclasses.replace(request, settings=benchmark.fitted(request.settings))
    protocol = request.settings.protocol
    _check_local(request.annotations)
    annotated = benchmark.read(request.annotations, protocol)
    signatures = ("video", "text") if benchmark.needs_text else ("video",)
    model = TextVideoModel(request.model, signatures) if request.model else None
    _check_model(benchmark, request, model)
    rules = benchmark.rules(annotated, protocol)
    if not rules:
        problems = reasons_in_words(failures_of(annotated.problems))
        raise ManifestError(
            f"{request.annotations} has no video to score with these settings ({problems})"
        )
    located, source, streams = _located(rules, request, model, threads)
    jobs = [
        VideoJob(video_id, located[video_id], rule)
        for video_id, rule in rules.items()
        if video_id in located
    ]
    if not jobs:
        raise ManifestError(
            f"none of the {len(rules)} annotated videos is in "
            f"{request.videos or request.features}: a file is named after its video's id, such as "
            f"{next(iter(rules), 'ID')}{'.mp4' if request.videos else '.npy'}"
        )
    inputs = _inputs(annotated, protocol, streams)
    if benchmark.is_fine_tuned:
        place = fine_tuning.Place(request.model, store, make_pipeline, threads, progress, say)
        outcome = benchmark.score(annotated, located, request.settings, place)
        return document.Result.of(benchmark, request, outcome, inputs)
    embedded = embed_videos(jobs, source, store, make_pipeline, progress)
    arguments = (model,) if benchmark.needs_text else ()
    outcome = benchmark.score(annotated, embedded, *arguments, protocol)
    return document.Result.of(benchmark, request, outcome, inputs)


def model_folder(model: str) -> str:
    """Returns the folder of a model that is a pushed one, a hub module or an address of one.

    Args:
      model: what the command line says.

    Raises:
      ValueError: there is no such model, or it cannot be downloaded.
    """
    return downloaded(hub_folder.version_folder(model))


def result_folder(request: Request) -> str:
    """Returns where a result goes that is not told where.

    That of another model, of other data or of other settings goes elsewhere, so that none takes the
    place of another.

    Args:
      request: what is evaluated on what.
    """
    if request.videos or find_benchmark(request.benchmark).needs_text:
        name = document.model_name(request)
    else:
        name = os.path.basename(os.path.abspath(request.features))
    asked = [
        request.annotations,
        request.videos,
        request.features,
        dict(request.feature_rates),
        request.settings.as_dict(),
    ]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:_DIGITS]
    folders = [request.benchmark, *filter(None, name.split("/")), digest]
    return os.path.join("runs", "results", *folders)


def _check_local(annotations: str) -> None:
    for _, path in annotation_files(annotations):
        if files.is_address(path):
            raise ManifestError(
                f"the annotations {path} of a benchmark must be local: download them first"
            )


def _inputs(annotated: Any, protocol: Any, streams: Sequence[Mapping[str, Any]]) -> document.Inputs:
    """Returns what an evaluation was fed with."""
    has_ids = isinstance(annotated, RetrievalSet)
    video_list = getattr(protocol, "video_list", "")
    return document.Inputs(
        streams=streams,
        num_classes=len(annotated.classes) if hasattr(annotated, "classes") else None,
        video_ids=document.ids_digest(c.video_id for c in annotated.clips) if has_ids else "",
        video_list=_short_digest(video_list) if video_list else None,
    )


def _short_digest(path: str) -> str:
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:_DIGITS]


def _check_model(benchmark: Benchmark, request: Request, model: TextVideoModel | None) -> None:
    """Refuses what could fail only after hours of decoding."""
    if bool(request.videos) == bool(request.features):
        raise ValueError("give either the folder of the videos or that of their features")
    if model is None and (benchmark.needs_text or request.videos):
        raise ValueError(f"{benchmark.title} needs a model")
    if model is None:
        return
    if request.features and benchmark.is_fine_tuned:
        raise ValueError(f"{benchmark.title} is fine-tuned on videos, not on their features")
    if request.videos and not model.takes_images:
        raise ModelError(
            f"the model {model.path} takes frozen features, not frames: give their folder "
            f"as features"
        )
    if benchmark.is_fine_tuned:
        if model.description is None:
            raise ModelError(
                f"the model {model.path} does not describe itself, so its tower cannot be trained; "
                f"bring a public module in by `howto100m import-hub` first"
            )
        return
    if isinstance(request.settings.protocol, RetrievalProtocol):
        retrieval.max_words(model, request.settings.protocol)
    output = request.settings.frames.output
    if request.videos and benchmark.needs_text and output != "video_embedding":
        raise ValueError(
            f"{benchmark.title} compares videos with text, so frames.output must be "
            f"video_embedding, not {output}"
        )
    if request.videos and output not in model.video_outputs:
        raise ModelError(
            f"the model {model.path} gives no {output}, which {benchmark.title} needs; it gives "
            f"{' and '.join(sorted(model.video_outputs))}"
        )
    if request.features and benchmark.needs_text and model.takes_images:
        raise ModelError(
            f"the model {model.path} takes frames, not features: give the folder of the videos"
        )


def _located(
    rules: Mapping[str, Any], request: Request, model: TextVideoModel | None, threads: int
) -> tuple[dict[str, tuple[str, ...]], RowSource, list[dict[str, Any]]]:
    """Returns the files of each video that is there, what makes rows of them, and the streams."""
    if request.videos:
        if not files.is_folder(request.videos):
            raise ManifestError(f"{request.videos} is no folder of videos")
        is_in_seconds = any(isinstance(rule, ClipRows | RegularRows) for rule in rules.values())
        if request.settings.frames.frame_rate is None and is_in_seconds:
            raise ValueError(
                "frames.frame_rate=none counts the frames of a file, but this benchmark asks for "
                "seconds of it: give a number"
            )
        found: dict[str, tuple[str, ...]] = {}
        for path in find_video_files(request.videos):
            found.setdefault(pathlib.PurePath(path).stem, (path,))
        return found, FrameRows(request.model, request.settings.frames, threads), []
    if not files.is_folder(request.features):
        raise ManifestError(f"{request.features} is no folder of features")
    streams = feature_folder.find_features(request.features)
    needs_text = find_benchmark(request.benchmark).needs_text
    if not needs_text and len(streams) > 1:
        raise ManifestError(
            f"{request.features} has the streams {' and '.join(streams)}; a probe is of one: give "
            f"a folder with one subfolder"
        )
    layout = _layout(streams, request, model if needs_text else None)
    located = {
        video_id: tuple(of_stream[video_id] for of_stream in streams.values())
        for video_id in _in_all(streams.values(), rules)
    }
    source = FeatureRows(
        tuple(stream["rate"] for stream in layout),
        request.model if needs_text else "",
        tuple(stream["size"] for stream in layout),
    )
    return located, source, layout


def _layout(
    streams: Mapping[str, Mapping[str, str]], request: Request, model: TextVideoModel | None
) -> list[dict[str, Any]]:
    """Returns name, rate and size of each stream, once the model is known to fit them."""
    unknown = sorted(set(request.feature_rates) - set(streams))
    if unknown:
        raise ValueError(
            f"{request.features} has no stream {' or '.join(unknown)}; it has "
            f"{' and '.join(streams)}"
        )
    trained = list(model.features or ()) if model else []
    defaults = FeaturesConfig()
    usual = {name: feature_folder.stream_rate(name, defaults) for name in streams}
    usual |= {stream["name"]: stream["rate"] for stream in trained if stream["name"] in streams}
    rates = usual | dict(request.feature_rates)
    layout = [
        {"name": name, "rate": rates[name], "size": feature_folder.usual_size(paths.values())}
        for name, paths in streams.items()
    ]
    if trained and layout != trained:
        raise ModelError(
            f"the model {model.path} was trained on the features {describe_layout(trained)}, but "
            f"these are {describe_layout(layout)}"
        )
    return layout


def _in_all(streams: Iterable[Mapping[str, str]], video_ids: Iterable[str]) -> list[str]:
    streams = list(streams)
    return [
        video_id for video_id in video_ids if all(video_id in of_stream for of_stream in streams)
    ]
