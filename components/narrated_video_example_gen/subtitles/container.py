"""The subtitle track inside a video file, by PyAV."""

import math
import os
import pathlib
from typing import TYPE_CHECKING

from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.errors import (
    BITMAP_SUBTITLE,
    NO_SUBTITLE_TRACK,
    UNREADABLE,
    SubtitleError,
)
from components.narrated_video_example_gen.subtitles.languages import primary_language

if TYPE_CHECKING:
    import av

VIDEO_SUFFIXES = frozenset(
    (
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".flv", ".ts", ".m2ts", ".mts", ".mpg",
        ".mpeg", ".vob", ".ogg", ".ogv", ".ogm", ".wmv", ".asf", ".3gp", ".3g2",
    )
)  # fmt: skip
# Neither playlists, which name further files and addresses, nor subtitle files under another name.
_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,flv,mpegts,mpeg,ogg,asf",
}
_AV_NOPTS_DURATION = 2**63 - 1
_AV_TIME_BASE = 1_000_000


def is_container(head: bytes) -> bool:
    """Tells whether a file begins as one of the video containers.

    Args:
      head: its first 200 bytes or more.
    """
    return (
        head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
        or head.startswith((b"\x1aE\xdf\xa3", b"FLV\x01", b"OggS", b"\x00\x00\x01\xba"))
        or head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")
        or (head.startswith(b"RIFF") and head[8:12] == b"AVI ")
        or (head[:1] == b"G" and head[188:189] == b"G")
        or (head[4:5] == b"G" and head[196:197] == b"G")
    )


def read_track(path: str | pathlib.Path, language: str = "en") -> list[Caption]:
    """Reads the text subtitles of a video file without decoding its pictures.

    Of several tracks: one in the wanted language before one in another; one that is not forced
    (those hold only what is said in a foreign language); the default; the first.

    Args:
      path: the video file.
      language: the wanted language.

    Returns:
      The captions in the track's order, with their line ends; times in seconds from the
      container's start time, the end infinite where the packet has no duration. A track that breaks
      off gives what could be read.

    Raises:
      SubtitleError: the file cannot be opened or read, has no subtitle track, or only tracks that
        are pictures.
    """
    import av

    try:
        # With the protocol in the name, a file called "concat:..." is no instruction.
        with av.open(
            f"file:{os.fspath(path)}", options=_OPTIONS, metadata_errors="ignore"
        ) as container:
            return _read(container, _choose(container, path, language))
    except OSError as error:
        raise SubtitleError(UNREADABLE, f"{path}: {error.strerror or error}") from error
    except (av.error.FFmpegError, ValueError, RuntimeError) as error:
        if isinstance(error, SubtitleError):
            raise
        raise SubtitleError(UNREADABLE, f"{path}: no video file that FFmpeg reads") from error


def _choose(
    container: "av.container.InputContainer", path: str | pathlib.Path, language: str
) -> "av.subtitles.stream.SubtitleStream":
    import av

    tracks = list(container.streams.subtitles)
    if not tracks:
        raise SubtitleError(
            NO_SUBTITLE_TRACK,
            f"{path}: the video has no subtitle track: put a subtitle file of its name beside it",
        )
    readable = [
        track for track in tracks if track.codec_context and track.codec_context.codec.text_sub
    ]
    if not readable:
        raise SubtitleError(
            BITMAP_SUBTITLE,
            f"{path}: the subtitle track holds pictures, not text: convert it by OCR to SRT first",
        )
    forced, default = av.stream.Disposition.forced, av.stream.Disposition.default
    wanted = primary_language(language)
    return min(
        readable,
        key=lambda track: (
            primary_language(track.language) != wanted,
            bool(track.disposition & forced),
            not track.disposition & default,
            track.index,
        ),
    )


def _read(
    container: "av.container.InputContainer", track: "av.subtitles.stream.SubtitleStream"
) -> list[Caption]:
    import av

    for stream in container.streams:
        if stream.index != track.index:
            stream.discard = av.stream.Discard.all
    origin = (container.start_time or 0) / _AV_TIME_BASE
    captions = []
    packets = container.demux(track)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return captions
        if packet.pts is None:
            continue
        try:
            subtitles = packet.decode()
        except (av.error.FFmpegError, ValueError):
            continue
        start = float(packet.pts * packet.time_base) - origin
        duration = math.inf
        if packet.duration and packet.duration < _AV_NOPTS_DURATION:
            duration = float(packet.duration * packet.time_base)
        for subtitle in subtitles:
            text = _dialogue(getattr(subtitle, "ass", b"").decode(errors="replace"))
            if text.strip():
                captions.append(Caption(start, start + duration, text))


def _dialogue(event: str) -> str:
    """Returns the text of a line to which FFmpeg has turned a subtitle of any text format.

    Args:
      event: `ReadOrder,Layer,Style,Name,MarginL,MarginR,MarginV,Effect,Text`.
    """
    import pysubs2

    line = pysubs2.SSAEvent(text=event.split(",", 8)[-1].replace(r"\{", "&#123;"))
    return "" if line.is_drawing else line.plaintext
