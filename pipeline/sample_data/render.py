"""From a script to the frames of a video."""

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from pipeline.sample_data.artwork import RESOLUTION, Texture, paint_parts
from pipeline.sample_data.motions import MOTIONS
from pipeline.sample_data.scenery import MARGIN, View, draw_background, draw_camera
from pipeline.sample_data.script import VideoScript

# Half of the item's side, in short sides of the picture.
_RADII = (0.225, 0.27)
# A part whose area shrinks to less than this share of its texture's is seen from the side.
_EDGE_ON = 1e-3


def render_frames(script: VideoScript) -> Iterator[Image.Image]:
    """Draws the frames of a video in time order.

    Before the first step and after the last one only the background is seen.

    Args:
      script: what to draw.

    Yields:
      RGB images of the script's width and height, `script.num_frames` of them.
    """
    rng = np.random.default_rng(script.picture_seed)
    camera = draw_camera(rng)
    background = draw_background(rng, script.width, script.height)
    short = min(script.width, script.height)
    position = 0
    drawn: int | None = None
    parts: dict[str, Texture] = {}
    placement = np.zeros((2, 3))
    for frame in range(script.num_frames):
        time = float(frame / script.frame_rate)
        view = camera.look(time, frame)
        while position < len(script.steps) and time >= script.steps[position].end:
            position += 1
            if rng.random() < 0.4:
                background = draw_background(rng, script.width, script.height)
        picture = _look_at(background, view, script.width, script.height)
        if position < len(script.steps) and time >= script.steps[position].start:
            step = script.steps[position]
            if drawn != position:
                drawn = position
                parts = paint_parts(step.item)
                radius = rng.uniform(*_RADII)
                x, y = rng.uniform(-0.05, 0.05, size=2)
                placement = np.array([[radius, 0.0, x], [0.0, radius, y]])
            phase = ((time - step.start) / step.period + step.phase) % 1
            to_pixels = _to_pixels(view, short, script.width, script.height)
            for part, matrix in MOTIONS[step.action](phase):
                _paste(picture, parts[part], _compose(to_pixels, _compose(placement, matrix)))
        yield picture


def _compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Returns the affine map [2, 3] that applies `inner` and then `outer`."""
    result = outer[:, :2] @ inner
    result[:, 2] += outer[:, 2]
    return result


def _to_pixels(view: View, short: int, width: int, height: int) -> np.ndarray:
    """Returns the map from the scene, in short sides from its centre, to pixels."""
    scale = short * view.zoom
    return np.array(
        [
            [scale, 0.0, width / 2 - scale * view.x],
            [0.0, scale, height / 2 - scale * view.y],
        ]
    )


def _look_at(background: Image.Image, view: View, width: int, height: int) -> Image.Image:
    short = min(width, height)
    border = round(MARGIN * short)
    centre_x = border + width / 2 + view.x * short
    centre_y = border + height / 2 + view.y * short
    half_x, half_y = width / 2 / view.zoom, height / 2 / view.zoom
    box = (centre_x - half_x, centre_y - half_y, centre_x + half_x, centre_y + half_y)
    return background.resize((width, height), Image.Resampling.BILINEAR, box=box)


def _paste(picture: Image.Image, texture: Texture, matrix: np.ndarray) -> None:
    """Pastes a texture through an affine map from its own coordinates to pixels of the picture."""
    # The texture's pixels are affine in the part's coordinates, so one map leads to the picture.
    unit = 1 / RESOLUTION
    placed = _compose(matrix, np.array([[unit, 0.0, texture.left], [0.0, unit, texture.top]]))
    (a, b, x), (c, d, y) = placed.tolist()
    texture_width, texture_height = texture.mask.size
    corners = [(0, 0), (texture_width, 0), (0, texture_height), (texture_width, texture_height)]
    xs = [x + a * column + b * row for column, row in corners]
    ys = [y + c * column + d * row for column, row in corners]
    left, top = max(math.floor(min(xs)), 0), max(math.floor(min(ys)), 0)
    right = min(math.ceil(max(xs)), picture.width)
    bottom = min(math.ceil(max(ys)), picture.height)
    determinant = a * d - b * c
    if left >= right or top >= bottom or abs(determinant) < _EDGE_ON:
        return
    # Pillow wants the map from the picture to the texture.
    inverse = (d / determinant, -b / determinant, -c / determinant, a / determinant)
    dx, dy = left - x, top - y
    coefficients = (
        inverse[0], inverse[1], inverse[0] * dx + inverse[1] * dy,
        inverse[2], inverse[3], inverse[2] * dx + inverse[3] * dy,
    )  # fmt: skip
    size = (right - left, bottom - top)
    colour, mask = (
        image.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
        for image in (texture.colour, texture.mask)
    )
    picture.paste(colour, (left, top), mask)
