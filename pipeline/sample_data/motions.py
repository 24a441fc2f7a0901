"""What each action looks like: where the parts of the item and the tools are at a moment.

A motion is a function of the moment in its cycle. It returns layers, bottom first; each places a
part of the item or a tool by an affine map from the part's own coordinates to the item's, in which
an item at rest fills the square from -1 to 1, y downwards.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

WHOLE, LEFT, RIGHT, RIGHT_BACK, BLADE, PLATE, HAND, DROP = (
    "whole", "left", "right", "right_back", "blade", "plate", "hand", "drop",
)  # fmt: skip


class Layer(NamedTuple):
    """One thing to draw.

    Attributes:
      part: which texture, one of the names above.
      matrix: float64 [2, 3], the affine map from the part's coordinates to the item's.
    """

    part: str
    matrix: np.ndarray


def _place(
    x: float = 0.0, y: float = 0.0, sx: float = 1.0, sy: float = 1.0, degrees: float = 0.0
) -> np.ndarray:
    """Returns the map that scales, then turns clockwise on the screen, then moves."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine * sx, -sine * sy, x], [sine * sx, cosine * sy, y]])


def _wave(phase: float) -> float:
    """Returns 0 at phase 0, 1 at phase 0.5, smoothly."""
    return 0.5 - 0.5 * math.cos(2 * math.pi * phase)


def _ramp(phase: float, begin: float, end: float) -> float:
    """Returns 0 before `begin`, 1 after `end`, smoothly between."""
    share = min(1.0, max(0.0, (phase - begin) / (end - begin)))
    return share * share * (3 - 2 * share)


def _rest(phase: float) -> list[Layer]:
    return [Layer(WHOLE, _place())]


def _cut(phase: float) -> list[Layer]:
    """A blade comes down, the halves fall apart and are put together again."""
    gap = _ramp(phase, 0.25, 0.5) - _ramp(phase, 0.75, 0.95)
    blade = -2.1 + 2.1 * (_ramp(phase, 0.0, 0.25) - _ramp(phase, 0.4, 0.65))
    return [
        Layer(LEFT, _place(x=-0.5 * gap, y=0.1 * gap, degrees=-16 * gap)),
        Layer(RIGHT, _place(x=0.5 * gap, y=0.1 * gap, degrees=16 * gap)),
        Layer(BLADE, _place(y=blade)),
    ]


def _pour(phase: float) -> list[Layer]:
    """The item tips over and drops run out of it."""
    tilt = _ramp(phase, 0.0, 0.25) - _ramp(phase, 0.8, 1.0)
    layers = [Layer(WHOLE, _place(x=-0.35, y=-0.5, sx=0.9, sy=0.9, degrees=100 * tilt))]
    if tilt > 0.5:
        fall = (phase * 4) % 1
        layers += [
            Layer(DROP, _place(x=0.55 + 0.12 * (n % 2), y=-0.35 + 0.6 * (n + fall)))
            for n in range(4)
        ]
    return layers


def _fold(phase: float) -> list[Layer]:
    """The right half turns over onto the left half and back."""
    angle = math.pi * (_ramp(phase, 0.05, 0.45) - _ramp(phase, 0.6, 1.0))
    matrix = np.array([[math.cos(angle), 0.0, 0.0], [-0.45 * math.sin(angle), 1.0, 0.0]])
    return [
        Layer(LEFT, _place()),
        Layer(RIGHT if angle < math.pi / 2 else RIGHT_BACK, matrix),
    ]


def _rotate(phase: float) -> list[Layer]:
    return [Layer(WHOLE, _place(degrees=360 * phase))]


def _stack(phase: float) -> list[Layer]:
    """A second one comes down onto the first and is lifted off again."""
    height = _ramp(phase, 0.0, 0.4) - _ramp(phase, 0.65, 1.0)
    return [
        Layer(WHOLE, _place(y=0.6, sx=0.78, sy=0.62)),
        Layer(WHOLE, _place(y=-2.1 + 1.75 * height, sx=0.78, sy=0.62)),
    ]


def _shake(phase: float) -> list[Layer]:
    swing = math.sin(2 * math.pi * phase)
    return [Layer(WHOLE, _place(x=0.6 * swing, degrees=14 * swing))]


def _stretch(phase: float) -> list[Layer]:
    """Two hands pull the item apart sideways."""
    pull = _wave(phase)
    width = 1 + 0.6 * pull
    return [
        Layer(WHOLE, _place(sx=width, sy=1 - 0.35 * pull)),
        Layer(HAND, _place(x=-width)),
        Layer(HAND, _place(x=width)),
    ]


def _press(phase: float) -> list[Layer]:
    """A plate presses the item flat from above."""
    squash = _wave(phase)
    height = 1 - 0.68 * squash
    return [
        Layer(WHOLE, _place(y=1 - height, sx=1 + 0.3 * squash, sy=height)),
        Layer(PLATE, _place(y=0.85 - 2 * height)),
    ]


REST: Callable[[float], list[Layer]] = _rest
MOTIONS: dict[str, Callable[[float], list[Layer]]] = {
    "cut": _cut,
    "pour": _pour,
    "fold": _fold,
    "rotate": _rotate,
    "stack": _stack,
    "shake": _shake,
    "stretch": _stretch,
    "press": _press,
}
