"""What an annotation is, whatever the format."""

import dataclasses
import math
from typing import Any

from components.narrated_video_example_gen.subtitles.untrusted import to_number
from components.narrated_video_example_gen.windows import OPEN_END


@dataclasses.dataclass(frozen=True)
class Annotation:
    """One sentence about a stretch of video, as a file says it: nothing is checked yet.

    Attributes:
      video_id: identifier of the video; its file has this name.
      start: in seconds; NaN where the file has no such number.
      end: in seconds; NaN likewise, infinite where the sentence is about the video to its end.
      text: the sentence.
      part: the part of the set that the video is in, as the file names it, or an empty string.
      duration: length of the video in seconds, or None.
      task: what the video is about, or an empty string.
    """

    video_id: str
    start: float
    end: float
    text: str
    part: str = ""
    duration: float | None = None
    task: str = ""


def whole_video(
    video_id: str, text: str, part: str = "", duration: float | None = None
) -> Annotation:
    """Returns a sentence about all of a video.

    Args:
      video_id: identifier of the video.
      text: the sentence.
      part: the part of the set that the video is in, or an empty string.
      duration: length of the video in seconds, or None.
    """
    return Annotation(video_id, 0.0, math.inf, text, part, duration)


def seconds(value: Any) -> float:
    """Returns a finite time of an untrusted document, NaN where it is none.

    Args:
      value: a number, or a string that holds one.
    """
    number = to_number(value, missing=math.nan)
    return number if math.isfinite(number) else math.nan


def length(value: Any) -> float | None:
    """Returns a video's length of an untrusted document in seconds, None where it is none.

    Args:
      value: a number, or a string that holds one.
    """
    number = seconds(value)
    return number if number > 0 else None


def segment_problem(start: float, end: float) -> str:
    """Returns why a stretch of time is none of a video, or an empty string where it is one.

    Args:
      start: in seconds.
      end: in seconds; infinite where the stretch lasts to the end of the video.
    """
    if 0 <= start < end and not OPEN_END < end < math.inf:
        return ""
    return f"{start:g} to {end:g} s is no stretch of a video"


def one_line(value: Any) -> str:
    """Returns a sentence of an untrusted document on one line, empty where it is no string.

    Args:
      value: any value.
    """
    return " ".join(value.split()) if isinstance(value, str) else ""
