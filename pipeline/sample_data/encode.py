"""Writes frames as an MP4 file."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

_AUDIO_RATE = 8000
_AUDIO_CHUNK = 1024


def write_mp4(
    path: Path,
    frames: Iterable[Image.Image],
    frame_rate: Fraction,
    size: tuple[int, int],
    noise: np.ndarray | None = None,
) -> None:
    """Encodes frames as H.264, and noise as AAC, in an MP4 file.

    Args:
      path: the file to write.
      frames: RGB images, all of the given size.
      frame_rate: frames a second.
      size: width and height in pixels, both even.
      noise: float32 [samples], the mono sound track at 8 kHz in [-1, 1], or None for no track.
    """
    with av.open(str(path), "w", format="mp4") as container:
        # One thread: the number of threads would change the bytes.
        video = container.add_stream(
            "libx264",
            rate=frame_rate,
            options={"preset": "superfast", "crf": "23", "threads": "1"},
        )
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        audio = None if noise is None else container.add_stream("aac", rate=_AUDIO_RATE)
        if audio is not None:
            audio.layout = "mono"
            audio.bit_rate = 16_000
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_image(picture)))
        container.mux(video.encode())
        if audio is not None and noise is not None:
            for start in range(0, len(noise), _AUDIO_CHUNK):
                chunk = av.AudioFrame.from_ndarray(
                    noise[None, start : start + _AUDIO_CHUNK], format="fltp", layout="mono"
                )
                chunk.sample_rate = _AUDIO_RATE
                chunk.pts = start
                container.mux(audio.encode(chunk))
            container.mux(audio.encode())


def draw_noise(rng: np.random.Generator, duration: float) -> np.ndarray:
    """Returns the hum of a quiet room, float32 [samples] at 8 kHz, for a duration in seconds."""
    return rng.normal(0.0, 0.005, size=round(duration * _AUDIO_RATE)).astype(np.float32)
