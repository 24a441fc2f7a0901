"""The feature extraction as a whole: captioned videos in, feature records and a ledger out."""

import collections
import dataclasses
import glob
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import tensorflow as tf

from components import beam_engine
from components.feature_extractor import compute, feature_folder, networks, shard_writer
from components.feature_extractor.config import FeaturesConfig
from components.feature_extractor.jobs import Job, plan_jobs
from components.feature_extractor.shard_writer import MISSING_FEATURES
from components.narrated_video_example_gen import (
    failed_ledger,
    ledger,
    manifest,
    splits,
)
from components.narrated_video_example_gen.ledger import Ledger
from components.narrated_video_example_gen.manifest import VideoRow
from models import files

SPLITS = (splits.TRAIN_SPLIT, splits.EVAL_SPLIT)

_NAMED_MISSING = 20


class ExtractionError(RuntimeError):
    """The extraction as a whole failed: too many videos failed, or none is left."""


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where an extraction writes.

    Attributes:
      features: gets Split-*/features-*.tfrecord with feature records.
      ledger: gets ledger.jsonl and summary.json.
    """

    features: str
    ledger: str


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an extraction made.

    Attributes:
      summary: `ledger.Ledger.summary`, and under "missing_features" the videos that a folder of
        features lacks: `{"videos", "missing", "first_missing": [ids]}`.
      splits: the splits that have videos, train before eval.
    """

    summary: dict[str, Any]
    splits: tuple[str, ...]


def extract(
    caption_files: Mapping[str, Sequence[str]],
    videos: str,
    config: FeaturesConfig,
    folders: Folders,
    make_pipeline: Callable[[], beam.Pipeline],
    threads: int = 1,
    failure_folder: str = "",
) -> Outcome:
    """Writes a feature record for each captioned video, and the ledger.

    The records of a split are in the order of the video ids, in files of a set number of videos;
    neither their values nor their order depend on the number of workers.

    Args:
      caption_files: for each split the TFRecord shards of its caption records.
      videos: a folder of videos, or a manifest CSV; with a folder of features it may be empty, as
        it then only tells the search ranks.
      config: the settings.
      folders: where to write.
      make_pipeline: makes the Beam pipeline to run on.
      threads: threads of each worker's decoder.
      failure_folder: gets a copy of the ledger if the extraction fails, for those who run it where
        the outputs of a failure are deleted.

    Raises:
      ManifestError: the videos cannot be listed.
      ValueError: there are no features or weights to be had, or a network does not load.
      ExtractionError: more than `max_failed_fraction` of the videos failed, or none is left. The
        ledger has been written. Videos that a folder of features lacks have not failed.
    """
    config.check_source()
    rows: dict[str, VideoRow] = {}
    if videos:
        listed, _ = manifest.read_videos(videos, need_files=not config.folder)
        rows = {row.video_id: row for row in listed}
    elif not config.folder:
        raise manifest.ManifestError("features are computed from videos: give their folder")
    jobs = plan_jobs(caption_files, rows)
    files.make_known(folders.features, folders.ledger)
    work = os.path.join(folders.ledger, "parts")
    tf.io.gfile.makedirs(work)
    try:
        for split in {job.split for job in jobs}:
            tf.io.gfile.makedirs(os.path.join(folders.features, f"Split-{split}"))
        if config.folder:
            _run_on_folder(jobs, config, folders, work, make_pipeline)
        elif jobs:
            _run_on_videos(jobs, config, folders, work, make_pipeline, threads)
        book, text, missing, kept = _gather(jobs, work)
    finally:
        tf.io.gfile.rmtree(work)
    for split in {job.split for job in jobs} - set(kept):
        tf.io.gfile.rmtree(os.path.join(folders.features, f"Split-{split}"))
    summary = book.summary()
    if config.folder:
        summary[MISSING_FEATURES] = {
            "videos": book.videos.read,
            "missing": len(missing),
            "first_missing": missing[:_NAMED_MISSING],
        }
    _write(os.path.join(folders.ledger, ledger.LEDGER_FILE), text)
    _write(os.path.join(folders.ledger, ledger.SUMMARY_FILE), json.dumps(summary, indent=2))
    _check(book, config, folders.ledger, failure_folder)
    return Outcome(summary, tuple(split for split in SPLITS if split in kept))


def run_extraction(
    examples: str,
    videos: str,
    output: str,
    config: FeaturesConfig,
    num_workers: int = 0,
    engine: Sequence[str] = (),
) -> dict[str, Any]:
    """Runs an extraction without TFX.

    Args:
      examples: a folder with Split-train/ and Split-eval/, or one of them, of caption records.
      videos: a folder of videos, or a manifest CSV; may be empty with a folder of features.
      output: folder that gets features/, ledger.jsonl and summary.json.
      config: the settings.
      num_workers: processes of this machine that decode and compute; 0 for one for each core.
      engine: Beam's arguments where the work is not for this machine's processes.

    Returns:
      The summary: videos and captions read, kept and left out for each reason.

    Raises:
      ManifestError: the videos cannot be listed.
      ValueError: there are no features or weights to be had, or a network does not load.
      ExtractionError: more than `max_failed_fraction` of the videos failed, or none is left.
    """
    arguments = beam_engine.engine_arguments(engine, num_workers)
    root = glob.escape(examples)
    captions = {split: glob.glob(os.path.join(root, f"Split-{split}", "*")) for split in SPLITS}
    return extract(
        captions,
        videos,
        config,
        Folders(os.path.join(output, "features"), output),
        lambda: beam.Pipeline(argv=arguments),
        beam_engine.decoder_threads(arguments),
    ).summary


def _run_on_folder(
    jobs: Sequence[Job],
    config: FeaturesConfig,
    folders: Folders,
    work: str,
    make_pipeline: Callable[[], beam.Pipeline],
) -> None:
    streams = feature_folder.find_features(config.folder)
    wanted = {job.video.video_id for job in jobs}
    sizes = {
        name: feature_folder.usual_size(files[key] for key in sorted(wanted & files.keys()))
        for name, files in streams.items()
    }
    by_shard: dict[str, list[tuple[Job, dict[str, str | None]]]] = collections.defaultdict(list)
    for job in jobs:
        files = {name: streams[name].get(job.video.video_id) for name in streams}
        by_shard[job.shard].append((job, files))
    writer = shard_writer.WriteExisting(config, folders.features, work, sizes)
    with make_pipeline() as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(sorted(by_shard.items()))
            | "Spread" >> beam.Reshuffle()
            | "Write" >> beam.ParDo(writer)
        )


def _run_on_videos(
    jobs: Sequence[Job],
    config: FeaturesConfig,
    folders: Folders,
    work: str,
    make_pipeline: Callable[[], beam.Pipeline],
    threads: int,
) -> None:
    wanted = networks.networks_of(config)
    size = compute.VIDEOS_PER_GROUP
    groups = [jobs[start : start + size] for start in range(0, len(jobs), size)]
    writer = shard_writer.WriteComputed(config, folders.features, work, wanted)
    try:
        # On a worker, what is wrong with a file of weights would be lost in a stack of traces.
        for network in wanted:
            networks.load(network.kind, network.path)
        with make_pipeline() as pipeline:
            _ = (
                pipeline
                | "Videos" >> beam.Create(groups)
                | "Rows" >> compute.ComputeRows(wanted, config.batch_size, threads, work)
                | "Shards" >> beam.GroupByKey()
                | "Write" >> beam.ParDo(writer)
            )
    finally:
        networks.load.cache_clear()


def _gather(jobs: Sequence[Job], work: str) -> tuple[Ledger, str, list[str], set[str]]:
    """Joins the shards' reports.

    Returns:
      The ledger, its text, the videos without features and the splits that have videos.
    """
    stream = io.StringIO()
    book = Ledger(stream)
    missing = []
    kept = set()
    # A dictionary keeps the order in which the shards are met.
    for shard, split in {job.shard: job.split for job in jobs}.items():
        report = shard_writer.read_report(work, shard)
        book.add_all(report.entries)
        missing += [entry.video_id for entry in report.entries if entry.reason == MISSING_FEATURES]
        book.keep(report.videos, report.captions)
        if report.videos:
            kept.add(split)
    return book, stream.getvalue(), missing, kept


def _check(book: Ledger, config: FeaturesConfig, ledger_folder: str, failure_folder: str) -> None:
    """Raises an ExtractionError if the extraction as a whole failed."""
    read = book.videos.read
    failures = collections.Counter(book.failed)
    del failures[MISSING_FEATURES]
    if failures.total() > config.max_failed_fraction * read:
        problem = (
            f"{failures.total()} of {read} videos gave no features "
            f"({ledger.format_reasons(failures, most=3)}); features.max_failed_fraction allows "
            f"{config.max_failed_fraction:.0%}"
        )
    elif not book.videos.kept and read:
        reasons = ledger.format_reasons(book.videos.left_out, most=3)
        problem = f"none of {read} videos has features ({reasons})"
    elif not read:
        problem = "there are no captioned videos to take features of"
    else:
        return
    raise ExtractionError(f"{problem}. See {failed_ledger.keep(ledger_folder, failure_folder)}")


def _write(path: str, text: str) -> None:
    with tf.io.gfile.GFile(path, "w") as stream:
        stream.write(text)
