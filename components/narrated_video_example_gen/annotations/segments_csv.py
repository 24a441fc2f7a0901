"""The project's own format: a CSV with a row for each segment."""

import pathlib
from collections.abc import Iterator

from components.narrated_video_example_gen.annotations.annotation import (
    Annotation,
    length,
    one_line,
    seconds,
)
from components.narrated_video_example_gen.manifest import read_csv

COLUMNS = ("video_id", "start", "end", "caption")


def read(path: pathlib.Path) -> Iterator[Annotation]:
    """Yields the rows of a CSV with the columns video_id, start, end (in seconds) and caption.

    It may have the columns split, duration (of the video, in seconds) and task.

    Args:
      path: the file.

    Raises:
      ManifestError: the file cannot be read or lacks a column.
    """
    for values in read_csv(path, COLUMNS):
        yield Annotation(
            values["video_id"],
            seconds(values["start"]),
            seconds(values["end"]),
            one_line(values["caption"]),
            values.get("split", ""),
            length(values.get("duration")),
            values.get("task", ""),
        )
