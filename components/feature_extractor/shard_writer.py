"""Beam: writes the feature records of a shard, and a report of what was left out."""

import collections
import dataclasses
import json
import os
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence

import apache_beam as beam
import tensorflow as tf

from components.feature_extractor import feature_folder, row_files, video_record
from components.feature_extractor.compute import Decoded
from components.feature_extractor.config import FeaturesConfig
from components.feature_extractor.jobs import Job
from components.feature_extractor.networks import Network
from components.narrated_video_example_gen.ledger import Entry
from models import files
from schemas.video_features import FeatureStream, serialize_video_features

MISSING_FEATURES = "missing_features"
_STAGE = "features"


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """What a shard holds.

    Attributes:
      videos: number of its records.
      captions: number of their captions.
      entries: what was left out.
    """

    videos: int
    captions: int
    entries: Sequence[Entry]


def read_report(work: str, shard: str) -> ShardReport:
    """Returns the report of a written shard.

    Args:
      work: the folder that the writer was given.
      shard: path of the shard below the folder of features.
    """
    with tf.io.gfile.GFile(_report_path(work, shard)) as stream:
        report = json.load(stream)
    return ShardReport(**{**report, "entries": [Entry(**entry) for entry in report["entries"]]})


class _WriteShard(beam.DoFn):
    """Writes the records of a shard, and a report of what was left out."""

    def __init__(self, config: FeaturesConfig, folder: str, work: str):
        self._config = config
        self._folder = folder
        self._work = work

    def _write(
        self, shard: str, loaders: Iterable[tuple[Job, Callable[[], list[FeatureStream]]]]
    ) -> None:
        """Holds the features of one video at a time."""
        entries: list[Entry] = []
        videos = captions = 0
        path = os.path.join(self._folder, shard)
        with (
            files.staged(path, self._work) as temporary,
            tf.io.TFRecordWriter(temporary) as writer,
        ):
            for job, load in sorted(loaders, key=lambda loader: loader[0].video.video_id):
                kept, lost = self._record(job, load)
                entries += lost
                if kept:
                    record, count = kept
                    writer.write(record)
                    videos += 1
                    captions += count
        report = ShardReport(videos, captions, entries)
        with files.written(_report_path(self._work, shard)) as stream:
            json.dump(dataclasses.asdict(report), stream)

    def _record(
        self, job: Job, load: Callable[[], list[FeatureStream]]
    ) -> tuple[tuple[bytes, int] | None, list[Entry]]:
        source = job.path or self._config.source
        video_id = job.video.video_id

        def entry(index: int | None, reason: str, message: str) -> Entry:
            return Entry(video_id, source, index, _STAGE, reason, " ".join(message.split()))

        try:
            streams = load()
        except (video_record.UnusableError, feature_folder.FeatureFileError) as error:
            return None, [entry(None, error.reason, error.message)]
        covered = list(video_record.covered_captions(job.video.captions, streams))
        lost = [item for item in covered if isinstance(item, video_record.LostCaption)]
        entries = [entry(item.index, "past_features", item.message) for item in lost]
        captions = [item for item in covered if not isinstance(item, video_record.LostCaption)]
        if not captions:
            message = f"the features end before each of its {len(lost)} captions starts"
            return None, [*entries, entry(None, "no_captions", message)]
        record = video_record.video_record(job.video, captions, streams, job.search_rank)
        return (serialize_video_features(record), len(captions)), entries


class WriteComputed(_WriteShard):
    """Writes the records of a shard from the rows that the networks gave."""

    def __init__(self, config: FeaturesConfig, folder: str, work: str, wanted: Sequence[Network]):
        """Makes a writer.

        Args:
          config: the settings.
          folder: folder of features.
          work: folder for the reports.
          wanted: the networks, in the order of the streams.
        """
        super().__init__(config, folder, work)
        self._rates = {network.stream: network.rate for network in wanted}

    def process(self, shard: tuple[str, Iterable[Decoded | row_files.Segment]]) -> None:
        """Writes one shard.

        Args:
          shard: its path below the folder of features; the decoded videos and where their rows are.
        """
        path, items = shard
        decoded = []
        segments = collections.defaultdict(list)
        for item in items:
            if isinstance(item, row_files.Segment):
                segments[item.video_id, item.stream].append(item)
            else:
                decoded.append(item)

        def load(video_rows: Decoded) -> list[FeatureStream]:
            if video_rows.problem:
                raise video_record.UnusableError(*video_rows.problem)
            streams = []
            for name, rate in self._rates.items():
                found = segments[video_rows.job.video.video_id, name]
                values = row_files.read_rows(found, video_rows.num_rows[name])
                streams.append(FeatureStream(name, rate, values))
            video_record.check_finite(streams)
            return streams

        self._write(path, [(item.job, lambda item=item: load(item)) for item in decoded])


class WriteExisting(_WriteShard):
    """Writes the records of a shard from files of features."""

    def __init__(
        self, config: FeaturesConfig, folder: str, work: str, sizes: Mapping[str, int | None]
    ):
        """Makes a writer.

        Args:
          config: the settings.
          folder: folder of features.
          work: folder for the reports.
          sizes: for each stream the values that a row must have; None accepts any number.
        """
        super().__init__(config, folder, work)
        self._sizes = sizes

    def process(self, shard: tuple[str, Sequence[tuple[Job, Mapping[str, str | None]]]]) -> None:
        """Writes one shard.

        Args:
          shard: its path below the folder of features; its videos with their files by stream.
        """
        path, jobs = shard

        def load(job: Job, files: Mapping[str, str | None]) -> list[FeatureStream]:
            missing = [name for name, file in files.items() if file is None]
            if missing:
                raise video_record.UnusableError(
                    MISSING_FEATURES,
                    f"{self._config.folder} has no {job.video.video_id}.npy of the stream "
                    f"{' and '.join(missing)}",
                )
            streams = [
                FeatureStream(
                    name,
                    feature_folder.stream_rate(name, self._config),
                    feature_folder.read_features(file, self._sizes[name]),
                )
                for name, file in files.items()
            ]
            duration = video_record.known_duration(job.video, streams)
            video_record.check_num_rows(streams, duration, self._config.duration_tolerance)
            return streams

        self._write(
            path, [(job, lambda job=job, files=files: load(job, files)) for job, files in jobs]
        )


def _report_path(work: str, shard: str) -> str:
    return os.path.join(work, urllib.parse.quote(shard, safe="") + ".json")
