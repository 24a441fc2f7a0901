"""The line-based formats: WebVTT, SRT, SBV and Advanced SubStation Alpha."""

import math
import re
import warnings
from collections.abc import Iterable, Iterator

from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.errors import MALFORMED, SubtitleError

_ARROW = "-->"
_LINE_END = re.compile(r"\r\n?|\n")
_WEBVTT_TIME = r"(?:(\d+):)?([0-5]\d):([0-5]\d)[.,](\d{3})(?!\d)"
_WEBVTT_TIMES = re.compile(rf"[ \t\f]*{_WEBVTT_TIME}[ \t\f]*-->[ \t\f]*{_WEBVTT_TIME}", re.A)
_SRT_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?(?!\d)"
_SRT_TIMES = re.compile(rf"\s*{_SRT_TIME}\s*-->\s*{_SRT_TIME}", re.A)
_SBV_TIMES = re.compile(
    r"\s*(\d+):(\d{1,2}):(\d{1,2})\.(\d{3})\s*,\s*(\d+):(\d{1,2}):(\d{1,2})\.(\d{3})\s*", re.A
)
_SBV_LIKE = re.compile(r"\s*\d+:\d[^,\s]*,\d+:\d[^,\s]*\s*", re.A)


def parse_webvtt(text: str) -> list[Caption]:
    """Parses WebVTT by the W3C's rules for cues.

    A cue begins with a line of times and ends with an empty line, the next line of times or the end
    of the file; what stands between cues (identifiers, NOTE, STYLE and REGION blocks) is skipped. A
    missing signature and a decimal comma are forgiven.

    Args:
      text: the file's text.

    Returns:
      The cues in the file's order, with their markup and line ends; times in seconds, NaN where
      they cannot be read.
    """
    cues = []
    lines: list[str] | None = None
    for line in _LINE_END.split(text):
        if _ARROW in line:
            start, end = _times(_WEBVTT_TIMES.match(line))
            lines = []
            cues.append((start, end, lines))
        elif not line:
            lines = None
        elif lines is not None:
            lines.append(line)
    return _captions(cues)


def parse_srt(text: str) -> list[Caption]:
    """Parses SubRip, with the liberties that files take.

    Args:
      text: the file's text.

    Returns:
      The cues in the file's order, with their markup and line ends; times in seconds, NaN where
      they cannot be read. An empty line inside a cue's text is text as long as what follows it is
      not a numbered block whose times are missing.
    """
    cues = []
    block: list[str] = []
    for line in _LINE_END.split(text):
        if _ARROW in line:
            _strip_number(block)
            block = []
            cues.append((*_times(_SRT_TIMES.match(line)), block))
        else:
            block.append(line.strip())
    while block and not block[-1]:
        block.pop()
    if len(block) > 1 and not block[-2]:  # The file breaks off after the number of a cue.
        _strip_number(block)
    return _captions((start, end, list(_srt_text(block))) for start, end, block in cues)


def parse_sbv(text: str) -> list[Caption]:
    """Parses YouTube's SBV (`0:00:01.000,0:00:02.000` above the text).

    Args:
      text: the file's text.

    Returns:
      The cues in the file's order, with their line ends; times in seconds, NaN where they cannot be
      read.
    """
    cues = []
    lines: list[str] | None = None
    for line in _LINE_END.split(text):
        if _SBV_LIKE.fullmatch(line):
            lines = []
            cues.append((*_times(_SBV_TIMES.fullmatch(line)), lines))
        elif not line.strip():
            lines = None
        elif lines is not None:
            lines.append(line)
    return _captions(cues)


def parse_ass(text: str) -> list[Caption]:
    """Parses (Advanced) SubStation Alpha with pysubs2.

    Args:
      text: the file's text.

    Returns:
      The dialogue lines without overrides and drawings, in the file's order; times in seconds.

    Raises:
      SubtitleError: pysubs2 cannot parse the file.
    """
    import pysubs2

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About margins and layers, which nobody says.
            subtitles = pysubs2.SSAFile.from_string(text, format_="ass")
    except (pysubs2.exceptions.Pysubs2Error, ValueError, KeyError, IndexError) as error:
        raise SubtitleError(MALFORMED, f"not well-formed SubStation Alpha: {error}") from error
    return [
        Caption(event.start / 1000, event.end / 1000, event.plaintext)
        for event in subtitles
        if not event.is_comment and not event.is_drawing
    ]


def has_cue_times(text: str) -> bool:
    """Tells whether any line is a line of times of SRT or WebVTT.

    Args:
      text: a file's text.
    """
    return any(_SRT_TIMES.match(line) for line in _LINE_END.split(text) if _ARROW in line)


def begins_like_sbv(text: str) -> bool:
    """Tells whether the first line with text is a line of times of SBV.

    Args:
      text: a file's text.
    """
    first = next(filter(str.strip, _LINE_END.split(text)), "")
    return _SBV_TIMES.fullmatch(first) is not None


def _times(match: re.Match | None) -> tuple[float, float]:
    if match is None:
        return math.nan, math.nan
    fields = match.groups()
    return _seconds(*fields[:4]), _seconds(*fields[4:])


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    milliseconds = int((fraction or "0").ljust(3, "0"))
    if len(hours or "") > 6:
        return math.nan
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + milliseconds / 1000


def _strip_number(block: list[str]) -> None:
    """Takes the number of the next cue off the end of a cue's text."""
    if block and block[-1].isdigit():
        block.pop()


def _srt_text(block: list[str]) -> Iterator[str]:
    after_empty = False
    for index, line in enumerate(block):
        if after_empty and line.isdigit() and index + 1 < len(block) and block[index + 1]:
            return
        after_empty = not line
        if line:
            yield line


def _captions(cues: Iterable[tuple[float, float, list[str]]]) -> list[Caption]:
    return [
        Caption(start, end, "\n".join(lines))
        for start, end, lines in cues
        if lines or not math.isnan(start)
    ]
