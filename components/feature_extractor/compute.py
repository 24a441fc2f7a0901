"""Beam: from videos to rows of features, through the frozen networks.

Frames go from the decoder to the network within one fused stage and never through a shuffle; the
rows go to files, and only their places leave the stage.
"""

import dataclasses
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.metrics import Metrics
from apache_beam.ml.inference import base
from apache_beam.transforms import window

from components.feature_extractor import row_files
from components.feature_extractor.jobs import Job
from components.feature_extractor.networks import Network, NetworkHandler
from components.narrated_video_example_gen import ledger, video

# Videos that one worker decodes in a row.
VIDEOS_PER_GROUP = 8

# A container may promise any duration; nobody narrates for so long.
_LONGEST_SECONDS = 24 * 3600
# The key of what only fills a batch.
_NO_ROW = None


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A video of which all inputs have been given to the networks, or why they have not.

    Attributes:
      job: the video.
      num_rows: rows of each stream.
      problem: reason and message, or None.
    """

    job: Job
    num_rows: Mapping[str, int]
    problem: tuple[str, str] | None


class ComputeRows(beam.PTransform):
    """Turns videos into their rows, decoding each once and batching across them.

    Batches are filled across the videos of a group and never across groups: in which place of a
    batch an input lies decides about the last bit of its row, so that rows would otherwise depend
    on how a runner distributes the videos.

    The input holds groups of videos, lists of `Job`s. The output holds (shard, item), where an item
    is a `Decoded` for each video, or a `row_files.Segment` of the rows that it promises.
    """

    def __init__(self, networks: Sequence[Network], batch_size: int, threads: int, work: str):
        """Makes the transform.

        Args:
          networks: what to compute.
          batch_size: inputs that a network computes at once.
          threads: threads of each worker's decoder.
          work: folder, seen by all workers, for the files with the rows.
        """
        super().__init__()
        self._networks = networks
        self._batch_size = batch_size
        self._threads = threads
        self._work = work

    def expand(self, groups: beam.PCollection) -> beam.PCollection:
        """Applies the transform.

        Args:
          groups: the videos.
        """
        decoder = _Decode(self._networks, self._batch_size, self._threads)
        decoded = (
            groups
            | "Spread" >> beam.Reshuffle()
            | "Decode"
            >> beam.ParDo(decoder).with_outputs(
                *(network.stream for network in self._networks), main="videos"
            )
        )
        places = [
            decoded[network.stream]
            | f"Compute[{network.stream}]"
            >> base.RunInference(base.KeyedModelHandler(NetworkHandler(network, self._batch_size)))
            | f"Store[{network.stream}]" >> beam.ParDo(_StoreRows(self._work, network.stream))
            for network in self._networks
        ]
        return (decoded["videos"], *places) | "Join" >> beam.Flatten()


class _Decode(beam.DoFn):
    """Decodes videos once; gives the networks their inputs, and then says how many there were."""

    def __init__(self, networks: Sequence[Network], batch_size: int, threads: int):
        self._networks = networks
        self._batch_size = batch_size
        self._threads = threads
        self._milliseconds = Metrics.distribution("features", "milliseconds_a_video")

    def process(self, group: Sequence[Job]) -> Iterator[Any]:
        """Reads a group of videos one after the other.

        Args:
          group: the videos.

        Yields:
          For each network ((shard, video id, row), input), tagged with its stream; after each video
          (shard, `Decoded`). Nothing that a video contains makes it raise.
        """
        fillers = {network.stream: _Filler(self._batch_size) for network in self._networks}
        for job in group:
            started = time.monotonic()
            num_rows = dict.fromkeys(fillers, 0)
            problem = None
            try:
                for stream, array in self._inputs(job):
                    key = job.shard, job.video.video_id, num_rows[stream]
                    num_rows[stream] += 1
                    fillers[stream].count(array)
                    yield beam.pvalue.TaggedOutput(stream, (key, array))
                if not all(num_rows.values()):
                    raise video.VideoError("no_frames", "the picture is too short for a row")
            except video.VideoError as error:
                problem = error.reason, error.message
            # Decoders meet any bytes that people have; one video must not end the run.
            except Exception as error:
                problem = "unexpected_error", f"{type(error).__name__}: {error}"
            self._milliseconds.update(round(1000 * (time.monotonic() - started)))
            yield job.shard, Decoded(job, num_rows, problem)
        for stream, filler in fillers.items():
            for array in filler.missing():
                yield beam.pvalue.TaggedOutput(stream, (_NO_ROW, array))

    def _inputs(self, job: Job) -> Iterator[tuple[str, np.ndarray]]:
        if not job.path:
            raise video.VideoError(ledger.MISSING_FILE, "there is no file of this video")
        makers = [network.make_inputs() for network in self._networks]
        with video.open_video(job.path, self._threads) as opened:
            if opened.info.duration > _LONGEST_SECONDS:
                message = f"lasts {opened.info.duration:.0f} s; a day is the most"
                raise video.VideoError("too_long", message)
            samplings = [network.sampling for network in self._networks]
            for position, frame in opened.frames(samplings):
                for array in makers[position].add(frame):
                    yield self._networks[position].stream, array
        for network, maker in zip(self._networks, makers, strict=True):
            for array in maker.finish():
                yield network.stream, array


class _Filler:
    """Fills up the last batch of a group with its last input."""

    def __init__(self, batch_size: int):
        self._batch_size = batch_size
        self._num_inputs = 0
        self._last: np.ndarray | None = None

    def count(self, array: np.ndarray) -> None:
        self._num_inputs += 1
        self._last = array

    def missing(self) -> list[np.ndarray]:
        return [self._last] * (-self._num_inputs % self._batch_size)


class _StoreRows(beam.DoFn):
    """Writes the rows of a bundle to a file of their own, and gives their places by shard."""

    def __init__(self, work: str, stream: str):
        self._work = work
        self._stream = stream

    def start_bundle(self):
        """Begins a bundle."""
        self._writer = None
        self._shards: dict[str, str] = {}

    def process(self, element: tuple[tuple[str, str, int] | None, np.ndarray]) -> None:
        """Writes one row.

        Args:
          element: (shard, video id, row) and the row, float32 [D].
        """
        key, values = element
        if key == _NO_ROW:
            return
        shard, video_id, row = key
        if self._writer is None:
            path = os.path.join(self._work, f"{uuid.uuid4().hex}.rows")
            self._writer = row_files.RowWriter(path, self._stream)
        self._shards[video_id] = shard
        self._writer.append(video_id, row, values)

    def finish_bundle(self) -> Iterator[Any]:
        """Yields (shard, `Segment`) for what the bundle wrote."""
        for segment in self._writer.close() if self._writer else ():
            yield window.GlobalWindows.windowed_value_at_end_of_window(
                (self._shards[segment.video_id], segment)
            )
