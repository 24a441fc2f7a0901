"""From one video and its captions to clips, and a ledger entry for everything that makes none."""

import collections
import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence

from components.narrated_video_example_gen import filters, video, windows
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.ledger import Entry
from components.narrated_video_example_gen.manifest import VideoRow
from components.narrated_video_example_gen.subtitles import reader
from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.cleaning import REPEAT
from models import files
from schemas.records import CaptionRecord, ClipRecord


@dataclasses.dataclass(frozen=True)
class IngestedClip:
    """One clip as it is stored.

    Attributes:
      clip: the record with the frames, if they are stored.
      caption: the record without them.
    """

    clip: ClipRecord
    caption: CaptionRecord


@dataclasses.dataclass(frozen=True)
class Transcript:
    """The captions of a video that passed the filters.

    Attributes:
      video_id: identifier of the video.
      captions: in time order.
    """

    video_id: str
    captions: Sequence[Caption]


def ingest_video(
    row: VideoRow, config: IngestConfig, threads: int = 1
) -> Iterator[Transcript | IngestedClip | Entry]:
    """Reads one video once and yields its transcript, its clips and what was left out.

    A video without a file has no frames, and its size is 0 x 0. If nobody knows its duration
    either, the records say 0, and its windows end with its last caption or, where that lasts as
    long as the video, at `windows.OPEN_END`.

    Args:
      row: the video.
      config: the settings.
      threads: threads of the decoder.

    Yields:
      The transcript, if the video has one that passes the filters; then clips and entries. A video
      without a single clip ends with one entry whose clip index is None. Nothing that a video
      contains makes it raise.
    """
    if row.captions is not None:
        config = config.without_filters()
    kept = 0
    lost: list[Entry] = []
    stage, reason, message = "clip", "no_clips", "none of its captions gave a clip"
    try:
        for item in _ingest(row, config, threads):
            if isinstance(item, IngestedClip):
                kept += 1
            elif isinstance(item, Entry):
                lost.append(item)
            yield item
        if lost:
            ((most, count),) = collections.Counter(entry.reason for entry in lost).most_common(1)
            message = f"none of its {len(lost)} captions gave a clip ({count} {most})"
    except _LeftOutError as error:
        stage, reason, message = error.args
    # Decoders and parsers meet any bytes that people have; one video must not end the run.
    except Exception as error:
        stage, reason, message = "video", "unexpected_error", f"{type(error).__name__}: {error}"
    if not kept:
        yield Entry(row.video_id, row.source, None, stage, reason, _one_line(message))


def is_usable(row: VideoRow, config: IngestConfig) -> bool:
    """Tells whether a video will probably give clips, without decoding more than its beginning.

    Args:
      row: the video.
      config: the settings.
    """
    try:
        with _opened(row) as (_, info):
            captions, _ = _read_captions(row, config)
            end = _end(info, captions)
            return (
                filters.check_duration(info.duration, config) is None
                and filters.check_transcript(row, captions, config) is None
                and any(_problem(row, caption, end, config) is None for caption in captions)
            )
    # As in `ingest_video`, which will say what is wrong.
    except Exception:
        return False


def dropped_lines(row: VideoRow, drops: Sequence[reader.Drop]) -> Iterator[Entry]:
    """Yields an entry for each line of a subtitle file that would have been a caption.

    A line that rolled over the screen a second time is none: it has been read as its first showing.

    Args:
      row: the video.
      drops: the lines that are no captions.
    """
    for drop in drops:
        if drop.reason != REPEAT:
            yield Entry(
                row.video_id, row.source, drop.index, "subtitles", drop.reason, drop.message
            )


class _LeftOutError(Exception):
    """The rest of the video is left out; the arguments are stage, reason and message."""


def _ingest(
    row: VideoRow, config: IngestConfig, threads: int
) -> Iterator[Transcript | IngestedClip | Entry]:
    # The video is opened before the subtitles are looked for: that a file is no video explains more
    # than that it has no subtitle track.
    try:
        with _opened(row, threads) as (opened, info):
            if verdict := filters.check_duration(info.duration, config):
                raise _LeftOutError("filter", *verdict)
            captions, drops = _read_captions(row, config)
            if verdict := filters.check_transcript(row, captions, config):
                raise _LeftOutError("filter", *verdict)
            end = _end(info, captions)
            captions = [_closed(caption, end) for caption in captions]
            yield Transcript(row.video_id, captions)
            yield from dropped_lines(row, drops)
            inside = []
            for index, caption in enumerate(captions):
                if problem := _problem(row, caption, end, config):
                    yield Entry(row.video_id, row.source, index, "clip", *problem)
                else:
                    inside.append(index)
            yield from _clips(row, config, opened, info, end, captions, inside)
    except video.VideoError as error:
        raise _LeftOutError("video", error.reason, error.message) from error


@contextlib.contextmanager
def _opened(
    row: VideoRow, threads: int = 1
) -> Iterator[tuple[video.Video | None, video.VideoInfo]]:
    """Opens the row's video if it has one, and says what is known of it; duration 0 is unknown."""
    if row.path:
        with video.open_video(row.path, threads) as opened:
            yield opened, opened.info
    else:
        yield None, video.VideoInfo(0, 0, row.duration or 0.0, 0.0)


def _end(info: video.VideoInfo, captions: Sequence[Caption]) -> float:
    """Returns the end of the video in seconds as well as it is known."""
    return info.duration or min(max(caption.end for caption in captions), windows.OPEN_END)


def _closed(caption: Caption, end: float) -> Caption:
    """Ends a caption with the video if it has no end of its own."""
    return dataclasses.replace(caption, end=end) if math.isinf(caption.end) else caption


def _read_captions(
    row: VideoRow, config: IngestConfig
) -> tuple[Sequence[Caption], Sequence[reader.Drop]]:
    """Returns the captions of the first source that there is, and the lines that are none."""
    if row.captions is not None:
        return row.captions, ()
    if not (row.path or row.subtitles):
        message = "without the video, its captions are needed: column subtitles, or caption_json"
        raise _LeftOutError("subtitles", "no_subtitles", message)
    source = row.subtitles or _subtitles_beside(row.path) or row.path
    try:
        return reader.read_captions_with_drops(source, config.language or "en")
    except reader.SubtitleError as error:
        raise _LeftOutError("subtitles", error.reason, error.message) from error


def _subtitles_beside(path: str) -> str:
    # Beside a video on another file system they were sought when its folder was listed.
    return "" if files.is_remote(path) else str(reader.find_subtitles(path) or "")


def _problem(
    row: VideoRow, caption: Caption, video_end: float, config: IngestConfig
) -> tuple[str, str] | None:
    """Returns why a caption cannot make a clip, as reason and message."""
    if caption.start >= video_end:
        return "past_end", f"starts at {caption.start:.1f} s; the video ends at {video_end:.1f} s"
    length = min(caption.end, video_end) - caption.start
    # An annotated set is scored as a whole, however long its segments are.
    if row.captions is None and length > config.max_clip_seconds:
        return "too_long", f"lasts {length:.1f} s; at most {config.max_clip_seconds:g} s are kept"
    return None


def _clips(
    row: VideoRow,
    config: IngestConfig,
    opened: video.Video | None,
    info: video.VideoInfo,
    video_end: float,
    captions: Sequence[Caption],
    inside: Sequence[int],
) -> Iterator[IngestedClip | Entry]:
    """Yields the clips of the captions numbered `inside`, and entries for those without frames."""
    min_seconds = config.min_clip_seconds if row.captions is None else 0.0
    candidates = [captions[index] for index in inside]
    missing = {}
    for position, caption in enumerate(candidates):
        start, end = windows.clip_window(caption.start, caption.end, video_end, min_seconds)
        missing[position] = video.Window(position, start, end)
    broken = None
    stage, problem = "clip", ("past_end", "the picture ends before the caption starts")
    try:
        for clip in _cut(opened, list(missing.values()), config):
            del missing[clip.index]
            bag = windows.positive_bag(candidates, clip.index, config.bag_size)
            yield _records(
                row,
                config,
                info,
                clip,
                inside[clip.index],
                [candidates[position] for position in bag],
            )
    except video.VideoError as error:
        broken = error
        stage, problem = "video", (error.reason, error.message)
    for position in missing:
        yield Entry(row.video_id, row.source, inside[position], stage, *problem)
    if broken is not None:
        raise broken


def _cut(
    opened: video.Video | None, wanted: Sequence[video.Window], config: IngestConfig
) -> Iterator[video.Clip]:
    """Yields the clips of the windows, without frames where none are to be stored."""
    if config.store_frames:
        yield from opened.clips(wanted, config.frame_rate, config.short_side, config.jpeg_quality)
    else:
        for window in wanted:
            yield video.Clip(window.index, window.start, window.end, ())


def _records(
    row: VideoRow,
    config: IngestConfig,
    info: video.VideoInfo,
    clip: video.Clip,
    index: int,
    bag: Sequence[Caption],
) -> IngestedClip:
    own = bag[0]
    return IngestedClip(
        clip=ClipRecord(
            video_id=row.video_id,
            clip_index=index,
            clip_start=clip.start,
            clip_end=clip.end,
            frame_rate=config.frame_rate,
            frames=clip.frames,
            captions=[caption.text for caption in bag],
            caption_starts=[caption.start for caption in bag],
            caption_ends=[caption.end for caption in bag],
            task=row.task,
        ),
        caption=CaptionRecord(
            video_id=row.video_id,
            caption=own.text,
            caption_start=own.start,
            caption_end=own.end,
            clip_start=clip.start,
            clip_end=clip.end,
            clip_num_frames=len(clip.frames),
            video_duration=info.duration,
            video_width=info.width,
            video_height=info.height,
            task=row.task,
        ),
    )


def _one_line(message: str) -> str:
    return " ".join(message.split())
