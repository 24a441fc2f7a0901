"""XML from untrusted files."""

import re
import xml.etree.ElementTree as ET

from components.narrated_video_example_gen.subtitles.errors import (
    MALFORMED,
    UNSAFE_XML,
    SubtitleError,
)

_PROLOG = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>)*", re.S)
_ROOT = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)")


def root_name(text: str) -> str | None:
    """Returns the local name of the first element, or None where the text does not look like XML.

    Args:
      text: the document.
    """
    root = _ROOT.match(text, _PROLOG.match(text).end())
    return root[1] if root else None


def parse_xml(text: str) -> ET.Element:
    """Parses a document that has no document type declaration.

    Entities are declared only there, so that refusing it shuts out both external entities and those
    that expand into gigabytes. No caption format has one.

    Args:
      text: the document, decoded; an encoding in its XML declaration is ignored.

    Returns:
      The root element.

    Raises:
      SubtitleError: the document declares a type, or is not well-formed.
    """
    if "<!DOCTYPE" in text:
        raise SubtitleError(
            UNSAFE_XML, "XML with a document type declaration is refused: remove <!DOCTYPE ...>"
        )
    try:
        return ET.fromstring(text.lstrip())
    except (ET.ParseError, ValueError) as error:
        raise SubtitleError(MALFORMED, f"not well-formed XML: {error}") from error


def local_name(element: ET.Element) -> str:
    """Returns the name of an element without its namespace.

    Args:
      element: the element; comments and processing instructions have no name and give "".
    """
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def local_attributes(element: ET.Element) -> dict[str, str]:
    """Returns the attributes of an element by their names without namespace.

    Args:
      element: the element.
    """
    return {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
