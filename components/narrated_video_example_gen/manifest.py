"""Which videos there are: a folder of them, or a manifest CSV, and what is known about each."""

import bisect
import contextlib
import csv
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.narrated_video_example_gen.ledger import MISSING_FILE, Entry
from components.narrated_video_example_gen.splits import EVAL_SPLIT, TRAIN_SPLIT
from components.narrated_video_example_gen.subtitles import reader
from components.narrated_video_example_gen.subtitles.caption import Caption
from models import files

VIDEO_SUFFIXES = (
    *(".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg"),
    *(".flv", ".3gp", ".ts", ".wmv", ".ogv", ".video"),
)
METADATA_FILE = "metadata.csv"
COLUMNS = (
    "path",
    "video_id",
    "subtitles",
    "task",
    "category",
    "search_rank",
    "views",
    "duration",
    "language",
    "split",
)


class ManifestError(ValueError):
    """The list of videos as a whole cannot be read."""


@dataclasses.dataclass(frozen=True)
class VideoRow:
    """One video and what is known about it before it is opened.

    Attributes:
      video_id: identifier, unique in a run.
      path: the video file; empty where there is none, as for someone who has features alone.
      subtitles: the subtitle file; empty to look beside and inside the video.
      task: the task or title that the video shows, or an empty string.
      category: the task's category, or an empty string.
      search_rank: rank in the search results of its task, from 1, or None.
      views: how often it was watched, or None.
      duration: length in seconds as the manifest says, or None.
      language: language of the narration, such as "en", or an empty string.
      split: "train" or "eval" where the manifest fixes it, or None.
      captions: annotated captions that take the place of the subtitles, or None. Their ends may be
        infinite: the end of the video.
      listed_in: the file that names the video, where it has no path.
    """

    video_id: str
    path: str
    subtitles: str = ""
    task: str = ""
    category: str = ""
    search_rank: int | None = None
    views: int | None = None
    duration: float | None = None
    language: str = ""
    split: str | None = None
    captions: tuple[Caption, ...] | None = None
    listed_in: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "VideoRow":
        """Returns the row of which `dataclasses.asdict` gave the values.

        Args:
          values: its fields, as JSON keeps them.
        """
        captions = values["captions"]
        if captions is not None:
            captions = tuple(Caption(**caption) for caption in captions)
        return cls(**{**values, "captions": captions})

    @property
    def source(self) -> str:
        """The video file, or the file that names the video."""
        return self.path or self.listed_in


def read_videos(videos: str, need_files: bool = True) -> tuple[list[VideoRow], list[Entry]]:
    """Returns the videos of a folder or a manifest, each id once.

    Args:
      videos: a folder, searched with all its subfolders for files that are named like videos
        (hidden ones aside), or a CSV file with a `path` column and any of the other `COLUMNS`.
        Paths in a CSV are relative to its folder. A folder may hold a `metadata.csv` with the same
        columns, whose rows are matched by `path` or, without one, by `video_id`.
      need_files: whether each video must have its file. Otherwise a row of a CSV may have a
        `video_id` instead of a path, or a path to no file if it has a `duration`; its `path` is
        then empty.

    Returns:
      The videos in the order of their paths or rows, and an entry for each row that was left out.

    Raises:
      ManifestError: there is no such folder or file, or the CSV cannot be read as a manifest.
    """
    try:
        if files.is_folder(videos):
            rows, entries = _read_folder(videos.rstrip("/") or "/")
        elif files.is_file(videos):
            rows, entries = _read_manifest(videos, need_files)
        else:
            raise ManifestError(
                f"{videos} is neither a folder of videos nor a manifest CSV"
                # To tensorflow-io what it may not see is not there.
                + (", or the environment has no credentials for it" * files.is_remote(videos))
            )
    except OSError as error:
        raise ManifestError(f"{videos} cannot be read: {error.strerror or error}") from error
    return _first_of_each_id(rows, entries)


@contextlib.contextmanager
def fetched(path: str) -> Iterator[pathlib.Path]:
    """Gives a file on this machine with the content of one that may be elsewhere.

    Args:
      path: a path or an address.

    Raises:
      ManifestError: it cannot be read.
    """
    try:
        with files.local_copy(path) as local:
            yield pathlib.Path(local)
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror or error}") from error


def find_video_files(folder: str | os.PathLike[str]) -> list[str]:
    """Returns the files below a folder that are named like videos, sorted.

    Args:
      folder: where to look; links to folders are followed, each folder is visited once.
    """
    folder = os.fspath(folder)
    is_remote = files.is_remote(folder)
    found = []
    visited = set()
    for parent, subfolders, names in files.walk(folder, follow_links=True):
        real = parent if is_remote else os.path.realpath(parent)
        if real in visited or (is_remote and _has_hidden_part(parent[len(folder) :])):
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            path = files.join(parent, name)
            looks_right = _suffix(name) in VIDEO_SUFFIXES and not name.startswith(".")
            # A named pipe would block whoever opens it.
            if looks_right and (is_remote or os.path.isfile(path)):
                found.append(path)
    return sorted(found, key=lambda path: path.split("/"))


def _has_hidden_part(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _same_file(path: str) -> str:
    """Returns what two names of a file have in common."""
    return path if files.is_remote(path) else os.path.realpath(path)


class _Files:
    """Tells which files there are; another file system is asked for a folder's names once."""

    def __init__(self):
        self._names: dict[str, list[str]] = {}

    def has(self, path: str) -> bool:
        if not files.is_remote(path):
            return os.path.isfile(path)
        folder, name = os.path.split(path)
        return next(self._beginning_with(folder, name), None) == name

    def subtitles_of(self, path: str) -> str:
        """Returns the subtitles of a video that is elsewhere; of one here they are sought later."""
        if not files.is_remote(path):
            return ""
        folder, name = os.path.split(path)
        found = reader.choose_subtitles(name, list(self._beginning_with(folder, _stem(name))))
        return files.join(folder, found) if found else ""

    def _beginning_with(self, folder: str, prefix: str) -> Iterator[str]:
        if folder not in self._names:
            try:
                self._names[folder] = files.names(folder)
            except FileNotFoundError:
                self._names[folder] = []
        names = self._names[folder]
        for position in range(bisect.bisect_left(names, prefix), len(names)):
            if not names[position].startswith(prefix):
                return
            yield names[position]


def _read_folder(folder: str) -> tuple[list[VideoRow], list[Entry]]:
    by_path: dict[str, Mapping[str, str]] = {}
    by_id: dict[str, Mapping[str, str]] = {}
    metadata = files.join(folder, METADATA_FILE)
    there = _Files()
    if there.has(metadata):
        for values in read_csv(metadata):
            if values.get("path"):
                by_path[_same_file(files.join(folder, values["path"]))] = values
            elif values.get("video_id"):
                by_id[values["video_id"]] = values
    rows, entries = [], []
    for path in find_video_files(folder):
        values = by_path.get(_same_file(path)) or by_id.get(_stem(path)) or {}
        _add_row(path, values, metadata, there, rows, entries)
    return rows, entries


def _read_manifest(path: str, need_files: bool) -> tuple[list[VideoRow], list[Entry]]:
    rows, entries = [], []
    there = _Files()
    for values in read_csv(path, one_of=("path",) if need_files else ("path", "video_id")):
        name, video_id = values.get("path"), values.get("video_id")
        file = files.join(os.path.dirname(path), name or "")
        is_known = values.get("duration") if name else video_id
        if not need_files and not there.has(file) and is_known:
            without_file = {**values, "video_id": video_id or _stem(file)}
            _add_row("", without_file, path, there, rows, entries)
        else:
            _add_row(file, values, path, there, rows, entries)
    return rows, entries


def _add_row(
    path: str,
    values: Mapping[str, str],
    listed_in: str,
    there: _Files,
    rows: list[VideoRow],
    entries: list[Entry],
) -> None:
    """Appends the video to `rows`, or to `entries` if its row cannot be used."""
    problem = None
    if path and not there.has(path):
        problem = MISSING_FILE, "there is no such file"
    else:
        try:
            rows.append(_row(path, values, listed_in, there))
        except ValueError as error:
            problem = "bad_row", str(error)
    if problem:
        video_id = values.get("video_id") or _stem(path)
        entries.append(Entry(video_id, path or listed_in, None, "manifest", *problem))


def _row(path: str, values: Mapping[str, str], listed_in: str, there: _Files) -> VideoRow:
    subtitles = values.get("subtitles")
    rank, views = _number(values, "search_rank"), _number(values, "views")
    split = (values.get("split") or "").lower()
    if split not in ("", TRAIN_SPLIT, EVAL_SPLIT):
        raise ValueError(f"split is {split!r}; it must be {TRAIN_SPLIT}, {EVAL_SPLIT} or empty")
    if subtitles:
        subtitles = files.join(os.path.dirname(listed_in), subtitles)
    return VideoRow(
        video_id=values.get("video_id") or _stem(path),
        path=path,
        subtitles=subtitles or there.subtitles_of(path),
        task=values.get("task", ""),
        category=values.get("category", ""),
        search_rank=None if rank is None else int(rank),
        views=None if views is None else int(views),
        duration=_number(values, "duration"),
        language=values.get("language", ""),
        split=split or None,
        listed_in="" if path else listed_in,
    )


def _number(values: Mapping[str, str], column: str) -> float | None:
    text = values.get(column)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0 <= number < float("inf"):
        raise ValueError(f"{column} is {text!r}; it must be a number")
    return number


def read_csv(
    path: str | os.PathLike[str], required: Sequence[str] = (), one_of: Sequence[str] = ()
) -> Iterator[dict[str, str]]:
    """Yields the rows of a CSV as stripped strings by lower-case column name, without empty rows.

    Args:
      path: the file, in UTF-8; its first line names the columns.
      required: columns that it must have.
      one_of: columns of which it must have one.

    Raises:
      ManifestError: the file cannot be read or lacks a column.
    """
    try:
        with files.opened(os.fspath(path), "r", encoding="utf-8-sig", newline="") as stream:
            lines = csv.reader(stream)
            columns = [name.strip().lower() for name in next(lines, [])]
            missing = [name for name in required if name not in columns]
            if one_of and not set(one_of) & set(columns):
                missing.append(" or ".join(one_of))
            if missing:
                raise ManifestError(
                    f"{path} has no column {', '.join(missing)}; its first line must name the "
                    f"columns, such as {','.join(required or one_of)}"
                )
            for cells in lines:
                if any(cell.strip() for cell in cells):
                    cells += [""] * (len(columns) - len(cells))
                    yield {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} cannot be read as CSV: {error}") from error


def _first_of_each_id(
    rows: Sequence[VideoRow], entries: list[Entry]
) -> tuple[list[VideoRow], list[Entry]]:
    kept: dict[str, VideoRow] = {}
    for row in rows:
        first = kept.setdefault(row.video_id, row)
        if first is not row:
            message = f"the id is already taken by {first.source}"
            entries.append(Entry(row.video_id, row.source, None, "filter", "duplicate_id", message))
    return list(kept.values()), entries
