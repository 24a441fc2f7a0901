"""COIN: the steps of instructional videos, in its own JSON or a list of one-video objects."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from components.benchmark_evaluator.annotations.items import (
    Segment,
    SegmentedSet,
    SegmentedVideo,
)
from components.benchmark_evaluator.annotations.problem_log import ProblemLog, place
from components.benchmark_evaluator.annotations.text_files import one_path
from components.narrated_video_example_gen.annotations import parts
from components.narrated_video_example_gen.annotations.annotation import (
    length,
    one_line,
    seconds,
    segment_problem,
)
from components.narrated_video_example_gen.annotations.json_stream import (
    is_json,
    json_items,
    json_members,
)
from components.narrated_video_example_gen.manifest import ManifestError

BACKGROUND = "background"

_PART_NAMES = {
    parts.TRAIN: parts.TRAIN,
    parts.VALIDATION: parts.TEST,
    parts.TEST: parts.TEST,
}


def read_coin(path: str) -> SegmentedSet:
    """Reads the videos of COIN and their steps (facts/protocols.md, section 10).

    The labels are "background" and all steps of the file in the order of their numbers. The public
    JSON numbers 778 steps from 1, so that there a label is the step's number; a file of one part
    may lack some. Steps with different numbers stay different, although some have the same name.

    Args:
      path: one file: `COIN.json` with the videos under "database", or a JSON list of objects that
        each hold one video. The content decides which it is. A part is "testing" or "validation"
        (both "test" here), or "training".

    Returns:
      The videos. Problems: "no_video_id", "duplicate", "bad_part", "bad_duration", "bad_segment"
      of a step, "no_label" for a step without number or name, "two_labels" for a step whose number
      had another name before (the first name holds, the step stays), and "no_segment" for a video
      without a usable step.

    Raises:
      ManifestError: the file cannot be read, is neither, or several are named.
    """
    log = ProblemLog()
    names: dict[int, str] = {}
    videos: dict[str, SegmentedVideo] = {}
    for number, (video_id, video) in enumerate(coin_videos(one_path(path, "COIN")), 1):
        item = place(path, number, video_id)
        part = _PART_NAMES.get(parts.part_of(one_line(video.get("subset"))))
        duration = length(video.get("duration"))
        if not video_id:
            log.add(item, "no_video_id", "it names no video", item)
        elif video_id in videos:
            log.add(item, "duplicate", "the video is already known")
        elif part is None:
            message = f"its subset {video.get('subset')!r:.60} is neither training nor testing"
            log.add(item, "bad_part", message, video_id)
        elif duration is None:
            log.add(item, "bad_duration", "it does not say how long the video is", video_id)
        elif segments := _steps(video.get("annotation"), item, names, log):
            videos[video_id] = SegmentedVideo(video_id, part, duration, segments)
        else:
            log.add(item, "no_segment", "it has no usable step", video_id)
    return _with_labels(names, videos, log)


def coin_videos(path: pathlib.Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields id and annotation of each video; an annotation that is no object is an empty one.

    Args:
      path: as for `read_coin`.

    Raises:
      ManifestError: the file cannot be read, or is neither.
    """
    is_empty = True
    for video_id, video in _members(path):
        is_empty = False
        yield video_id.strip(), video if isinstance(video, dict) else {}
    if is_empty:
        raise ManifestError(
            f"{path} has neither videos under 'database' nor a list of them; give COIN.json"
        )


def _members(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    if is_json(path):
        yield from json_members(path, "database")
        return
    for item in json_items(path, "item"):
        yield from item.items() if isinstance(item, dict) else [("", item)]


def _steps(
    annotation: Any, item: str, names: dict[int, str], log: ProblemLog
) -> tuple[Segment, ...]:
    """Returns a video's steps, labelled with their numbers, whose names go to `names`."""
    segments = []
    for position, step in enumerate(annotation if isinstance(annotation, list) else [], 1):
        step_item = f"{item}, step {position}"
        step = step if isinstance(step, dict) else {}
        number, name = seconds(step.get("id")), one_line(step.get("label"))
        times = step.get("segment")
        times = times if isinstance(times, list) and len(times) == 2 else [None, None]
        start, end = map(seconds, times)
        if not (number.is_integer() and name):
            message = f"a step has the number {step.get('id')!r:.20} and the name {name[:60]!r}"
            log.add(step_item, "no_label", message)
        elif message := segment_problem(start, end):
            log.add(step_item, "bad_segment", message)
        else:
            segments.append(Segment(int(number), start, end))
            if names.setdefault(int(number), name) != name:
                message = f"number {number:g} is {name!r} here, and {names[number]!r} before"
                log.add(step_item, "two_labels", message)
    return tuple(segments)


def _with_labels(
    names: Mapping[int, str], videos: Mapping[str, SegmentedVideo], log: ProblemLog
) -> SegmentedSet:
    """Returns the set, with places in the list of labels instead of steps' numbers."""
    numbers = sorted(names)
    label_of = {number: label for label, number in enumerate(numbers, 1)}
    labelled = (
        dataclasses.replace(
            video,
            segments=tuple(
                dataclasses.replace(segment, label=label_of[segment.label])
                for segment in video.segments
            ),
        )
        for video in videos.values()
    )
    labels = (BACKGROUND, *(names[number] for number in numbers))
    return SegmentedSet(labels, tuple(labelled), log.problems(kept=videos))
