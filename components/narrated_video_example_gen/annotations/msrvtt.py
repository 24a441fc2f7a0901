"""MSR-VTT: its own JSON, or the CSV of the 1k-A test clips. The whole video is the clip."""

import pathlib
from collections.abc import Iterator

from components.narrated_video_example_gen.annotations.annotation import (
    Annotation,
    length,
    one_line,
    seconds,
    whole_video,
)
from components.narrated_video_example_gen.annotations.json_stream import is_json, json_items
from components.narrated_video_example_gen.manifest import ManifestError, read_csv

CSV_COLUMNS = ("video_id", "sentence")


def read(path: pathlib.Path) -> Iterator[Annotation]:
    """Yields the sentences of MSR-VTT in the file's order; a video of the JSON has 20.

    Args:
      path: `MSRVTT_data.json` or another file of its layout ("videos" and "sentences", the parts
        "train", "validate" and "test"), or `MSRVTT_JSFUSION_test.csv` with the columns
        `CSV_COLUMNS` among others, all of it test. The content decides which it is. A video's start
        and end time in the JSON are those in its source, so their difference is its length.

    Raises:
      ManifestError: the file cannot be read or is neither.
    """
    return _read_json(path) if is_json(path) else _read_csv(path)


def _read_csv(path: pathlib.Path) -> Iterator[Annotation]:
    for values in read_csv(path, CSV_COLUMNS):
        yield whole_video(values["video_id"], one_line(values["sentence"]), "test")


def _read_json(path: pathlib.Path) -> Iterator[Annotation]:
    videos = {}
    for video in json_items(path, "videos.item"):
        if isinstance(video, dict):
            video_id = one_line(video.get("video_id"))
            lasts = seconds(video.get("end time")) - seconds(video.get("start time"))
            videos[video_id] = one_line(video.get("split")), length(lasts)
    is_empty = True
    for sentence in json_items(path, "sentences.item"):
        is_empty = False
        sentence = sentence if isinstance(sentence, dict) else {}
        video_id = one_line(sentence.get("video_id"))
        part, duration = videos.get(video_id, ("not among the file's videos", None))
        yield whole_video(video_id, one_line(sentence.get("caption")), part, duration)
    if is_empty:
        raise ManifestError(
            f"{path} has no list 'sentences'; give MSR-VTT's MSRVTT_data.json, or a CSV with "
            f"{','.join(CSV_COLUMNS)}"
        )
