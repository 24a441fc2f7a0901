"""The two layouts in which HowTo100M distributes its captions.

One CSV for each video (`start,end,text`), which MIL-NCE's loader reads, and caption.json or
raw_caption.json for all of them: `{video_id: {"start": [...], "end": [...], "text": [...]}}`.
"""

import csv
import html
import io
import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.errors import (
    MALFORMED,
    MANY_VIDEOS,
    UNREADABLE,
    SubtitleError,
)
from components.narrated_video_example_gen.subtitles.untrusted import to_number
from models import files

COLUMNS = ("start", "end", "text")


def is_caption_csv(text: str) -> bool:
    """Tells whether a text begins with a CSV header that has the columns start, end and text.

    Args:
      text: a file's text.
    """
    first_line = text.lstrip().split("\n", 1)[0]
    try:
        header = next(csv.reader([first_line.strip()]), [])
    except csv.Error:
        return False
    return set(COLUMNS) <= {name.strip() for name in header}


def parse_caption_csv(text: str) -> list[Caption]:
    """Parses a video's CSV. The text column is plain text: it knows no tags and no entities.

    Args:
      text: the file's text; columns in any order, others are ignored.

    Returns:
      The rows in the file's order, `&`, `<` and `>` escaped; times in seconds, NaN where they
      cannot be read.

    Raises:
      SubtitleError: a column is missing, the CSV is malformed, or a column `video_id` shows that
        the file holds more than one video.
    """
    if not is_caption_csv(text):
        raise SubtitleError(
            MALFORMED, "the CSV does not begin with a header that names the columns start,end,text"
        )
    reader = csv.reader(io.StringIO(text.lstrip(), newline=""))
    try:
        header = [name.strip() for name in next(reader)]
        rows = [dict(zip(header, row, strict=False)) for row in reader if row]
    except csv.Error as error:
        raise SubtitleError(MALFORMED, f"not well-formed CSV: {error}") from error
    if len({row["video_id"] for row in rows if "video_id" in row}) > 1:
        raise SubtitleError(
            MANY_VIDEOS, "the CSV holds captions of several videos: write one file for each"
        )
    return [_caption(*(row.get(name) for name in COLUMNS)) for row in rows]


def is_caption_lists(entry: Any) -> bool:
    """Tells whether a JSON value is one video's captions as three lists.

    Args:
      entry: a parsed JSON value.
    """
    return isinstance(entry, dict) and all(isinstance(entry.get(name), list) for name in COLUMNS)


def captions_of_lists(entry: Any) -> list[Caption]:
    """Reads one video's captions from the three lists of caption.json.

    Args:
      entry: a parsed JSON value, `{"start": [...], "end": [...], "text": [...]}`.

    Returns:
      The captions in the lists' order, `&`, `<` and `>` escaped; times in seconds, NaN where one is
      missing or no number. Nothing where the value has another shape.
    """
    if not is_caption_lists(entry):
        return []
    return list(itertools.starmap(_caption, itertools.zip_longest(*map(entry.get, COLUMNS))))


def iter_caption_lists(path: str | pathlib.Path) -> Iterator[tuple[str, list[Caption]]]:
    """Streams (video id, raw captions) from caption.json or raw_caption.json.

    One video is in memory at a time, however large the file is.

    Args:
      path: the file.

    Yields:
      A video's id and its captions as `captions_of_lists` reads them.

    Raises:
      SubtitleError: the file cannot be read, or its JSON ends early or is malformed; what came
        before has been yielded by then.
    """
    import ijson

    try:
        with files.opened(os.fspath(path)) as stream:
            for video_id, entry in ijson.kvitems(stream, "", use_float=True):
                yield video_id, captions_of_lists(entry)
    except ijson.JSONError as error:
        message = " ".join(str(error).split())
        raise SubtitleError(MALFORMED, f"{path}: not well-formed JSON: {message}") from error
    except OSError as error:
        raise SubtitleError(UNREADABLE, f"{path}: {error.strerror or error}") from error


def write_howto100m_csv(captions: Iterable[Caption], stream: TextIO) -> None:
    """Writes captions as HowTo100M's per-video CSV.

    Args:
      captions: the captions, in time order.
      stream: where to write; opened with `newline=""` where it is a file.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((caption.start, caption.end, caption.text) for caption in captions)


def _caption(start: Any, end: Any, text: Any) -> Caption:
    words = html.escape(text, quote=False) if isinstance(text, str) else ""
    return Caption(to_number(start), to_number(end), words)
