"""Which videos there are: a folder of them, or a manifest CSV, and what is known about each."""

import csv
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from components.narrated_video_example_gen.ledger import MISSING_FILE, Entry
from components.narrated_video_example_gen.splits import EVAL_SPLIT, TRAIN_SPLIT
from components.narrated_video_example_gen.subtitles.caption import Caption

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
    if os.path.isdir(videos):
        rows, entries = _read_folder(pathlib.Path(videos))
    elif os.path.isfile(videos):
        rows, entries = _read_manifest(pathlib.Path(videos), need_files)
    else:
        raise ManifestError(f"{videos} is neither a folder of videos nor a manifest CSV")
    return _first_of_each_id(rows, entries)


def find_video_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files below a folder that are named like videos, sorted.

    Args:
      folder: where to look; links to folders are followed, each folder is visited once.
    """
    found = []
    visited = set()
    for parent, subfolders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            path = pathlib.Path(parent, name)
            looks_right = path.suffix.lower() in VIDEO_SUFFIXES and not name.startswith(".")
            # A named pipe would block whoever opens it.
            if looks_right and path.is_file():
                found.append(path)
    return sorted(found)


def _read_folder(folder: pathlib.Path) -> tuple[list[VideoRow], list[Entry]]:
    by_path: dict[str, Mapping[str, str]] = {}
    by_id: dict[str, Mapping[str, str]] = {}
    metadata = folder / METADATA_FILE
    if metadata.is_file():
        for values in read_csv(metadata):
            if values.get("path"):
                by_path[os.path.realpath(folder / values["path"])] = values
            elif values.get("video_id"):
                by_id[values["video_id"]] = values
    rows, entries = [], []
    for path in find_video_files(folder):
        values = by_path.get(os.path.realpath(path)) or by_id.get(path.stem) or {}
        _add_row(path, values, metadata, rows, entries)
    return rows, entries


def _read_manifest(path: pathlib.Path, need_files: bool) -> tuple[list[VideoRow], list[Entry]]:
    rows, entries = [], []
    for values in read_csv(path, one_of=("path",) if need_files else ("path", "video_id")):
        name, video_id = values.get("path"), values.get("video_id")
        file = path.parent / (name or "")
        if not need_files and not file.is_file() and (values.get("duration") if name else video_id):
            without_file = {**values, "video_id": video_id or file.stem}
            _add_row(None, without_file, path, rows, entries)
        else:
            _add_row(file, values, path, rows, entries)
    return rows, entries


def _add_row(
    path: pathlib.Path | None,
    values: Mapping[str, str],
    listed_in: pathlib.Path,
    rows: list[VideoRow],
    entries: list[Entry],
) -> None:
    """Appends the video to `rows`, or to `entries` if its row cannot be used."""
    problem = None
    if path is not None and not path.is_file():
        problem = MISSING_FILE, "there is no such file"
    else:
        try:
            rows.append(_row(path, values, listed_in))
        except ValueError as error:
            problem = "bad_row", str(error)
    if problem:
        video_id = values.get("video_id") or path.stem
        entries.append(Entry(video_id, str(path or listed_in), None, "manifest", *problem))


def _row(path: pathlib.Path | None, values: Mapping[str, str], listed_in: pathlib.Path) -> VideoRow:
    subtitles = values.get("subtitles")
    rank, views = _number(values, "search_rank"), _number(values, "views")
    split = (values.get("split") or "").lower()
    if split not in ("", TRAIN_SPLIT, EVAL_SPLIT):
        raise ValueError(f"split is {split!r}; it must be {TRAIN_SPLIT}, {EVAL_SPLIT} or empty")
    return VideoRow(
        video_id=values.get("video_id") or path.stem,
        path=str(path or ""),
        subtitles=str(listed_in.parent / subtitles) if subtitles else "",
        task=values.get("task", ""),
        category=values.get("category", ""),
        search_rank=None if rank is None else int(rank),
        views=None if views is None else int(views),
        duration=_number(values, "duration"),
        language=values.get("language", ""),
        split=split or None,
        listed_in="" if path else str(listed_in),
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
    path: pathlib.Path, required: Sequence[str] = (), one_of: Sequence[str] = ()
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
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            columns = [name.strip().lower() for name in next(reader, [])]
            missing = [name for name in required if name not in columns]
            if one_of and not set(one_of) & set(columns):
                missing.append(" or ".join(one_of))
            if missing:
                raise ManifestError(
                    f"{path} has no column {', '.join(missing)}; its first line must name the "
                    f"columns, such as {','.join(required or one_of)}"
                )
            for cells in reader:
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
