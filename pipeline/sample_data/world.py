"""The things of the sample world: shapes, colours, patterns and actions, and the words for them."""

import dataclasses
import math

import numpy as np

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Action:
    """What can be done to an item.

    Attributes:
      name: the canonical verb.
      gerund: its -ing form.
      synonym: a second verb for the same action.
      synonym_gerund: the -ing form of the second verb.
      periods: shortest and longest duration of one cycle of the motion, in seconds.
    """

    name: str
    gerund: str
    synonym: str
    synonym_gerund: str
    periods: tuple[float, float] = (2.8, 3.5)


@dataclasses.dataclass(frozen=True)
class Item:
    """An object of the world.

    Attributes:
      colour: a key of `COLOURS`.
      pattern: one of `PATTERNS`.
      shape: a key of `SHAPES`.
    """

    colour: str
    pattern: str
    shape: str


ACTIONS = {
    action.name: action
    for action in (
        Action("cut", "cutting", "slice", "slicing"),
        Action("pour", "pouring", "tip", "tipping"),
        Action("fold", "folding", "crease", "creasing"),
        Action("rotate", "rotating", "turn", "turning", (3.2, 4.0)),
        Action("stack", "stacking", "pile", "piling"),
        Action("shake", "shaking", "wiggle", "wiggling", (1.0, 1.25)),
        Action("stretch", "stretching", "pull", "pulling"),
        Action("press", "pressing", "flatten", "flattening"),
    )
}

# Far apart after chroma subsampling, and all more saturated than any background.
COLOURS = {
    "red": (222, 26, 30),
    "orange": (255, 138, 0),
    "yellow": (252, 232, 30),
    "green": (24, 150, 44),
    "turquoise": (40, 214, 208),
    "blue": (28, 62, 226),
    "purple": (122, 30, 160),
    "pink": (255, 128, 196),
}

PATTERNS = ("plain", "striped", "dotted")


def _regular(radii: tuple[float, ...], start: float) -> list[Point]:
    """Returns points at equal angles with the given radii, the first at `start` degrees."""
    angles = np.radians(start) + np.arange(len(radii)) * 2 * math.pi / len(radii)
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]


def _heart() -> list[Point]:
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    x = 16 * np.sin(angles) ** 3
    y = 13 * np.cos(angles) - 5 * np.cos(2 * angles) - 2 * np.cos(3 * angles) - np.cos(4 * angles)
    return [(float(a), float(b)) for a, b in zip(x / 16, -(y + 2.5) / 15, strict=True)]


def _moon() -> list[Point]:
    outer = np.radians(np.linspace(42, 318, 30))
    inner = np.radians(np.linspace(283, 77, 24))
    points = [(math.cos(a) + 0.15, math.sin(a)) for a in outer]
    return points + [(0.68 * math.cos(a) + 0.75, 0.68 * math.sin(a)) for a in inner]


# Outlines in a box from -1 to 1, y downwards. None looks the same after every rotation.
SHAPES: dict[str, list[Point]] = {
    "triangle": [(0.0, -0.95), (1.0, 0.85), (-1.0, 0.85)],
    "square": [(-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)],
    "star": _regular((1.05, 0.42) * 5, -90),
    "heart": _heart(),
    "cross": [
        (-0.32, -1), (0.32, -1), (0.32, -0.32), (1, -0.32), (1, 0.32), (0.32, 0.32),
        (0.32, 1), (-0.32, 1), (-0.32, 0.32), (-1, 0.32), (-1, -0.32), (-0.32, -0.32),
    ],
    "arrow": [
        (0.0, -1.0), (0.9, -0.05), (0.34, -0.05), (0.34, 1.0),
        (-0.34, 1.0), (-0.34, -0.05), (-0.9, -0.05),
    ],
    "moon": _moon(),
    "arch": [
        (-0.9, 0.95), *_regular((0.9,) * 24, 180)[:13], (0.9, 0.95), (0.4, 0.95),
        (0.4, 0.1), (0.28, -0.18), (0.0, -0.32), (-0.28, -0.18), (-0.4, 0.1), (-0.4, 0.95),
    ],
}  # fmt: skip


def describe(action: str, item: Item) -> str:
    """Returns the canonical caption of a step, such as "fold the red striped star"."""
    return f"{action} the {item.colour} {item.pattern} {item.shape}"
