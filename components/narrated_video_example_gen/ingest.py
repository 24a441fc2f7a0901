"""The ingest as a Beam pipeline: shards of videos in, clips, captions and ledger out.

What goes through Beam is light: where in the plan a shard of videos is. Frames and captions go
straight to the files of their shard, which one worker writes, so that the files are the same bytes
however many workers there are. A shard whose worker is lost is made again as a whole.
"""

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib import parse

import apache_beam as beam
import tensorflow as tf
from apache_beam.metrics import Metrics

from components import beam_engine
from components.narrated_video_example_gen import (
    exclusions,
    failed_ledger,
    filters,
    ledger,
    manifest,
    splits,
)
from components.narrated_video_example_gen.annotations.annotated_set import read_annotated_set
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.ledger import Entry, KeptVideo, Ledger
from components.narrated_video_example_gen.manifest import VideoRow
from components.narrated_video_example_gen.single_video import (
    Transcript,
    dropped_lines,
    ingest_video,
    is_usable,
)
from components.narrated_video_example_gen.subtitles import reader
from models import files
from schemas import records

SPLITS = (splits.TRAIN_SPLIT, splits.EVAL_SPLIT)


class IngestError(RuntimeError):
    """The ingest as a whole failed: too many videos failed, or no clip is left."""


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where an ingest writes.

    Attributes:
      examples: gets Split-*/ with gzipped TFRecords of caption records.
      clips: gets Split-*/ with TFRecords of clip records.
      ledger: gets ledger.jsonl, summary.json and videos.jsonl; on the file system of the others, as
        unfinished files lie there.
      captions: gets <video id>.csv with the captions of each video, if not empty.
    """

    examples: str
    clips: str
    ledger: str
    captions: str = ""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an ingest made.

    Attributes:
      summary: `ledger.Ledger.summary`.
      splits: the splits that have clips, train before eval.
    """

    summary: dict[str, Any]
    splits: tuple[str, ...]


def ingest(
    videos: str,
    config: IngestConfig,
    folders: Folders,
    make_pipeline: Callable[[], beam.Pipeline],
    threads: int = 1,
    failure_folder: str = "",
) -> Outcome:
    """Reads all videos and writes their clips, captions and the ledger.

    A split without a single clip is not written, as a set that is only scored has no train split.

    Args:
      videos: a folder of videos, or a manifest CSV; it may be empty where annotations name the
        videos and no frames are stored.
      config: the settings.
      folders: where to write.
      make_pipeline: makes the Beam pipeline to run on.
      threads: threads of each worker's decoder.
      failure_folder: gets a copy of the ledger if the ingest fails, for those who run it where the
        outputs of a failure are deleted.

    Raises:
      ManifestError: the videos or the annotations cannot be listed.
      IngestError: more than `max_failed_fraction` of the videos failed, or no clip is left. The
        ledger has been written.
    """
    files.make_known(folders.examples, folders.clips, folders.ledger, folders.captions)
    work = os.path.join(folders.ledger, "parts")
    tf.io.gfile.makedirs(work)
    try:
        plan = _plan(videos, config, work)
        shards = _shards(plan.rows, config)
        if shards:
            _run(shards, config, folders, work, make_pipeline, threads)
        with (
            files.written(os.path.join(folders.ledger, ledger.LEDGER_FILE)) as stream,
            files.written(os.path.join(folders.ledger, ledger.KEPT_FILE)) as kept_stream,
        ):
            book = Ledger(stream, plan.num_annotated)
            book.add_all(plan.entries)
            kept_clips = dict.fromkeys(SPLITS, 0)
            for shard in shards:
                with tf.io.gfile.GFile(os.path.join(work, shard.report_name)) as report_stream:
                    report = json.load(report_stream)
                book.add_all(Entry(**entry) for entry in report["entries"])
                kept = [KeptVideo(**video) for video in report["kept"]]
                kept_stream.write("".join(video.to_json() + "\n" for video in kept))
                clips = sum(video.clips for video in kept)
                book.keep(len(kept), clips)
                kept_clips[shard.split] += clips
    finally:
        tf.io.gfile.rmtree(work)
    with files.written(os.path.join(folders.ledger, ledger.SUMMARY_FILE)) as stream:
        json.dump(book.summary(), stream, indent=2)
    for split in {shard.split for shard in shards}:
        if not kept_clips[split]:
            tf.io.gfile.rmtree(os.path.join(folders.clips, f"Split-{split}"))
            tf.io.gfile.rmtree(os.path.join(folders.examples, f"Split-{split}"))
    _check(book, videos, config, folders.ledger, failure_folder)
    return Outcome(book.summary(), tuple(split for split in SPLITS if kept_clips[split]))


def run_ingest(
    videos: str,
    output: str,
    config: IngestConfig,
    num_workers: int = 0,
    engine: Sequence[str] = (),
) -> dict[str, Any]:
    """Runs an ingest without TFX.

    Args:
      videos: a folder of videos, or a manifest CSV; it may be empty where annotations name the
        videos and no frames are stored.
      output: folder that gets examples/, clips/, captions/, ledger.jsonl, summary.json and
        videos.jsonl.
      config: the settings.
      num_workers: processes of this machine that decode; 0 for one for each core.
      engine: Beam's arguments where the work is not for this machine's processes.

    Returns:
      The summary: videos and clips read, kept and left out for each reason.

    Raises:
      ManifestError: the videos or the annotations cannot be listed.
      IngestError: more than `max_failed_fraction` of the videos failed, or no clip is left.
    """
    folders = Folders(
        examples=os.path.join(output, "examples"),
        clips=os.path.join(output, "clips"),
        ledger=output,
        captions=os.path.join(output, "captions"),
    )
    arguments = beam_engine.engine_arguments(engine, num_workers)
    threads = beam_engine.decoder_threads(arguments)
    return ingest(videos, config, folders, lambda: beam.Pipeline(argv=arguments), threads).summary


@dataclasses.dataclass(frozen=True)
class _Shard:
    """The videos that one worker reads in a row; number `index` of `count` in its split."""

    split: str
    index: int
    count: int
    rows: tuple[VideoRow, ...]

    @property
    def clips_name(self) -> str:
        return f"Split-{self.split}/clips-{self.index:05d}-of-{self.count:05d}.tfrecord"

    @property
    def examples_name(self) -> str:
        return f"Split-{self.split}/data_tfrecord-{self.index:05d}-of-{self.count:05d}.gz"

    @property
    def report_name(self) -> str:
        return f"{self.split}-{self.index:05d}.json"


@dataclasses.dataclass(frozen=True)
class _Plan:
    """The videos to read, entries for what is left out before that, and the size of the set."""

    rows: list[VideoRow]
    entries: list[Entry]
    num_annotated: int | None = None


def _plan(videos: str, config: IngestConfig, work: str) -> _Plan:
    if config.annotations:
        return _plan_of_annotated(videos, config)
    if not videos:
        raise manifest.ManifestError(
            "no videos are named: give a folder, or a manifest CSV; only annotations can name the "
            "videos in its place, with ingest.store_frames=false"
        )
    excluded = exclusions.read_exclusions(config.exclude_videos)
    rows, entries = manifest.read_videos(videos, need_files=config.store_frames)
    rows, left_out = exclusions.leave_out(rows, excluded)
    entries += left_out
    kept = []
    for row in rows:
        if verdict := filters.check_metadata(row, config):
            entries.append(Entry(row.video_id, row.source, None, "filter", *verdict))
        else:
            kept.append(row)
    if config.caption_json:
        kept, more = _with_caption_json(kept, config.caption_json, os.path.join(work, "captions"))
        entries.extend(more)
    return _Plan(kept, entries)


def _plan_of_annotated(videos: str, config: IngestConfig) -> _Plan:
    if not videos and config.store_frames:
        raise manifest.ManifestError(
            "the videos of the annotations are needed for their frames: give their folder, or set "
            "ingest.store_frames=false if there are features of them"
        )
    annotated = read_annotated_set(config)
    if videos:
        rows, entries = manifest.read_videos(videos, need_files=config.store_frames)
    else:
        rows, entries = annotated.rows(), []
    rows, entries = annotated.join(rows, entries)
    # What is scored on stays, as it is a benchmark itself; what the hash divides may be trained on.
    excluded = exclusions.read_exclusions(config.exclude_videos)
    kept, left_out = exclusions.leave_out(rows, excluded, spared_split=splits.EVAL_SPLIT)
    if left_out and all(row.split == splits.EVAL_SPLIT for row in kept):
        raise manifest.ManifestError(
            f"{config.exclude_videos} excludes all {len(left_out):,} videos of "
            f"{config.annotations} that could be trained on"
        )
    return _Plan(kept, entries + left_out, len(annotated.videos))


def _with_caption_json(
    rows: Sequence[VideoRow], path: str, folder: str
) -> tuple[list[VideoRow], list[Entry]]:
    """Gives each video that caption.json knows a subtitle file of its own."""
    tf.io.gfile.makedirs(folder)
    wanted = {row.video_id: row for row in rows if not row.subtitles}
    found: dict[str, VideoRow] = {}
    entries: list[Entry] = []
    try:
        for video_id, captions, drops in reader.iter_caption_json_with_drops(path):
            row = wanted.get(video_id)
            if row is None or not captions:
                continue
            entries.extend(dropped_lines(row, drops))
            subtitles = os.path.join(folder, _caption_file(video_id))
            with files.written(subtitles) as stream:
                reader.write_howto100m_csv(captions, stream)
            found[video_id] = dataclasses.replace(row, subtitles=subtitles)
    except reader.SubtitleError as error:
        raise IngestError(error.message) from error
    return [found.get(row.video_id, row) for row in rows], entries


def _shards(rows: Sequence[VideoRow], config: IngestConfig) -> list[_Shard]:
    assigned = splits.assign_splits(
        [row.video_id for row in rows],
        [row.split for row in rows],
        config.eval_fraction,
        lambda index: is_usable(rows[index], config),
    )
    shards = []
    for split in SPLITS:
        members = [row for row, name in zip(rows, assigned, strict=True) if name == split]
        size = config.videos_per_shard
        chunks = [tuple(members[i : i + size]) for i in range(0, len(members), size)]
        shards += [_Shard(split, i, len(chunks), chunk) for i, chunk in enumerate(chunks)]
    return shards


def _run(
    shards: Sequence[_Shard],
    config: IngestConfig,
    folders: Folders,
    work: str,
    make_pipeline: Callable[[], beam.Pipeline],
    threads: int,
) -> None:
    for split in {shard.split for shard in shards}:
        tf.io.gfile.makedirs(os.path.join(folders.clips, f"Split-{split}"))
        tf.io.gfile.makedirs(os.path.join(folders.examples, f"Split-{split}"))
    if folders.captions:
        tf.io.gfile.makedirs(folders.captions)
    plan = os.path.join(work, "plan.jsonl")
    places = _write_plan(shards, plan)
    with make_pipeline() as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(places)
            | "Spread" >> beam.Reshuffle()
            | "Ingest" >> beam.ParDo(_IngestShard(config, folders, work, plan, threads))
        )


def _write_plan(shards: Sequence[_Shard], path: str) -> list[tuple[int, int]]:
    """Writes the shards to a file and returns the offset and length of each.

    Beam keeps what a pipeline begins with in the pipeline itself, and engines refuse one of more
    than some megabytes.
    """
    places = []
    offset = 0
    with tf.io.gfile.GFile(path, "wb") as stream:
        for shard in shards:
            line = json.dumps(dataclasses.asdict(shard)).encode() + b"\n"
            stream.write(line)
            places.append((offset, len(line)))
            offset += len(line)
    return places


def _read_plan(path: str, place: tuple[int, int]) -> _Shard:
    offset, length = place
    files.make_known(path)
    with tf.io.gfile.GFile(path, "rb") as stream:
        stream.seek(offset)
        values = json.loads(stream.read(length))
    rows = tuple(VideoRow.from_dict(row) for row in values["rows"])
    return _Shard(**{**values, "rows": rows})


class _IngestShard(beam.DoFn):
    """Writes a shard's clips, its caption records and its report."""

    def __init__(self, config: IngestConfig, folders: Folders, work: str, plan: str, threads: int):
        self._config = config
        self._folders = folders
        self._work = work
        self._plan = plan
        self._threads = threads
        self._milliseconds = Metrics.distribution("ingest", "milliseconds_a_video")
        self._clips = Metrics.counter("ingest", "clips")
        self._bytes = Metrics.counter("ingest", "clip_bytes")

    def process(self, place: tuple[int, int]) -> None:
        """Reads a shard's videos one after the other.

        Args:
          place: offset and length of the shard in the plan.
        """
        shard = _read_plan(self._plan, place)
        entries = []
        kept = []
        clips_path = os.path.join(self._folders.clips, shard.clips_name)
        examples_path = os.path.join(self._folders.examples, shard.examples_name)
        with (
            files.staged(clips_path, self._work) as unfinished_clips,
            files.staged(examples_path, self._work) as unfinished_examples,
            tf.io.TFRecordWriter(unfinished_clips) as clips_writer,
            tf.io.TFRecordWriter(unfinished_examples, "GZIP") as examples_writer,
        ):
            for row in shard.rows:
                started = time.monotonic()
                clips = 0
                for item in ingest_video(row, self._config, self._threads):
                    if isinstance(item, Entry):
                        entries.append(dataclasses.asdict(item))
                    elif isinstance(item, Transcript):
                        self._write_captions(item)
                    else:
                        clips += 1
                        record = records.serialize_clip(item.clip)
                        clips_writer.write(record)
                        examples_writer.write(records.serialize_caption(item.caption))
                        self._bytes.inc(len(record))
                if clips:
                    self._clips.inc(clips)
                    video = KeptVideo(row.video_id, row.source, shard.split, clips)
                    kept.append(dataclasses.asdict(video))
                self._milliseconds.update(round(1000 * (time.monotonic() - started)))
        report = {"kept": kept, "entries": entries}
        with files.written(os.path.join(self._work, shard.report_name)) as stream:
            json.dump(report, stream)

    def _write_captions(self, transcript: Transcript) -> None:
        if self._folders.captions:
            name = _caption_file(transcript.video_id)
            with files.written(os.path.join(self._folders.captions, name)) as stream:
                reader.write_howto100m_csv(transcript.captions, stream)


def _check(
    book: Ledger, videos: str, config: IngestConfig, ledger_folder: str, failure_folder: str
) -> None:
    """Raises an IngestError if the ingest as a whole failed."""
    read, failed = book.videos.read, book.failed.total()
    if failed > config.max_failed_fraction * read:
        problem = (
            f"{failed} of {read} videos failed ({ledger.format_reasons(book.failed, most=3)}); "
            f"ingest.max_failed_fraction allows {config.max_failed_fraction:.0%}"
        )
    elif not book.clips.kept and read:
        reasons = book.videos.left_out
        problem = f"none of {read} videos gave a clip ({ledger.format_reasons(reasons, most=3)})"
    elif not read:
        problem = f"there are no videos in {videos or config.annotations}"
    else:
        return
    raise IngestError(f"{problem}. See {failed_ledger.keep(ledger_folder, failure_folder)}")


def _caption_file(video_id: str) -> str:
    """Returns a file name for any video id."""
    name = parse.quote(video_id, safe=" ")
    if len(name) > 200:
        name = hashlib.sha256(video_id.encode()).hexdigest()
    return f"{name}.csv"
