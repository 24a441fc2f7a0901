"""What was left out and why, line by line and in sum."""

import collections
import dataclasses
import json
from collections.abc import Iterable
from typing import Any, TextIO

LEDGER_FILE = "ledger.jsonl"
SUMMARY_FILE = "summary.json"
# Lies beside them: an ingest's videos that were kept, see `KeptVideo`.
KEPT_FILE = "videos.jsonl"

# What the settings or the manifest leave out on purpose, and annotated videos that are not there:
# videos vanish from the web. Neither counts as failed.
CHOSEN_STAGES = frozenset({"filter", "annotations"})

MISSING_FILE = "missing_file"

_NAMED_MISSING = 20


@dataclasses.dataclass(frozen=True)
class Entry:
    """One video or one clip that was left out.

    Attributes:
      video_id: identifier of the video.
      path: the video file, or the file that names it.
      clip_index: position of the clip's caption in the transcript, from 0, or in stage "subtitles"
        of the line in its file; None for a whole video.
      stage: "manifest", "annotations", "subtitles", "filter", "video" or "clip" of an ingest, or
        "features" of a feature extraction.
      reason: a short fixed name, such as "past_end", by which entries are counted.
      message: one line for people.
    """

    video_id: str
    path: str
    clip_index: int | None
    stage: str
    reason: str
    message: str

    def to_json(self) -> str:
        """Returns the entry as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> "Entry":
        """Returns the entry that `to_json` wrote.

        Args:
          line: one line of a ledger.
        """
        return cls(**json.loads(line))


@dataclasses.dataclass(frozen=True)
class KeptVideo:
    """One video that gave clips.

    Attributes:
      video_id: identifier of the video.
      path: the video file, or the file that names it.
      split: "train" or "eval".
      clips: number of its clips.
    """

    video_id: str
    path: str
    split: str
    clips: int

    def to_json(self) -> str:
        """Returns the video as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> "KeptVideo":
        """Returns the video that `to_json` wrote.

        Args:
          line: one line of a `videos.jsonl`.
        """
        return cls(**json.loads(line))


class Counts:
    """Counts of one kind of item: read, kept, and left out for each reason."""

    def __init__(self):
        self.kept = 0
        self.left_out: collections.Counter[str] = collections.Counter()

    @property
    def read(self) -> int:
        """All items, kept or not."""
        return self.kept + self.left_out.total()

    def as_dict(self) -> dict[str, Any]:
        """Returns the counts for JSON, most frequent reason first."""
        reasons = sorted(self.left_out.items(), key=lambda item: (-item[1], item[0]))
        return {"read": self.read, "kept": self.kept, "left_out": dict(reasons)}


class Ledger:
    """Writes entries to a stream as they come, and counts them.

    A video that is left out has exactly one entry without a clip index, so that the counts add up.
    """

    def __init__(self, stream: TextIO, num_annotated: int | None = None):
        """Starts an empty ledger.

        Args:
          stream: open text file that gets one line for each entry.
          num_annotated: videos of the annotated set; None where the videos are narrated.
        """
        self._stream = stream
        self._num_annotated = num_annotated
        self._missing: list[str] = []
        self.videos = Counts()
        self.clips = Counts()
        self.failed: collections.Counter[str] = collections.Counter()

    def add(self, entry: Entry) -> None:
        """Writes and counts one entry.

        Args:
          entry: a video or clip that was left out.
        """
        self._stream.write(entry.to_json() + "\n")
        if entry.clip_index is not None:
            self.clips.left_out[entry.reason] += 1
            return
        self.videos.left_out[entry.reason] += 1
        if (entry.stage, entry.reason) == ("annotations", MISSING_FILE):
            self._missing.append(entry.video_id)
        if entry.stage not in CHOSEN_STAGES:
            self.failed[entry.reason] += 1

    def add_all(self, entries: Iterable[Entry]) -> None:
        """Writes and counts entries, in their order.

        Args:
          entries: videos and clips that were left out.
        """
        for entry in entries:
            self.add(entry)

    def keep(self, videos: int, clips: int) -> None:
        """Counts what was kept.

        Args:
          videos: number of videos with at least one clip.
          clips: number of clips.
        """
        self.videos.kept += videos
        self.clips.kept += clips

    def summary(self) -> dict[str, Any]:
        """Returns `{"videos": {"read", "kept", "left_out": {reason: n}}, "clips": {...}}`.

        Of an annotated set also `"annotated": {"videos", "missing", "first_missing": [ids]}`.
        """
        summary: dict[str, Any] = {
            "videos": self.videos.as_dict(),
            "clips": self.clips.as_dict(),
        }
        if self._num_annotated is not None:
            summary["annotated"] = {
                "videos": self._num_annotated,
                "missing": len(self._missing),
                "first_missing": self._missing[:_NAMED_MISSING],
            }
        return summary


def format_summary(summary: dict[str, Any]) -> str:
    """Returns a summary in a few lines for a terminal.

    Args:
      summary: what `Ledger.summary` returned or `summary.json` holds.
    """
    lines = []
    for kind in ("videos", "clips"):
        counts = summary[kind]
        left_out = counts["left_out"]
        line = (
            f"{kind}: {counts['read']:,} read, {counts['kept']:,} kept, "
            f"{sum(left_out.values()):,} left out"
        )
        if left_out:
            line += f" ({format_reasons(left_out)})"
        lines.append(line)
    return "\n".join(lines)


def format_missing(summary: dict[str, Any], most: int = 5) -> str | None:
    """Returns how many videos were expected but not there and which, or None where none was.

    Args:
      summary: what `summary.json` holds: of an ingest, where "annotated" counts the annotated
        videos without a file, or of a feature extraction, where "missing_features" counts the
        videos without features; each is {"videos", "missing", "first_missing": [ids]}.
      most: name only so many of them, up to 20; the ledger names all.
    """
    for key, what in (
        ("annotated", "annotated videos have no file"),
        ("missing_features", "videos have no features"),
    ):
        counts = summary.get(key, {})
        if missing := counts.get("missing", 0):
            named = counts["first_missing"][:most]
            names = ", ".join(named) + (", …" if len(named) < missing else "")
            return f"{missing:,} of {counts['videos']:,} {what}: {names}"
    return None


def format_reasons(left_out: dict[str, int], most: int | None = None) -> str:
    """Returns reasons and counts as one phrase, most frequent first.

    Args:
      left_out: count of each reason.
      most: name only so many reasons; None names all.
    """
    ordered = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in ordered[:most])
