"""Videos that must not be trained on, because a benchmark scores them."""

import csv
import io
import os
from collections.abc import Collection, Iterable, Mapping

from components.narrated_video_example_gen.ledger import Entry
from components.narrated_video_example_gen.manifest import VideoRow, read_csv
from models import files

_COLUMNS = ("video_id", "benchmark")


def write_exclusions(path: files.Path, ids_of: Mapping[str, Collection[str]]) -> None:
    """Writes which videos are excluded, and why; the same ids give the same file.

    A file that holds this already is left alone, as its time of change decides about the cache.

    Args:
      path: the file, a CSV, or its address.
      ids_of: for each benchmark the ids of its videos.
    """
    of_video: dict[str, str] = {}
    for benchmark in sorted(ids_of):
        for video_id in ids_of[benchmark]:
            of_video.setdefault(video_id, benchmark)
    if files.is_file(path) and read_exclusions(os.fspath(path)) == of_video:
        return
    files.make_folder(os.path.dirname(path))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows(sorted(of_video.items()))
    files.write_text(path, text.getvalue())


def read_exclusions(path: str) -> dict[str, str]:
    """Returns the benchmark of each excluded video; it is empty where the file does not tell.

    Args:
      path: the file, or empty for none.

    Raises:
      ManifestError: the file cannot be read or lacks a column.
    """
    if not path:
        return {}
    return {row["video_id"]: row["benchmark"] for row in read_csv(path, _COLUMNS)}


def reason(benchmark: str) -> str:
    """Returns what the ledger calls it that a benchmark's video is left out.

    Args:
      benchmark: as `read_exclusions` returns it.
    """
    return f"in_{benchmark or 'a_benchmark'}"


def leave_out(
    rows: Iterable[VideoRow], excluded: Mapping[str, str], spared_split: str | None = None
) -> tuple[list[VideoRow], list[Entry]]:
    """Returns the videos that are not excluded, and what the ledger says of the others.

    Args:
      rows: the videos.
      excluded: the benchmark of each excluded video.
      spared_split: rows that are fixed to this split stay, whatever they are.
    """
    kept, entries = [], []
    for row in rows:
        if row.video_id not in excluded or (spared_split and row.split == spared_split):
            kept.append(row)
            continue
        benchmark = excluded[row.video_id]
        name = f"the benchmark {benchmark}" if benchmark else "a benchmark"
        message = f"{name} scores this video"
        entries.append(Entry(row.video_id, row.source, None, "filter", reason(benchmark), message))
    return kept, entries
