"""Where the action takes place: backgrounds in muted colours, and a camera in someone's hand."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

# The background reaches beyond the picture by this share of its short side, for the camera.
MARGIN = 0.2


class View(NamedTuple):
    """Where the camera looks at a moment.

    Attributes:
      x: offset of the picture's centre to the right, in short sides.
      y: offset downwards, in short sides.
      zoom: magnification, about 1.
    """

    x: float
    y: float
    zoom: float


@dataclasses.dataclass(frozen=True)
class Camera:
    """A slowly moving, slightly shaking camera.

    Attributes:
      pan: amplitudes of the pan to the right and downwards, in short sides.
      periods: durations of a cycle of either pan and of the zoom, in seconds.
      zoom: amplitude of the magnification.
      jitter: [n, 2] offsets in short sides, one for each frame, used in a circle.
    """

    pan: tuple[float, float]
    periods: tuple[float, float, float]
    zoom: float
    jitter: np.ndarray

    def look(self, time: float, frame: int) -> View:
        """Returns where the camera looks at a time in seconds, in the given frame."""
        x, y, magnification = (math.sin(2 * math.pi * time / period) for period in self.periods)
        shake_x, shake_y = self.jitter[frame % len(self.jitter)]
        return View(
            self.pan[0] * x + shake_x, self.pan[1] * y + shake_y, 1 + self.zoom * magnification
        )


def draw_camera(rng: np.random.Generator) -> Camera:
    """Draws a camera; its pan never comes near the speed of a shaken item."""
    jitter = rng.normal(0.0, float(rng.uniform(0.0, 0.004)), size=(64, 2))
    return Camera(
        pan=(float(rng.uniform(0.0, 0.05)), float(rng.uniform(0.0, 0.04))),
        periods=tuple(float(period) for period in rng.uniform(7.0, 16.0, size=3)),
        zoom=float(rng.uniform(0.0, 0.07)),
        jitter=np.clip(jitter, -0.012, 0.012),
    )


def draw_background(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Paints a gradient, a cloth, tiles or a cluttered table.

    Args:
      rng: the source of randomness.
      width: of the picture, in pixels.
      height: of the picture, in pixels.

    Returns:
      An RGB image, larger than the picture by `MARGIN` of its short side on every side.
    """
    border = round(MARGIN * min(width, height))
    size = (width + 2 * border, height + 2 * border)
    paint = (_gradient, _cloth, _tiles, _clutter)[rng.integers(4)]
    return paint(rng, size)


def _muted(rng: np.random.Generator) -> np.ndarray:
    """Returns a colour close to a grey, float64 [3]."""
    return np.clip(rng.uniform(50, 215) + rng.uniform(-22, 22, size=3), 0, 255)


def _gradient(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    corners = np.array([_muted(rng) for _ in range(4)]).reshape(2, 2, 3)
    small = Image.fromarray(corners.astype(np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def _cloth(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    cells = int(rng.integers(5, 14))
    shades = _muted(rng) + rng.normal(0, 16, size=(cells, cells, 1))
    small = Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def _tiles(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    first = _muted(rng)
    second = np.clip(first + rng.uniform(-45, 45), 0, 255)
    cell = min(size) / rng.uniform(4, 8)
    rows, columns = (np.floor(np.arange(length) / cell).astype(int) for length in size[::-1])
    odd = (rows[:, None] + columns[None, :]) % 2 == 1
    return Image.fromarray(np.where(odd[..., None], first, second).astype(np.uint8))


def _clutter(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    picture = _gradient(rng, size)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(6, 14))):
        centre = rng.uniform(0, 1, size=2) * size
        half = rng.uniform(0.03, 0.13, size=2) * min(size)
        box = [*(centre - half), *(centre + half)]
        fill = tuple(int(channel) for channel in _muted(rng))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=fill)
    return picture.filter(ImageFilter.GaussianBlur(1))
