"""Embeds the videos of a benchmark on Beam, those that are not embedded yet."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import apache_beam as beam

from components.benchmark_evaluator.embedding.row_rules import RowRule
from components.benchmark_evaluator.embedding.rows import Rows, RowSource
from components.benchmark_evaluator.embedding.store import EmbeddingStore, row_key
from components.retrieval_evaluator.text_video_model import ModelError

_WATCH_SECONDS = 1.0


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
    """
    store = EmbeddingStore(folder)
    keys = {job.video_id: row_key(source, job.paths, job.rule) for job in jobs}
    missing = [job for job in jobs if not store.has_rows(keys[job.video_id])]
    for job in missing:
        store.forget(keys[job.video_id])
    with _watched(store, [keys[job.video_id] for job in missing], len(jobs), progress):
        if missing:
            with (
                _model_errors(store, [keys[job.video_id] for job in missing]),
                make_pipeline() as pipeline,
            ):
                _ = (
                    pipeline
                    | "Videos" >> beam.Create([(keys[job.video_id], job) for job in missing])
                    | "Spread" >> beam.Reshuffle()
                    | "Embed" >> beam.ParDo(_Embed(source, folder))
                )
    return EmbeddedVideos(store, keys)


@contextlib.contextmanager
def _model_errors(store: EmbeddingStore, keys: Sequence[str]) -> Iterator[None]:
    """Raises what a worker raised: from other processes Beam gives back the text of tracebacks."""
    try:
        yield
    except Exception as error:
        for message in filter(None, map(store.model_error, keys)):
            raise ModelError(message) from error
        raise


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
    """Writes the rows of one video after the other."""

    def __init__(self, source: RowSource, folder: str):
        self._source = source
        self._folder = folder

    def process(self, element: tuple[str, VideoJob]) -> None:
        """Embeds a video. Nothing that it contains makes it raise.

        Args:
          element: the key of its rows, and the video.

        Raises:
          ModelError: the model fails.
        """
        key, job = element
        store = EmbeddingStore(self._folder)
        try:
            rows = self._source.rows(job.paths, job.rule)
        except ModelError as error:
            store.write_model_error(key, str(error))
            raise
        store.write(key, rows)
