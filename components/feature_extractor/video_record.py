"""From the streams of a video and its captions to its feature record, or to why there is none."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from components.feature_extractor.captions import Caption, CaptionedVideo
from schemas.video_features import FeatureStream, VideoFeatures


class UnusableError(Exception):
    """A video has no usable features.

    Attributes:
      reason: a short fixed name.
      message: one line for people.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclasses.dataclass(frozen=True)
class LostCaption:
    """A caption whose time the features do not reach.

    Attributes:
      index: its position among the video's captions, in time order.
      message: one line for people.
    """

    index: int
    message: str


def check_finite(streams: Sequence[FeatureStream]) -> None:
    """Checks that every value of computed features is a number.

    Args:
      streams: the features of a video.

    Raises:
      UnusableError: one is not.
    """
    for stream in streams:
        if not np.isfinite(stream.values).all():
            message = f"the network of the stream {stream.name} gave values that are not finite"
            raise UnusableError("not_finite", message)


def check_num_rows(streams: Sequence[FeatureStream], duration: float, tolerance: float) -> None:
    """Checks that existing features are as long as their video.

    Args:
      streams: the features of a video.
      duration: its length in seconds, or 0 if unknown.
      tolerance: seconds by which a stream may be longer or shorter.

    Raises:
      UnusableError: a stream is; the message names it, its rows and what was expected.
    """
    for stream in streams:
        rows, expected = len(stream.values), duration * stream.rate
        if duration > 0 and abs(rows - expected) / stream.rate > tolerance:
            raise UnusableError(
                "rows_do_not_fit",
                f"the stream {stream.name} has {rows} rows; a video of {duration:.1f} s has "
                f"{expected:.0f} at {stream.rate:g} a second",
            )


def known_duration(video: CaptionedVideo, streams: Sequence[FeatureStream]) -> float:
    """Returns a video's length in seconds: its own, or if unknown that of its features.

    Args:
      video: the video.
      streams: its features, of which "2d" counts, or else the first.
    """
    if video.duration > 0:
        return video.duration
    by_name = {stream.name: stream for stream in streams}
    stream = by_name.get("2d", streams[0])
    return len(stream.values) / stream.rate


def covered_captions(
    captions: Sequence[Caption], streams: Sequence[FeatureStream]
) -> Iterator[Caption | LostCaption]:
    """Yields the captions that start, like their clips, within the rows of every stream.

    So every window that starts with one of them has rows to pool (`models.clip_features`).

    Args:
      captions: of a video.
      streams: its features.
    """
    for index, caption in enumerate(captions):
        start = max(caption.start, caption.clip_start)
        for stream in streams:
            # The record stores the rate in single precision.
            if int(start * float(np.float32(stream.rate))) >= len(stream.values):
                end = len(stream.values) / stream.rate
                message = f"starts at {start:.1f} s; the stream {stream.name} ends at {end:.1f} s"
                yield LostCaption(index, message)
                break
        else:
            yield caption


def video_record(
    video: CaptionedVideo,
    captions: Sequence[Caption],
    streams: Sequence[FeatureStream],
    search_rank: int,
) -> VideoFeatures:
    """Returns the feature record of a video.

    Args:
      video: the video.
      captions: those of its captions that the features cover, at least one.
      streams: its features.
      search_rank: rank in the search results of its task, from 1; 0 if unknown.
    """
    duration = known_duration(video, streams)
    if not video.duration:
        # The ingest knew no duration, so that a caption of the whole video has no end of its own.
        captions = [
            dataclasses.replace(
                caption,
                end=max(caption.start, min(caption.end, duration)),
                clip_end=max(caption.clip_start, min(caption.clip_end, duration)),
            )
            for caption in captions
        ]
    return VideoFeatures(
        video_id=video.video_id,
        duration=duration,
        streams=streams,
        captions=[caption.text for caption in captions],
        caption_starts=[caption.start for caption in captions],
        caption_ends=[caption.end for caption in captions],
        clip_starts=[caption.clip_start for caption in captions],
        clip_ends=[caption.clip_end for caption in captions],
        task=video.task,
        search_rank=search_rank,
    )
