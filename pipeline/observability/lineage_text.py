"""A lineage as text for a terminal, as JSON, and its videos as CSV."""

import collections
import csv
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from components.narrated_video_example_gen.ledger import KeptVideo
from pipeline.observability.lineage import Lineage, VideoSet

_NAMED = 5
# A model card is given the settings of all the other nodes.
_OF_ALL = "settings"


def as_text(lineage: Lineage) -> Iterator[str]:
    """Yields the lines for a terminal.

    Args:
      lineage: the lineage.
    """
    push = lineage.push
    yield lineage.pushed_to
    yield f"pushed {push.started:%Y-%m-%d %H:%M:%S} UTC by run {push.run_id}"
    versions = {step.execution.code_version for step in lineage.steps}
    if len(versions) == 1:
        yield f"code: {push.code_version}"
    yield "made by:"
    width = max(len(step.execution.node) for step in lineage.steps)
    for step in lineage.steps:
        execution = step.execution
        line = (
            f"  {execution.node:<{width}}  {execution.started:%Y-%m-%d %H:%M:%S}"
            f"  {execution.seconds:8.1f} s"
        )
        if execution.run_id != push.run_id:
            line += f"  in run {execution.run_id}"
        yield line + (f"  by code {execution.code_version}" if len(versions) > 1 else "")
    yield "videos:"
    for videos in lineage.video_sets:
        yield from _of_set(videos)
    yield "settings:"
    for step in lineage.steps:
        for name, value in _flat(step.settings):
            text = value if isinstance(value, str) and value else json.dumps(value)
            yield f"  {step.execution.node}.{name} = {text}"


def _of_set(videos: VideoSet) -> Iterator[str]:
    if not videos.kept_file:
        yield f"  {videos.node}: made by an older version, which kept no list of them"
        return
    counts: dict[str, collections.Counter[str]] = {}
    named: dict[str, list[str]] = {}
    for video in videos.videos():
        counts.setdefault(video.split, collections.Counter()).update(videos=1, clips=video.clips)
        if len(names := named.setdefault(video.split, [])) < _NAMED:
            names.append(video.video_id)
    for split, count in counts.items():
        names = ", ".join(named[split]) + (", …" if count["videos"] > _NAMED else "")
        yield (
            f"  {videos.node}, {split}: {count['videos']:,} videos, {count['clips']:,} clips "
            f"({names})"
        )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if name == _OF_ALL:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def as_json(lineage: Lineage) -> dict[str, Any]:
    """Returns all but the single videos, for JSON.

    Args:
      lineage: the lineage.
    """
    return {
        "pushed_to": lineage.pushed_to,
        "steps": [
            {
                **dataclasses.asdict(step.execution),
                "started": step.execution.started.isoformat(),
                "settings": dict(step.settings),
            }
            for step in lineage.steps
        ],
        "videos": [
            {
                "node": videos.node,
                "file": videos.kept_file,
                "without": sorted(videos.unused),
            }
            for videos in lineage.video_sets
        ],
    }


def write_videos(lineage: Lineage, stream: TextIO) -> None:
    """Writes the videos as CSV with the columns node, video_id, path, split and clips.

    Args:
      lineage: the lineage.
      stream: gets the lines.
    """
    columns = [field.name for field in dataclasses.fields(KeptVideo)]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["node", *columns])
    for videos in lineage.video_sets:
        for video in videos.videos():
            writer.writerow([videos.node, *dataclasses.astuple(video)])
