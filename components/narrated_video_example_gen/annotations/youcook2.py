"""YouCook2: its own JSON, or the CSV of its validation clips that MIL-NCE's evaluation reads."""

import math
import pathlib
from collections.abc import Iterator

from components.narrated_video_example_gen.annotations.annotation import (
    Annotation,
    length,
    one_line,
    seconds,
)
from components.narrated_video_example_gen.annotations.json_stream import is_json, json_members
from components.narrated_video_example_gen.manifest import ManifestError, read_csv

CSV_COLUMNS = ("end", "start", "task", "text", "video_id")


def read(path: pathlib.Path) -> Iterator[Annotation]:
    """Yields the segments of YouCook2 in the file's order.

    Args:
      path: `youcookii_annotations_trainval.json` with the parts "training" and "validation", or a
        CSV with `CSV_COLUMNS`, all of it validation (facts/protocols.md, section 6). The content
        decides which it is. The recipe's number is the task.

    Raises:
      ManifestError: the file cannot be read or is neither.
    """
    return _read_json(path) if is_json(path) else _read_csv(path)


def _read_csv(path: pathlib.Path) -> Iterator[Annotation]:
    for values in read_csv(path, CSV_COLUMNS):
        yield Annotation(
            values["video_id"],
            seconds(values["start"]),
            seconds(values["end"]),
            one_line(values["text"]),
            "validation",
            task=values["task"],
        )


def _read_json(path: pathlib.Path) -> Iterator[Annotation]:
    is_empty = True
    for video_id, video in json_members(path, "database"):
        is_empty = False
        video = video if isinstance(video, dict) else {}
        annotations = video.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else []:
            annotation = annotation if isinstance(annotation, dict) else {}
            segment = annotation.get("segment")
            if not isinstance(segment, list) or len(segment) != 2:
                segment = [math.nan, math.nan]
            yield Annotation(
                video_id,
                *map(seconds, segment),
                one_line(annotation.get("sentence")),
                one_line(video.get("subset")),
                length(video.get("duration")),
                one_line(video.get("recipe_type")),
            )
    if is_empty:
        raise ManifestError(
            f"{path} has no videos under 'database'; give YouCook2's "
            f"youcookii_annotations_trainval.json, or a CSV with {','.join(CSV_COLUMNS)}"
        )
