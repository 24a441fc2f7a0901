"""Embeds the videos of a benchmark on Beam, those that are not embedded yet."""

import contextlib
import dataclasses
import json
import pathlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

import apache_beam as beam
from apache_beam.metrics import Metrics

from components.benchmark_evaluator.embedding.row_rules import RowRule
from components.benchmark_evaluator.embedding.rows import Rows, RowSource
from components.benchmark_evaluator.embedding.store import EmbeddingStore, row_key
from components.retrieval_evaluator.text_video_model import ModelError
from models import files
from models.error_text import first_line

_WATCH_SECONDS = 1.0
# What ends an evaluation with one line. The first that fits is raised, so subclasses come first.
_ERRORS: Mapping[str, type[Exception]] = {
    kind.__name__: kind for kind in (ModelError, ValueError, OSError, MemoryError)
}


@dataclasses.dataclass(frozen=True)
class VideoJob:
    """A video to embed.

    Attributes:
      video_id: its id, unique among the jobs.
      paths: its file, or of features one for each stream, in the order of their names.
      rule: which rows are made of it.
    """

    video_id: str
    paths: tuple[str, ...]
    rule: RowRule


class EmbeddedVideos:
    """The rows of videos, read when they are asked for: memory holds those of one video."""

    def __init__(self, store: EmbeddingStore, keys: Mapping[str, str]):
        """Remembers where the rows are.

        Args:
          store: holds them.
          keys: their key for each video id.
        """
        self._store = store
        self._keys = keys

    def __contains__(self, video_id: str) -> bool:
        return video_id in self._keys

    def rows(self, video_id: str) -> Rows:
        """Returns the rows of a video.

        Args:
          video_id: one of the jobs'.
        """
        rows = self._store.read(self._keys[video_id])
        return rows if rows is not None else Rows(None, ("not_computed", "no rows were made"))


def embed_videos(
    jobs: Sequence[VideoJob],
    source: RowSource,
    folder: str,
    make_pipeline: Callable[[], beam.Pipeline],
    progress: Callable[[int, int], None] | None = None,
) -> EmbeddedVideos:
    """Makes the rows of all videos that are not kept yet.

    Nothing goes through Beam's shuffle but the jobs: a worker decodes a video, embeds its windows
    and writes its rows, so that it does not matter how many workers there are, and a video is done
    when its file is there.

    Args:
      jobs: the videos.
      source: what makes their rows.
      folder: keeps the rows, seen by all workers.
      make_pipeline: makes the Beam pipeline to run on.
      progress: is told now and then how many of all videos are done.

    Raises:
      ModelError: the model fails.
      OSError: a file cannot be read or written, as on a full disk; the message names the video.
      ValueError: something about a video is not as expected; the message names it.
      MemoryError: a video needs more memory than there is; the message names it.
    """
    store = EmbeddingStore(folder)
    keys = {job.video_id: row_key(source, job.paths, job.rule) for job in jobs}
    missing = [job for job in jobs if not store.has_rows(keys[job.video_id])]
    for job in missing:
        store.forget(keys[job.video_id])
    error_path = pathlib.Path(folder, f"{uuid.uuid4().hex}.error")
    error = None
    try:
        with _watched(store, [keys[job.video_id] for job in missing], len(jobs), progress):
            if missing:
                with make_pipeline() as pipeline:
                    _ = (
                        pipeline
                        | "Videos" >> beam.Create([(keys[job.video_id], job) for job in missing])
                        | "Spread" >> beam.Reshuffle()
                        | "Embed" >> beam.ParDo(_Embed(source, folder, error_path))
                    )
    finally:
        if error_path.exists():
            error = json.loads(error_path.read_text())
            error_path.unlink()
    if error is not None:
        raise _ERRORS[error["kind"]](error["message"])
    return EmbeddedVideos(store, keys)


@contextlib.contextmanager
def _watched(
    store: EmbeddingStore,
    keys: Sequence[str],
    total: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[None]:
    """Tells how many of the keys are done while something else makes them."""
    if progress is None:
        yield
        return
    stopped = threading.Event()
    waiting = list(keys)

    def watch() -> None:
        nonlocal waiting
        while True:
            is_last = stopped.wait(_WATCH_SECONDS)
            waiting = [key for key in waiting if not store.is_done(key)]
            progress(total - len(waiting), total)
            if is_last:
                return

    watcher = threading.Thread(target=watch, daemon=True)
    progress(total - len(waiting), total)
    watcher.start()
    try:
        yield
    finally:
        stopped.set()
        watcher.join()


class _Embed(beam.DoFn):
    """Writes the rows of one video after the other, until something fails that ends it all."""

    def __init__(self, source: RowSource, folder: str, error_path: pathlib.Path):
        self._source = source
        self._folder = folder
        self._error_path = error_path
        self._milliseconds = Metrics.distribution("benchmark", "milliseconds_a_video")

    def process(self, element: tuple[str, VideoJob]) -> None:
        """Embeds a video. Nothing that it contains makes it raise.

        Args:
          element: the key of its rows, and the video.
        """
        key, job = element
        if self._error_path.exists():
            return
        started = time.monotonic()
        try:
            rows = self._source.rows(job.paths, job.rule)
            EmbeddingStore(self._folder).write(key, rows)
            self._milliseconds.update(round(1000 * (time.monotonic() - started)))
        except tuple(_ERRORS.values()) as error:
            name = next(name for name, kind in _ERRORS.items() if isinstance(error, kind))
            message = str(error)
            if not isinstance(error, ModelError):
                message = f"the video {job.video_id} cannot be embedded: {first_line(error)}"
            # From another process Beam would give it back as the text of many tracebacks.
            with files.written(self._error_path) as stream:
                json.dump({"kind": name, "message": message}, stream)
