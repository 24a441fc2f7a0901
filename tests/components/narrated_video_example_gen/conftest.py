"""Small videos, made for the tests by PyAV."""

import fractions
import io
import pathlib
from collections.abc import Callable, Mapping, Sequence

import av
import numpy as np
import pytest
from PIL import Image

DARKEST, GREY_STEP = 20, 3.5


def grey_frame(number: int, width: int, height: int) -> np.ndarray:
    """Returns a picture, uint8 [height, width, 3], whose grey tells its number, 0 to 60."""
    return np.full((height, width, 3), round(DARKEST + GREY_STEP * number), np.uint8)


def write_video(
    path: pathlib.Path,
    times: Sequence[float],
    size: tuple[int, int] = (64, 48),
    paint: Callable[[int, int, int], np.ndarray] = grey_frame,
    rotation: int = 0,
    aspect_ratio: fractions.Fraction | None = None,
    options: Mapping[str, str] | None = None,
    sound_seconds: float = 0.0,
) -> pathlib.Path:
    """Writes an H.264 video that shows frame n from times[n] on, exact to a millisecond.

    Sound, if any, is silent and begins at 0. `options` are FFmpeg's, of the container.
    """
    with av.open(str(path), "w", options=dict(options or {})) as container:
        # The rate says how long the last frame is shown.
        rate = round(1 / (times[1] - times[0])) if len(times) > 1 else 30
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "4", "preset": "ultrafast", "g": "10"}
        stream.codec_context.time_base = fractions.Fraction(1, 1000)
        if aspect_ratio:
            stream.codec_context.sample_aspect_ratio = aspect_ratio
        sound = _add_sound(container) if sound_seconds else None
        if rotation:
            stream.set_display_rotation(rotation)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(paint(number, *size), format="rgb24")
            frame.pts = round(time * 1000)
            frame.time_base = fractions.Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound:
            _write_silence(container, sound, sound_seconds)
    return path


def write_sound(path: pathlib.Path, seconds: float = 1.0) -> pathlib.Path:
    """Writes a file with a silent AAC track alone."""
    with av.open(str(path), "w") as container:
        _write_silence(container, _add_sound(container), seconds)
    return path


def _add_sound(container):
    return container.add_stream("aac", rate=16_000, layout="mono")


def _write_silence(container, stream, seconds: float) -> None:
    for start in range(0, int(seconds * 16_000), 1024):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16_000
        frame.pts = start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def decode_jpeg(jpeg: bytes) -> np.ndarray:
    """Returns the picture, uint8 [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(jpeg)))


def frame_numbers(frames: Sequence[bytes]) -> list[int]:
    """Returns the numbers that `grey_frame` painted."""
    return [round((decode_jpeg(frame).mean() - DARKEST) / GREY_STEP) for frame in frames]


@pytest.fixture(name="write_video")
def fixture_write_video():
    return write_video


@pytest.fixture(name="write_sound")
def fixture_write_sound():
    return write_sound


@pytest.fixture(name="decode_jpeg")
def fixture_decode_jpeg():
    return decode_jpeg


@pytest.fixture(name="frame_numbers")
def fixture_frame_numbers():
    return frame_numbers
