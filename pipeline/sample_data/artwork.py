"""The pictures of the items and of the tools that act on them."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from pipeline.sample_data import motions
from pipeline.sample_data.world import COLOURS, SHAPES, Item

# Texture pixels to a unit of the item's coordinates.
RESOLUTION = 40
# Parts are painted on the square from -EXTENT to EXTENT, in _SIZE pixels.
_EXTENT = 1.15
_SIZE = round(2 * _EXTENT * RESOLUTION)
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
    """A picture with its outline, cut to the outline.

    Attributes:
      colour: RGB image.
      mask: L image of the same size, 255 inside the outline.
      left: x of the image's left edge in the part's own coordinates.
      top: y of the image's top edge.
    """

    colour: Image.Image
    mask: Image.Image
    left: float
    top: float


def paint_parts(item: Item) -> dict[str, Texture]:
    """Paints all parts that the motions place.

    Args:
      item: the object.

    Returns:
      A texture for each part name of `motions`.
    """
    colour = _paint_pattern(item)
    mask = _paint_mask(SHAPES[item.shape])
    left = np.asarray(mask).copy()
    left[:, _SIZE // 2 :] = 0
    right = np.asarray(mask) - left
    shaded = Image.fromarray((np.asarray(colour) * 0.62).astype(np.uint8))
    parts = {
        motions.WHOLE: _cut_out(colour, mask),
        motions.LEFT: _cut_out(colour, Image.fromarray(left)),
        motions.RIGHT: _cut_out(colour, Image.fromarray(right)),
        motions.RIGHT_BACK: _cut_out(shaded, Image.fromarray(right)),
    }
    for part, (body, outline) in {**_TOOLS, motions.DROP: (COLOURS[item.colour], _DROP)}.items():
        parts[part] = _cut_out(Image.new("RGB", (_SIZE, _SIZE), body), _paint_mask(outline))
    return parts


def _cut_out(colour: Image.Image, mask: Image.Image) -> Texture:
    left, top, right, bottom = mask.getbbox()
    # One pixel of margin, so that bilinear interpolation finds the soft edge of the outline.
    box = (max(left - 1, 0), max(top - 1, 0), min(right + 1, _SIZE), min(bottom + 1, _SIZE))
    return Texture(
        colour.crop(box), mask.crop(box), *(edge / RESOLUTION - _EXTENT for edge in box[:2])
    )


def _to_pixels(points: list[tuple[float, float]], size: int) -> list[tuple[float, float]]:
    return [((x / _EXTENT + 1) * size / 2, (y / _EXTENT + 1) * size / 2) for x, y in points]


def _paint_mask(outline: list[tuple[float, float]]) -> Image.Image:
    size = _SIZE * _OVERSAMPLING
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).polygon(_to_pixels(outline, size), fill=255)
    return mask.resize((_SIZE, _SIZE), Image.Resampling.BOX)


def _paint_pattern(item: Item) -> Image.Image:
    """Paints the item's colour: plain, with dark stripes, or with white dots."""
    size = _SIZE * _OVERSAMPLING
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
    return picture.resize((_SIZE, _SIZE), Image.Resampling.BOX)
