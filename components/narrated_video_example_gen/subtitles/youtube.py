"""YouTube's own formats: json3, and the XML of srv1 (the old transcript), srv2 and srv3."""

import html
import math
from typing import Any

from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.safe_xml import local_name, parse_xml
from components.narrated_video_example_gen.subtitles.untrusted import to_number


def parse_json3(document: dict[str, Any]) -> list[Caption]:
    """Reads the events of a json3 document.

    Args:
      document: the parsed JSON, with its list `events`.

    Returns:
      One caption for each event that has text, in the document's order, `&`, `<` and `>` escaped;
      times in seconds, NaN where they cannot be read, the end infinite where there is no duration.
      The events that only define a window or append a line end are left out.
    """
    captions = []
    for event in document["events"]:
        segments = event.get("segs") if isinstance(event, dict) else None
        if not isinstance(segments, list):
            continue
        pieces = (segment.get("utf8") for segment in segments if isinstance(segment, dict))
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        if event.get("aAppend") and not text.strip():
            continue
        start = to_number(event.get("tStartMs", 0)) / 1000
        duration = to_number(event.get("dDurationMs"), math.inf) / 1000
        captions.append(Caption(start, start + duration, html.escape(text, quote=False)))
    return captions


def parse_timed_text(text: str) -> list[Caption]:
    """Parses srv3 (`<p t d>`), srv2 (`<text t d>`) and srv1 (`<text start dur>`).

    Args:
      text: the document.

    Returns:
      The lines in the document's order, entities that the format escapes twice still in place;
      times in seconds, NaN where they cannot be read, the end infinite where there is no duration.
      The paragraphs that only append a line end are left out.

    Raises:
      SubtitleError: the document is not well-formed or declares a type.
    """
    captions = []
    for element in parse_xml(text).iter():
        if local_name(element) not in ("p", "text"):
            continue
        line = "".join(element.itertext())
        if element.get("a") == "1" and not line.strip():
            continue
        if "t" in element.attrib:
            start = to_number(element.get("t")) / 1000
            duration = to_number(element.get("d"), math.inf) / 1000
        else:
            start = to_number(element.get("start"))
            duration = to_number(element.get("dur"), math.inf)
        captions.append(Caption(start, start + duration, line))
    return captions
