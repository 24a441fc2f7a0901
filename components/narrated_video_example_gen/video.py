"""The picture of a video: opened safely, decoded once from front to back, sampled in real time."""

import collections
import contextlib
import dataclasses
import errno
import fractions
import functools
import io
import itertools
import math
import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence

import av
import av.error
import av.stream
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from PIL import Image

from models import files

# A frame smaller than this has nothing to see, and no network takes it.
MIN_SIDE = 16
# How far the container's duration may exceed the end of the picture (sound often lasts longer).
END_TOLERANCE_SECONDS = 1.0
# A sample this close to the end of the picture is none: containers round times to milliseconds.
_ROUNDING = fractions.Fraction(2, 1000)

# FFmpeg also reads playlists and scripts, which may name other files and hosts. Only containers
# are opened, and only as the one file that they are.
_DEMUXERS = (
    "3dostr,asf,av1,avi,dirac,dv,flv,h261,h263,h264,hevc,ivf,live_flv,m4v,matroska,webm,mjpeg,"
    "mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpegvideo,mxf,nut,obu,ogg,rm,vc1,y4m,yuv4mpegpipe"
)
_OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}
_STILL_PICTURES = (
    av.stream.Disposition.attached_pic
    | av.stream.Disposition.timed_thumbnails
    | av.stream.Disposition.still_image
)
_DURATION_TAG = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")
_SIGNATURES = (
    (4, b"ftyp"),
    (4, b"moov"),
    (4, b"mdat"),
    (0, b"\x1aE\xdf\xa3"),
    (0, b"RIFF"),
    (0, b"FLV"),
    (0, b"OggS"),
    (0, b"0&\xb2u"),
    (0, b"\x00\x00\x01\xba"),
)


class VideoError(Exception):
    """A video cannot be read, from the start or from some point on.

    Attributes:
      reason: a short fixed name.
      message: one line for people.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are decoded.

    Attributes:
      width: width as displayed, in pixels: after rotation and with square pixels.
      height: height as displayed, in pixels.
      duration: length of the picture in seconds.
      frame_rate: frames a second on average, as the container says.
    """

    width: int
    height: int
    duration: float
    frame_rate: float


@dataclasses.dataclass(frozen=True)
class Window:
    """A stretch of video to sample.

    Attributes:
      index: the caller's name for it.
      start: in seconds.
      end: in seconds, after `start`.
    """

    index: int
    start: float
    end: float


@dataclasses.dataclass(frozen=True)
class Clip:
    """The sampled frames of a window.

    Attributes:
      index: of the window.
      start: of the window, in seconds.
      end: of the window in seconds, or of the picture where that ends before.
      frames: JPEG bytes, one for each sample.
    """

    index: int
    start: float
    end: float
    frames: Sequence[bytes]


@dataclasses.dataclass(frozen=True)
class Sampling:
    """A way to sample a whole video.

    Attributes:
      frame_rate: samples for each second; None for each frame of the file once, whenever it is.
      short_side: pixels of the shorter side, to which each frame is scaled up or down.
    """

    frame_rate: float | None
    short_side: int


class Video:
    """One open video file. Use `open_video`.

    Attributes:
      info: size and duration.
    """

    def __init__(self, container: av.container.InputContainer, path: str, threads: int):
        self._origin = fractions.Fraction(container.start_time or 0, av.time_base)
        self._stream = _picture_stream(container)
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = threads
        if self._stream.frames == 1:
            raise VideoError("one_frame", "the video has one frame, so nothing moves")
        duration = _duration(container, self._stream, self._origin)
        if duration is None:
            duration = _scanned_duration(path, self._stream.index, self._origin)
        self._frames = _in_order(_decoded(container, self._stream, self._origin))
        first = next(self._frames, None)
        if first is None:
            raise VideoError("no_frames", "no frame of the video could be decoded")
        self._frames = itertools.chain([first], self._frames)
        self._orientation = _orientation(first.picture)
        width, height = _square_pixels(first.picture, self._stream.sample_aspect_ratio)
        self._stored_size = (width, height)
        if self._orientation.transpose:
            width, height = height, width
        if min(width, height) < MIN_SIDE:
            raise VideoError(
                "too_small", f"{width} x {height} pixels; each side needs at least {MIN_SIDE}"
            )
        self.info = VideoInfo(width, height, duration, float(_frame_rate(self._stream)))

    def clips(
        self, windows: Sequence[Window], frame_rate: float, short_side: int, jpeg_quality: int
    ) -> Iterator[Clip]:
        """Decodes the video once and yields each window's clip as soon as it is complete.

        The video is sampled at the times n / `frame_rate`, n = 0, 1, ...; a window [start, end) has
        the samples that lie in it, so that windows that overlap share their frames. A sample shows
        the last frame at or before its time, by the frames' real time stamps; before the first
        frame, the first. Held are the JPEG bytes of the windows that are open, and one frame.
        Decoding stops at the end of the last window. It can be called once.

        A JPEG has 4:2:0 chroma, as nearly all video has. At quality 95 it differs from the scaled
        frame by 47.5 dB, which is not what costs retrieval: FFmpeg's default quality does
        (S3D_HowTo100M issue 3), its `-qscale:v 2` does not.

        Args:
          windows: what to cut, in any order.
          frame_rate: samples for each second.
          short_side: pixels of the shorter side; larger frames are scaled down to it (bicubic),
            smaller ones stay as they are.
          jpeg_quality: 1 to 95.

        Yields:
          The clips in the order in which their windows end. A window that reaches past the end of
          the picture by no more than END_TOLERANCE_SECONDS is cut there, or has no clip if it
          begins after it.

        Raises:
          VideoError: the video breaks off; all clips before that have been yielded.
        """
        rate = _exact_rate(frame_rate)
        encode = functools.partial(
            _encode,
            size=_scaled_size(*self._stored_size, short_side),
            orientation=self._orientation,
            quality=jpeg_quality,
        )
        waiting = collections.deque(
            sorted(
                (_OpenWindow.of(window, rate) for window in windows),
                key=lambda window: (window.first, window.stop, window.window.index),
            )
        )
        open_windows: list[_OpenWindow] = []
        for shown in self._shown():
            # The sample at the very end counts, as containers round the end of the picture up.
            stop = (
                math.floor(shown.end * rate) + 1 if shown.is_last else math.ceil(shown.end * rate)
            )
            yield from _show(shown.picture, stop, waiting, open_windows, encode)
            if not shown.is_last and not waiting and not open_windows:
                return
        for window in open_windows:
            if window.frames:
                yield window.clip(min(window.window.end, float(shown.end)))

    def frames(self, samplings: Sequence[Sampling]) -> Iterator[tuple[int, np.ndarray]]:
        """Decodes the video once and yields all samples of the whole of it, as RGB.

        Samples lie at the times n / `frame_rate`, n = 0, 1, ..., before the end of the picture, and
        show what they show in `clips`. Held is one frame. It can be called once.

        Args:
          samplings: the ways to sample; all share the one decoding.

        Yields:
          Position of the sampling and its next sample, uint8 [H, W, 3]; samples of one sampling in
          time order, without gaps. A frame that several samples show is one array.

        Raises:
          VideoError: the video breaks off; all samples before that have been yielded.
        """
        rates = [
            None if sampling.frame_rate is None else _exact_rate(sampling.frame_rate)
            for sampling in samplings
        ]
        sizes = [
            _scaled_size(*self._stored_size, sampling.short_side, enlarge=True)
            for sampling in samplings
        ]
        counts = [0] * len(samplings)
        # A damaged time stamp must not ask for years of samples.
        limit = fractions.Fraction(self.info.duration + END_TOLERANCE_SECONDS)
        for shown in self._shown():
            end = min(shown.end - _ROUNDING if shown.is_last else shown.end, limit)
            for position, rate in enumerate(rates):
                missing = 1 if rate is None else math.ceil(end * rate) - counts[position]
                if missing > 0:
                    counts[position] += missing
                    rgb = _rgb(shown.picture, sizes[position], self._orientation)
                    for _ in range(missing):
                        yield position, rgb

    def _shown(self) -> Iterator["_Shown"]:
        """Yields each frame with the time at which the next one takes its place.

        Raises:
          VideoError: the video breaks off or has one frame.
        """
        waiting: _Frame | None = None
        num_frames = 0
        for frame in self._frames:
            num_frames += 1
            if waiting is not None:
                yield _Shown(waiting.picture, frame.time, False)
            waiting = frame
        if num_frames == 1:
            raise VideoError("one_frame", "the video has one frame, so nothing moves")
        end = waiting.time + waiting.duration
        yield _Shown(waiting.picture, end, True)
        if float(end) < self.info.duration - END_TOLERANCE_SECONDS:
            raise VideoError(
                "truncated",
                f"the picture ends at {float(end):.1f} s, but the file promises "
                f"{self.info.duration:.1f} s",
            )


@contextlib.contextmanager
def open_video(path: str, threads: int = 1) -> Iterator[Video]:
    """Opens a video file.

    Only the file itself is read, whatever it refers to, and only by FFmpeg's demuxers for video
    containers.

    Args:
      path: a file, whatever its name begins with, or an address, from which it is fetched first.
      threads: threads of the decoder; 0 for one for each core.

    Yields:
      The video.

    Raises:
      VideoError: the file is missing, empty, no video, encrypted, too small, or has no picture.
    """
    with contextlib.ExitStack() as stack:
        try:
            local = stack.enter_context(files.local_copy(path))
            if os.path.getsize(local) == 0:
                raise VideoError("empty_file", "the file has no bytes")
            container = _open(local)
        except av.error.FFmpegError as error:
            raise _not_opened(local, error) from error
        except OSError as error:
            raise VideoError("unreadable", f"the file cannot be read: {error.strerror}") from error
        with container:
            yield Video(container, local, threads)


@dataclasses.dataclass(frozen=True)
class _Frame:
    """A decoded frame, when it is shown and for how long, in seconds of the video."""

    picture: av.VideoFrame
    time: fractions.Fraction
    duration: fractions.Fraction


@dataclasses.dataclass(frozen=True)
class _Shown:
    """A decoded frame and the time until which it is shown; for the last, the picture's end."""

    picture: av.VideoFrame
    end: fractions.Fraction
    is_last: bool


@dataclasses.dataclass(frozen=True)
class _Orientation:
    """How the stored picture becomes the displayed one: transposed first, then mirrored."""

    transpose: bool = False
    mirror_horizontally: bool = False
    mirror_vertically: bool = False

    def apply(self, rgb: np.ndarray) -> np.ndarray:
        """Returns the displayed picture, uint8 [H, W, 3], from the stored one."""
        if self.transpose:
            rgb = rgb.transpose(1, 0, 2)
        if self.mirror_horizontally:
            rgb = rgb[:, ::-1]
        if self.mirror_vertically:
            rgb = rgb[::-1]
        return rgb


@dataclasses.dataclass
class _OpenWindow:
    """A window that is being filled: it takes the samples `first` to `stop` - 1."""

    window: Window
    first: int
    stop: int
    frames: list[bytes] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, window: Window, rate: fractions.Fraction) -> "_OpenWindow":
        # Times that were computed as floats must not gain or lose a sample by their last bit.
        first = math.ceil(round(window.start * rate, 6))
        stop = math.ceil(round(window.end * rate, 6))
        if stop <= first:
            first = math.floor(window.start * rate)
            stop = first + 1
        return cls(window, first, stop)

    @property
    def next_sample(self) -> int:
        return self.first + len(self.frames)

    def clip(self, end: float) -> Clip:
        return Clip(self.window.index, self.window.start, end, tuple(self.frames))


def _show(
    picture: av.VideoFrame,
    stop: int,
    waiting: collections.deque[_OpenWindow],
    open_windows: list[_OpenWindow],
    encode: Callable[[av.VideoFrame], bytes],
) -> Iterator[Clip]:
    """Gives `picture` to all samples before `stop` that have none yet; yields complete windows."""
    while waiting and waiting[0].first < stop:
        open_windows.append(waiting.popleft())
    jpeg = None
    for window in list(open_windows):
        missing = min(stop, window.stop) - window.next_sample
        if missing > 0:
            jpeg = jpeg or encode(picture)
            window.frames.extend([jpeg] * missing)
        if window.next_sample >= window.stop:
            open_windows.remove(window)
            yield window.clip(window.window.end)


def _encode(
    picture: av.VideoFrame, size: tuple[int, int], orientation: _Orientation, quality: int
) -> bytes:
    buffer = io.BytesIO()
    rgb = _rgb(picture, size, orientation)
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def _rgb(picture: av.VideoFrame, size: tuple[int, int], orientation: _Orientation) -> np.ndarray:
    """Returns the displayed picture, uint8 [H, W, 3]; `size` is that of the stored one."""
    try:
        scaled = picture.reformat(*size, format="rgb24", interpolation="BICUBIC")
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError("corrupt", f"a frame cannot be converted: {error}") from error
    return np.ascontiguousarray(orientation.apply(scaled.to_ndarray()))


def _open(path: str) -> av.container.InputContainer:
    # With the protocol before it, no name is taken for an address or an option.
    return av.open(
        f"file:{os.path.abspath(path)}", options=dict(_OPEN_OPTIONS), metadata_errors="ignore"
    )


def _not_opened(path: str, error: av.error.FFmpegError) -> VideoError:
    """Tells a broken video from a file that never was one."""
    if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.EACCES, errno.EISDIR):
        return VideoError("unreadable", f"the file cannot be read: {error.strerror}")
    with open(path, "rb") as stream:
        head = stream.read(16)
    if any(head[at:].startswith(magic) for at, magic in _SIGNATURES):
        return VideoError(
            "corrupt", f"begins like a video but cannot be opened ({error.strerror}); incomplete?"
        )
    return VideoError("not_a_video", "the content is not a video, whatever the name says")


def _picture_stream(container: av.container.InputContainer) -> av.VideoStream:
    streams = [
        stream for stream in container.streams.video if not stream.disposition & _STILL_PICTURES
    ]
    if not streams:
        raise VideoError("no_video_stream", "the file has no moving picture, only sound or covers")
    best = container.streams.best("video")
    chosen = best if best in streams else streams[0]
    if chosen.codec_context is None:
        raise VideoError("no_decoder", "there is no decoder for the picture")
    return chosen


def _duration(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    origin: fractions.Fraction,
) -> float | None:
    """Returns the end of the picture in seconds as the container says, or None."""
    if stream.duration and stream.time_base:
        start = (stream.start_time or 0) * stream.time_base - origin
        return float(start + stream.duration * stream.time_base)
    # Matroska, as most programs write it, has the duration of each track as a tag.
    tag = _DURATION_TAG.fullmatch(stream.metadata.get("DURATION", ""))
    if tag:
        hours, minutes, seconds = tag.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def _scanned_duration(path: str, stream_index: int, origin: fractions.Fraction) -> float:
    """Returns the end of the picture by reading all packets, without decoding them."""
    end = 0.0
    with contextlib.suppress(av.error.FFmpegError), _open(path) as container:
        for packet in container.demux(container.streams[stream_index]):
            if packet.pts is not None:
                time = (packet.pts + (packet.duration or 0)) * packet.time_base - origin
                end = max(end, float(time))
    if end <= 0:
        raise VideoError("no_frames", "the file has a video stream without frames")
    return end


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream, origin: fractions.Fraction
) -> Iterator[_Frame]:
    usual_duration = 1 / _frame_rate(stream)
    time = -usual_duration
    num_frames = 0
    breaks_off = False
    try:
        for packet in container.demux(stream):
            # The demuxer marks a packet of which the file has only a part. A decoder with several
            # threads reports it some packets later.
            breaks_off = breaks_off or packet.is_corrupt
            if packet.has_sidedata("encryption_info"):
                raise VideoError("encrypted", "the picture is encrypted")
            try:
                pictures = packet.decode()
            except av.error.InvalidDataError:
                # A recording that was cut out of a broadcast begins in the middle of a group of
                # pictures; what comes before its first key frame does not decode.
                if num_frames:
                    raise
                continue
            for picture in pictures:
                num_frames += 1
                if picture.pts is None:
                    time += usual_duration
                else:
                    time = picture.pts * picture.time_base - origin
                ticks = picture.duration or 0
                yield _Frame(picture, time, ticks * picture.time_base or usual_duration)
    except av.error.FFmpegError as error:
        after = f"after {float(max(time, 0)):.1f} s"
        if breaks_off:
            raise VideoError("truncated", f"the file breaks off {after}") from error
        raise VideoError("corrupt", f"decoding fails {after}: {error.strerror}") from error


def _frame_rate(stream: av.VideoStream) -> fractions.Fraction:
    return stream.average_rate or stream.guessed_rate or fractions.Fraction(25)


def _in_order(frames: Iterator[_Frame]) -> Iterator[_Frame]:
    """Leaves out frames that go back in time, as after a jump of the recorder's clock."""
    last = None
    for frame in frames:
        if last is None or frame.time > last:
            last = frame.time
            yield frame


def _orientation(picture: av.VideoFrame) -> _Orientation:
    """Reads the display matrix, which phones write when they are held upright."""
    side_data = picture.side_data.get(SideDataType.DISPLAYMATRIX)
    if side_data is None:
        return _Orientation()
    a, b, _, c, d, *_ = struct.unpack("<9i", bytes(side_data)[:36])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _Orientation(False, a < 0, d < 0)
    return _Orientation(True, c < 0, b < 0)


def _square_pixels(
    picture: av.VideoFrame, aspect_ratio: fractions.Fraction | None
) -> tuple[int, int]:
    """Returns width and height of the stored picture if its pixels were square."""
    if not aspect_ratio or not 0.1 <= aspect_ratio <= 10:
        aspect_ratio = fractions.Fraction(1)
    return max(1, round(picture.width * aspect_ratio)), picture.height


def _exact_rate(frame_rate: float) -> fractions.Fraction:
    return fractions.Fraction(frame_rate).limit_denominator(100_000)


def _scaled_size(
    width: int, height: int, short_side: int, enlarge: bool = False
) -> tuple[int, int]:
    scale = short_side / min(width, height)
    if not enlarge:
        scale = min(1.0, scale)
    return round(width * scale), round(height * scale)
