"""The files beside the videos: metadata, annotations, and the truth about the narration."""

import csv
import io
import json
from collections.abc import Iterator, Sequence

from pipeline.sample_data import narration
from pipeline.sample_data.script import VideoScript
from pipeline.sample_data.world import describe


def _format_csv(header: Sequence[str], rows: Iterator[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


def format_metadata(scripts: Sequence[VideoScript]) -> str:
    """Returns the CSV of what is known about each video beside its picture and narration."""
    header = ("video_id", "task", "category", "search_rank", "views", "duration", "language")
    rows = (
        (s.video_id, s.task, s.category, s.search_rank, s.views, f"{s.duration:.2f}", "en")
        for s in scripts
    )
    return _format_csv(header, rows)


def format_annotations(scripts: Sequence[VideoScript]) -> str:
    """Returns the CSV of the exact segment and the caption of each step."""
    rows = (
        (script.video_id, f"{step.start:.2f}", f"{step.end:.2f}", describe(step.action, step.item))
        for script in scripts
        for step in script.steps
    )
    return _format_csv(("video_id", "start", "end", "caption"), rows)


def format_truth(scripts: Sequence[VideoScript]) -> str:
    """Tells what each line is about, and which share of the lines is about what is on screen.

    A line matches if the step that it speaks about is the step that it overlaps most.

    Args:
      scripts: narrated videos.

    Returns:
      A JSON object: `num_lines`, `matching_fraction` (None without lines), `kinds` (the number of
      lines of each planned kind), and `lines` with `video_id`, `start` and `end` in seconds,
      `text`, `kind`, `about` and `on_screen` (canonical captions, or None) and `matches`.
    """
    lines = []
    for script in scripts:
        captions = [describe(step.action, step.item) for step in script.steps]
        spans = [(step.start, step.end) for step in script.steps]
        for line in script.lines:
            shown = narration.shown_step(line, spans)
            about = None if line.described_step is None else captions[line.described_step]
            lines.append(
                {
                    "video_id": script.video_id,
                    "start": line.start,
                    "end": line.end,
                    "text": line.text,
                    "kind": line.kind.value,
                    "about": about,
                    "on_screen": None if shown is None else captions[shown],
                    "matches": shown is not None and shown == line.described_step,
                }
            )
    matching = sum(line["matches"] for line in lines)
    truth = {
        "num_lines": len(lines),
        "matching_fraction": matching / len(lines) if lines else None,
        "kinds": {
            kind.value: sum(line["kind"] == kind.value for line in lines) for kind in narration.Kind
        },
        "lines": lines,
    }
    return json.dumps(truth, indent=1) + "\n"
