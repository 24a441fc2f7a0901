"""Which videos a benchmark names, so that none of them is trained on."""

import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from components.benchmark_evaluator.annotations import (
    action_recognition,
    coin,
    crosstask,
    kinetics,
    youtube8m,
)
from components.benchmark_evaluator.annotations.labelled import LabelledRow
from components.benchmark_evaluator.annotations.text_files import read_ids
from components.narrated_video_example_gen.annotations import lsmdc, msrvtt, youcook2
from components.narrated_video_example_gen.annotations.annotation import one_line
from components.narrated_video_example_gen.annotations.files import annotation_files
from components.narrated_video_example_gen.annotations.json_stream import (
    is_json,
    json_items,
    json_members,
)
from components.narrated_video_example_gen.manifest import ManifestError

_YOUTUBE_ID = re.compile(r"(?:[?&]v=|youtu\.be/|/embed/)([\w-]{11})(?![\w-])")


def benchmark_video_ids(benchmark: str, annotations: str) -> frozenset[str]:
    """Returns the ids of all videos that a benchmark's files name, whatever part they are in.

    Where the benchmark's ids are not YouTube's, but the files tell those too, both are returned:
    for "msrvtt" (its JSON has addresses) and "kinetics700". Of "lsmdc", "hmdb51" and "ucf101" the
    ids are names of files that are not from YouTube or do not say from where; of
    "youtube8m_segments" they are YouTube-8M's own. No YouTube id will match any of these.

    Args:
      benchmark: one of `BENCHMARKS`. "ids" and "csv" are lists of anybody's: a text file with an id
        on each line, or a CSV with a column `video_id`.
      annotations: the file, folder or pattern as the benchmark's own reader takes it, or several as
        "train=A,eval=B".

    Raises:
      ManifestError: there is no such benchmark, a file cannot be read as its, or none of the files
        names a video.
    """
    if benchmark not in _READERS:
        raise ManifestError(f"{benchmark!r} is no benchmark: {', '.join(BENCHMARKS)}")
    ids: set[str] = set()
    for _, path in annotation_files(annotations):
        ids.update(_READERS[benchmark](pathlib.Path(path)))
    ids.discard("")
    if not ids:
        raise ManifestError(f"{annotations} names no video of {benchmark}")
    return frozenset(ids)


def _youcook2(path: pathlib.Path) -> Iterable[str]:
    # The reader of sentences passes over videos that have none.
    if is_json(path):
        return (video_id for video_id, _ in json_members(path, "database"))
    return (annotation.video_id for annotation in youcook2.read(path))


def _msrvtt(path: pathlib.Path) -> Iterator[str]:
    if not is_json(path):
        yield from (annotation.video_id for annotation in msrvtt.read(path))
        return
    for video in json_items(path, "videos.item"):
        if isinstance(video, dict):
            yield one_line(video.get("video_id"))
            yield from _YOUTUBE_ID.findall(one_line(video.get("url")))


def _crosstask(folder: pathlib.Path) -> Iterator[str]:
    for name in (crosstask.VIDEOS, crosstask.VALIDATION_VIDEOS):
        for _, video_id in crosstask.listed_videos(folder / name):
            yield video_id


def _kinetics(path: pathlib.Path) -> Iterator[str]:
    for clip in kinetics.read_clips(path):
        yield clip.youtube_id
        yield clip.video_id


def _of_rows(
    read: Callable[[pathlib.Path], Iterable[LabelledRow]],
) -> Callable[[pathlib.Path], Iterable[str]]:
    return lambda path: (row.video_id for row in read(path))


_READERS: Mapping[str, Callable[[pathlib.Path], Iterable[str]]] = {
    "youcook2": _youcook2,
    "msrvtt": _msrvtt,
    "lsmdc": lambda path: (annotation.video_id for annotation in lsmdc.read(path)),
    "crosstask": _crosstask,
    "hmdb51": _of_rows(action_recognition.hmdb51_rows),
    "ucf101": _of_rows(action_recognition.ucf101_rows),
    "kinetics700": _kinetics,
    "coin": lambda path: (video_id for video_id, _ in coin.coin_videos(path)),
    "youtube8m_segments": lambda path: youtube8m.youtube8m_video_ids(str(path)),
    "csv": read_ids,
    "ids": read_ids,
}
BENCHMARKS = tuple(_READERS)
