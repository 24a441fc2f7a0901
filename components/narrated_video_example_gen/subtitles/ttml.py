"""TTML, and DFXP as it was called before."""

import html
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.errors import MALFORMED, SubtitleError
from components.narrated_video_example_gen.subtitles.languages import primary_language
from components.narrated_video_example_gen.subtitles.safe_xml import (
    local_attributes,
    local_name,
    parse_xml,
)

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_CLOCK_TIME = re.compile(r"(\d{1,6}):(\d\d):(\d\d)(?:(\.\d+)|:(\d+)(?:\.(\d+))?)?", re.A)
_OFFSET_TIME = re.compile(r"(\d{1,15}(?:\.\d+)?)(h|ms|m|s|f|t)", re.A)
_WHITE_SPACE = re.compile(r"\s+")


class _Clock:
    """Time expressions of one document (TTML2, section 12.3.1), as seconds."""

    def __init__(self, root: ET.Element):
        attributes = local_attributes(root)
        numerator, denominator = 1.0, 1.0
        multiplier = attributes.get("frameRateMultiplier", "").replace(":", " ").split()
        if len(multiplier) == 2:
            numerator, denominator = _positive(multiplier[0], 1), _positive(multiplier[1], 1)
        self._frame_rate = _positive(attributes.get("frameRate"), 30) * numerator / denominator
        self._sub_frame_rate = _positive(attributes.get("subFrameRate"), 1)
        default_tick_rate = self._frame_rate * self._sub_frame_rate
        if "frameRate" not in attributes:
            default_tick_rate = 1
        self._tick_rate = _positive(attributes.get("tickRate"), default_tick_rate)

    def seconds(self, expression: str) -> float:
        """Returns the seconds of a time expression, NaN where it is none."""
        expression = expression.strip()
        clock = _CLOCK_TIME.fullmatch(expression)
        if clock:
            hours, minutes, seconds, fraction, frames, sub_frames = clock.groups()
            whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
            if fraction:
                return whole + float(fraction)
            frame = float(frames or 0) + float(sub_frames or 0) / self._sub_frame_rate
            return whole + frame / self._frame_rate
        offset = _OFFSET_TIME.fullmatch(expression)
        if not offset:
            return math.nan
        value, metric = float(offset[1]), offset[2]
        unit = {
            "h": 3600,
            "m": 60,
            "s": 1,
            "ms": 1 / 1000,
            "f": 1 / self._frame_rate,
            "t": 1 / self._tick_rate,
        }
        return value * unit[metric]


def _positive(value: str | None, default: float) -> float:
    try:
        number = float(value) if value is not None else default
    except ValueError:
        return default
    return number if 0 < number < math.inf else default


class _Paragraphs:
    """Walks over the body and yields (language, caption) for each timed paragraph."""

    def __init__(self, clock: _Clock):
        self._clock = clock

    def walk(
        self, element: ET.Element, reference: float, parent_end: float, timed: bool, language: str
    ) -> Iterator[tuple[str, Caption]]:
        begin, end, own = self._interval(element, reference, parent_end)
        timed = timed or own
        language = element.get(_XML_LANG, language)
        if local_name(element) == "p":
            if not own:
                spans = list(self._spans(element, begin, end))
                if spans:
                    begin, end = min(span[0] for span in spans), max(span[1] for span in spans)
                    timed = True
            if timed:
                yield language, Caption(begin, end, _text(element))
            return
        sequential = element.get("timeContainer") == "seq"
        cursor = begin
        for child in element:
            if local_name(child) not in ("div", "p"):
                continue
            yield from self.walk(child, cursor, end, timed, language)
            if sequential:
                cursor = self._interval(child, cursor, end)[1]

    def _interval(
        self, element: ET.Element, reference: float, parent_end: float
    ) -> tuple[float, float, bool]:
        times = {
            name: self._clock.seconds(element.attrib[name])
            for name in ("begin", "end", "dur")
            if name in element.attrib
        }
        begin = reference + times.get("begin", 0.0)
        end = min(reference + times.get("end", math.inf), begin + times.get("dur", math.inf))
        if any(map(math.isnan, times.values())):
            return math.nan, math.nan, True
        return begin, min(end, parent_end), bool(times)

    def _spans(
        self, element: ET.Element, reference: float, parent_end: float
    ) -> Iterator[tuple[float, float]]:
        for child in element:
            if local_name(child) == "span":
                begin, end, own = self._interval(child, reference, parent_end)
                if own:
                    yield begin, end
                else:
                    yield from self._spans(child, begin, end)


def _text(element: ET.Element) -> str:
    pieces = [_characters(element.text)]
    for child in element:
        if local_name(child) == "br":
            pieces.append("\n")
        elif local_name(child) == "span":
            pieces.append(_text(child))
        pieces.append(_characters(child.tail))
    return "".join(pieces)


def _characters(text: str | None) -> str:
    return html.escape(_WHITE_SPACE.sub(" ", text or ""), quote=False)


def parse_ttml(text: str, language: str = "en") -> list[Caption]:
    """Parses a TTML document, of any namespace from DFXP to IMSC.

    A timed paragraph is a caption; a paragraph without times of its own lasts as long as its timed
    spans, or else as what contains it. Clock times, frames, ticks and offsets count from the
    beginning of the containing element, in a `timeContainer="seq"` from the end of the one before.

    Args:
      text: the document.
      language: the language to take from a document in several; the first one where it is missing.

    Returns:
      The paragraphs in the document's order, `&`, `<` and `>` escaped; times in seconds, an end
      that the document leaves open infinite, NaN where a time cannot be read.

    Raises:
      SubtitleError: the document is not well-formed, declares a type, or has no body.
    """
    root = parse_xml(text)
    body = next((child for child in root if local_name(child) == "body"), None)
    if body is None:
        raise SubtitleError(MALFORMED, "the TTML document has no body")
    root_language = root.get(_XML_LANG, "")
    paragraphs = list(_Paragraphs(_Clock(root)).walk(body, 0.0, math.inf, False, root_language))
    languages = [primary_language(tag) for tag, _ in paragraphs]
    wanted = primary_language(language)
    if wanted not in languages:
        wanted = languages[0] if languages else ""
    return [
        caption
        for (_, caption), found in zip(paragraphs, languages, strict=True)
        if found == wanted
    ]
