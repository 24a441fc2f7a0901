"""The caption reader: any subtitle file or track in, clean captions out.

Importing this module is cheap: a library that only some formats need is imported when one comes.
"""

import json
import os
import pathlib
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from components.narrated_video_example_gen.subtitles import (
    container,
    cues,
    howto100m,
    ttml,
    youtube,
)
from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.cleaning import (
    Drop,
    clean_captions,
    clean_captions_with_drops,
)
from components.narrated_video_example_gen.subtitles.encoding import decode_text
from components.narrated_video_example_gen.subtitles.errors import (
    BITMAP_SUBTITLE,
    EMPTY_SUBTITLE,
    MALFORMED,
    MANY_VIDEOS,
    NO_CAPTIONS,
    TOO_LARGE,
    UNKNOWN_FORMAT,
    UNREADABLE,
    SubtitleError,
)
from components.narrated_video_example_gen.subtitles.howto100m import write_howto100m_csv
from components.narrated_video_example_gen.subtitles.languages import primary_language
from components.narrated_video_example_gen.subtitles.safe_xml import root_name
from models import files

__all__ = [
    "Drop",
    "SubtitleError",
    "choose_subtitles",
    "clean_captions",
    "clean_captions_with_drops",
    "find_subtitles",
    "iter_caption_json",
    "iter_caption_json_with_drops",
    "parse_captions",
    "read_captions",
    "read_captions_with_drops",
    "write_howto100m_csv",
]

SUBTITLE_SUFFIXES = (
    ".vtt", ".srt", ".ttml", ".dfxp", ".xml", ".json3", ".srv3", ".srv2", ".srv1", ".csv", ".sbv",
    ".ass", ".ssa",
)  # fmt: skip
MAX_FILE_BYTES = 64 * 2**20

_HEAD_BYTES = 512
# A file of JSON, or one that JavaScript imports.
_JSON_BEGINNING = re.compile(
    r"\s*(?:export\s+default\s*|(?:var|let|const)?\s*[\w.$]+\s*=\s*)?"
    r"""(?=\{\s*["}]|\[\s*[\[{"\]])"""
)
_ENGLISH_TAGS = (".en", ".en-US", ".en-GB", "", ".en-orig")
_LANGUAGE_TAG = re.compile(r"\.[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]+)*")


def read_captions(path: str | os.PathLike, language: str = "en") -> list[Caption]:
    """Reads the captions of a subtitle file, or of the subtitle track inside a video file.

    Args:
      path: a file of any format that `parse_captions` knows, or a video container.
      language: which language to take where the file holds several; the first where it is missing.

    Returns:
      Clean captions in time order, at least one; see `cleaning.clean_captions_with_drops`. Times
      are seconds from the start of the video.

    Raises:
      SubtitleError: the file holds no captions that can be read.
    """
    return read_captions_with_drops(path, language)[0]


def read_captions_with_drops(
    path: str | os.PathLike, language: str = "en"
) -> tuple[list[Caption], list[Drop]]:
    """Reads captions as `read_captions` does, and the lines that were dropped.

    Args:
      path: a file of any format that `parse_captions` knows, or a video container.
      language: which language to take where the file holds several; the first where it is missing.

    Returns:
      The captions in time order, and every line of the file that is not one of them.

    Raises:
      SubtitleError: the file holds no captions that can be read.
    """
    try:
        with files.local_copy(os.fspath(path)) as local:
            raw = _read_raw(pathlib.Path(local), language)
    except OSError as error:
        raise SubtitleError(UNREADABLE, f"{path}: {error.strerror or error}") from error
    captions, drops = clean_captions_with_drops(raw)
    if not captions:
        counts: dict[str, int] = {}
        for drop in drops:
            counts[drop.reason] = counts.get(drop.reason, 0) + 1
        dropped = ", ".join(f"{number} {reason}" for reason, number in sorted(counts.items()))
        raise SubtitleError(
            NO_CAPTIONS, f"{path}: no captions in it ({dropped or 'not a single line with times'})"
        )
    return captions, drops


def _read_raw(path: pathlib.Path, language: str) -> list[Caption]:
    try:
        with open(path, "rb") as stream:
            head = stream.read(_HEAD_BYTES)
            if container.is_container(head):
                return container.read_track(path, language)
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_FILE_BYTES and path.suffix.lower() not in container.VIDEO_SUFFIXES:
                raise SubtitleError(
                    TOO_LARGE,
                    f"{path}: {size >> 20} MiB are too much for one video's captions; HowTo100M's "
                    "caption.json is read by iter_caption_json",
                )
            data = head if size > MAX_FILE_BYTES else head + stream.read(MAX_FILE_BYTES)
    except OSError as error:
        raise SubtitleError(UNREADABLE, f"{path}: {error.strerror or error}") from error
    try:
        return parse_captions(data, path.name, language)
    except SubtitleError as error:
        is_video = path.suffix.lower() in container.VIDEO_SUFFIXES
        if is_video and error.reason in (EMPTY_SUBTITLE, UNKNOWN_FORMAT, MALFORMED):
            return container.read_track(path, language)
        raise SubtitleError(error.reason, f"{path}: {error.message}") from error


def parse_captions(data: bytes, name: str, language: str = "en") -> list[Caption]:
    """Parses the bytes of a subtitle file.

    The content decides about the format: WebVTT, SRT, SBV, SubStation Alpha, TTML and DFXP,
    YouTube's json3, srv1, srv2 and srv3, HowTo100M's CSV, or one video's entry of its caption.json.
    Only where the content does not tell, the name's extension does.

    Args:
      data: the file's bytes, in any encoding (see `encoding.decode_text`).
      name: the file's name.
      language: which language to take where the document holds several; the first where it is
        missing.

    Returns:
      The captions as they are in the file, before any cleaning: times in seconds, NaN where they
      cannot be read, an infinite end where it is open; text with its markup and line ends.

    Raises:
      SubtitleError: the file is empty, of no known format, malformed, or of several videos.
    """
    text = decode_text(data)
    if not text.strip("\ufffd\ufeff \t\r\n"):
        raise SubtitleError(EMPTY_SUBTITLE, "the subtitle file is empty")
    try:
        return _parser(text, pathlib.PurePath(name).suffix.lower(), language)(text)
    except RecursionError as error:
        raise SubtitleError(MALFORMED, "the document is nested too deeply") from error


def _parser(text: str, suffix: str, language: str) -> Callable[[str], list[Caption]]:
    def parse_ttml(document: str) -> list[Caption]:
        return ttml.parse_ttml(document, language)

    stripped = text.lstrip()
    if stripped.startswith("WEBVTT"):
        return cues.parse_webvtt
    if stripped.startswith("# VobSub index file"):
        raise SubtitleError(
            BITMAP_SUBTITLE, "VobSub subtitles are pictures: convert them by OCR to SRT first"
        )
    if stripped.startswith("<"):
        root = root_name(stripped)
        if root == "tt":
            return parse_ttml
        if root in ("timedtext", "transcript"):
            return youtube.parse_timed_text
    if _JSON_BEGINNING.match(text):
        return _parse_json
    if "[Script Info]" in stripped[:2000]:
        return cues.parse_ass
    if howto100m.is_caption_csv(stripped):
        return howto100m.parse_caption_csv
    if cues.has_cue_times(text):
        return cues.parse_webvtt if suffix == ".vtt" else cues.parse_srt
    if cues.begins_like_sbv(text):
        return cues.parse_sbv
    by_suffix = {
        ".vtt": cues.parse_webvtt,
        ".srt": cues.parse_srt,
        ".sbv": cues.parse_sbv,
        ".ttml": parse_ttml,
        ".dfxp": parse_ttml,
        ".srv1": youtube.parse_timed_text,
        ".srv2": youtube.parse_timed_text,
        ".srv3": youtube.parse_timed_text,
        ".csv": howto100m.parse_caption_csv,
    }
    if suffix not in by_suffix:
        raise SubtitleError(
            UNKNOWN_FORMAT,
            "no subtitle format that the reader knows: convert it to WebVTT or SRT, in UTF-8",
        )
    return by_suffix[suffix]


def _parse_json(text: str) -> list[Caption]:
    beginning = _JSON_BEGINNING.match(text).end()
    try:
        document: Any = json.JSONDecoder().raw_decode(text, beginning)[0]
    except ValueError as error:
        raise SubtitleError(MALFORMED, f"not well-formed JSON: {error}") from error
    if isinstance(document, dict):
        if isinstance(document.get("events"), list):
            return youtube.parse_json3(document)
        if howto100m.is_caption_lists(document):
            return howto100m.captions_of_lists(document)
        if document and all(map(howto100m.is_caption_lists, document.values())):
            if len(document) == 1:
                return howto100m.captions_of_lists(*document.values())
            raise SubtitleError(
                MANY_VIDEOS,
                f"the JSON holds captions of {len(document)} videos, not of one: it is read by "
                "iter_caption_json",
            )
    raise SubtitleError(
        UNKNOWN_FORMAT,
        "JSON without captions: neither YouTube's json3 nor HowTo100M's caption.json",
    )


def iter_caption_json(path: str | os.PathLike) -> Iterator[tuple[str, list[Caption]]]:
    """Streams (video id, clean captions) from HowTo100M's caption.json or raw_caption.json.

    Args:
      path: the file, of any size: one video is in memory at a time.

    Yields:
      A video's id and its clean captions, of which there may be none.

    Raises:
      SubtitleError: the file cannot be read, or its JSON ends early or is malformed; the videos
        before that place have been yielded by then.
    """
    for video_id, captions, _ in iter_caption_json_with_drops(path):
        yield video_id, captions


def iter_caption_json_with_drops(
    path: str | os.PathLike,
) -> Iterator[tuple[str, list[Caption], list[Drop]]]:
    """Streams what `iter_caption_json` does, with the lines that were dropped.

    Args:
      path: the file, of any size: one video is in memory at a time.

    Yields:
      A video's id, its clean captions, and the lines that are none.

    Raises:
      SubtitleError: as `iter_caption_json`.
    """
    for video_id, raw in howto100m.iter_caption_lists(path):
        yield video_id, *clean_captions_with_drops(raw)


def find_subtitles(video_path: str | os.PathLike) -> pathlib.Path | None:
    """Finds the best subtitle file beside a video: one of its name, with or without a language.

    For `x.mp4`, in this order: English (`x.en.vtt`, `x.en-US.vtt`, `x.en-GB.vtt`), no language
    (`x.vtt`), the automatic captions of yt-dlp (`x.en-orig.vtt`), other English, other languages by
    name. Of one language: WebVTT, SRT, TTML, YouTube's formats, CSV, SBV, SubStation Alpha, as in
    `SUBTITLE_SUFFIXES`. The usual names are tried first, and the folder is listed only where none
    of them is there, so that a folder of a million videos stays cheap.

    Args:
      video_path: the video file; it need not exist.

    Returns:
      The subtitle file, or None.
    """
    video_path = pathlib.Path(video_path)
    for name in _usual_names(video_path.stem):
        if video_path.with_name(name).is_file():
            return video_path.with_name(name)
    try:
        with os.scandir(video_path.parent) as entries:
            names = [
                entry.name
                for entry in entries
                if entry.name.startswith(video_path.stem) and entry.is_file()
            ]
    except OSError:
        return None
    found = choose_subtitles(video_path.name, names)
    return video_path.with_name(found) if found else None


def choose_subtitles(video_name: str, names: Collection[str]) -> str | None:
    """Returns which of a folder's files are a video's subtitles, as `find_subtitles` does, or None.

    Args:
      video_name: name of the video file.
      names: names of the files in its folder.
    """
    stem = pathlib.PurePath(video_name).stem
    for name in _usual_names(stem):
        if name in names:
            return name
    ranked = []
    for name in names:
        root, suffix = os.path.splitext(name)
        tag = root[len(stem) :]
        if not name.startswith(stem) or name == video_name:
            continue
        if suffix.lower() not in SUBTITLE_SUFFIXES or (tag and not _LANGUAGE_TAG.fullmatch(tag)):
            continue
        is_other_language = bool(tag) and primary_language(tag[1:]) != "en"
        ranked.append(
            (is_other_language, tag.lower(), SUBTITLE_SUFFIXES.index(suffix.lower()), name)
        )
    return min(ranked)[-1] if ranked else None


def _usual_names(stem: str) -> Iterator[str]:
    for tag in _ENGLISH_TAGS:
        for suffix in SUBTITLE_SUFFIXES:
            yield f"{stem}{tag}{suffix}"
