"""The pictures of the items and of the tools that act on them."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from pipeline.sample_data import motions
from pipeline.sample_data.world import COLOURS, SHAPES, Item

# A texture covers the square from -EXTENT to EXTENT of its own coordinates.
EXTENT = 1.15
TEXTURE_SIZE = 92
_OVERSAMPLING = 4

_STEEL, _WOOD, _SKIN = (190, 196, 204), (58, 52, 50), (226, 176, 146)
_TOOLS = {
    motions.BLADE: (_STEEL, [(-0.12, -1.1), (0.12, -1.1), (0.12, 0.7), (0.0, 1.0), (-0.12, 0.7)]),
    motions.PLATE: (_WOOD, [(-1.1, -0.16), (1.1, -0.16), (1.1, 0.16), (-1.1, 0.16)]),
    motions.HAND: (
        _SKIN,
        [(-0.24, -0.18), (0.0, -0.3), (0.24, -0.18), (0.24, 0.18), (0.0, 0.3), (-0.24, 0.18)],
    ),
}
_DROP = [(0.0, -0.26), (0.16, 0.02), (0.12, 0.16), (0.0, 0.22), (-0.12, 0.16), (-0.16, 0.02)]


class Texture(NamedTuple):
    """A picture with its outline.

    Attributes:
      colour: RGB image of `TEXTURE_SIZE` squared pixels.
      mask: L image of the same size, 255 inside the outline.
    """

    colour: Image.Image
    mask: Image.Image


def paint_parts(item: Item) -> dict[str, Texture]:
    """Paints all parts that the motions place.

    Args:
      item: the object.

    Returns:
      A texture for each part name of `motions`.
    """
    body = COLOURS[item.colour]
    colour = _paint_pattern(item)
    mask = _paint_mask(SHAPES[item.shape])
    left = np.asarray(mask).copy()
    left[:, TEXTURE_SIZE // 2 :] = 0
    right = np.asarray(mask) - left
    halves = {motions.LEFT: Image.fromarray(left), motions.RIGHT: Image.fromarray(right)}
    parts = {part: Texture(colour, half) for part, half in halves.items()}
    shaded = Image.fromarray((np.asarray(colour) * 0.62).astype(np.uint8))
    parts[motions.WHOLE] = Texture(colour, mask)
    parts[motions.RIGHT_BACK] = Texture(shaded, halves[motions.RIGHT])
    parts[motions.DROP] = _paint_plain(body, _DROP)
    for part, (tool_colour, outline) in _TOOLS.items():
        parts[part] = _paint_plain(tool_colour, outline)
    return parts


def _paint_plain(colour: tuple[int, int, int], outline: list[tuple[float, float]]) -> Texture:
    picture = Image.new("RGB", (TEXTURE_SIZE, TEXTURE_SIZE), colour)
    return Texture(picture, _paint_mask(outline))


def _to_pixels(points: list[tuple[float, float]], size: int) -> list[tuple[float, float]]:
    return [((x / EXTENT + 1) * size / 2, (y / EXTENT + 1) * size / 2) for x, y in points]


def _paint_mask(outline: list[tuple[float, float]]) -> Image.Image:
    size = TEXTURE_SIZE * _OVERSAMPLING
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).polygon(_to_pixels(outline, size), fill=255)
    return mask.resize((TEXTURE_SIZE, TEXTURE_SIZE), Image.Resampling.BOX)


def _paint_pattern(item: Item) -> Image.Image:
    """Paints the item's colour: plain, with dark stripes, or with white dots."""
    size = TEXTURE_SIZE * _OVERSAMPLING
    picture = Image.new("RGB", (size, size), COLOURS[item.colour])
    draw = ImageDraw.Draw(picture)
    if item.pattern == "striped":
        dark = tuple(channel // 4 for channel in COLOURS[item.colour])
        for centre in np.arange(-1.0, 1.01, 0.5):
            band = [(-2, centre - 0.1), (2, centre - 0.1), (2, centre + 0.1), (-2, centre + 0.1)]
            draw.polygon(_to_pixels(band, size), fill=dark)
    elif item.pattern == "dotted":
        for row, y in enumerate(np.arange(-0.96, 1.0, 0.48)):
            for x in np.arange(-1.2 + 0.27 * (row % 2), 1.2, 0.54):
                box = _to_pixels([(x - 0.15, y - 0.15), (x + 0.15, y + 0.15)], size)
                draw.ellipse(box, fill=(255, 255, 255))
    return picture.resize((TEXTURE_SIZE, TEXTURE_SIZE), Image.Resampling.BOX)
