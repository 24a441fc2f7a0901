"""The headline figures of results as horizontal bars."""

import io
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure

_GREY, _OURS, _THEIRS = "#7d8590", "#3b82c4", "#b0b7c0"
_SETTINGS = {
    "axes.edgecolor": _GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "text.color": _GREY,
    "axes.labelcolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    # With a fixed salt and no date the same results give the same file.
    "svg.hashsalt": "results",
    # A dollar sign in a model's path is one.
    "text.parse_math": False,
}


class Bar(NamedTuple):
    """One figure.

    Attributes:
      name: what was measured.
      value: a share, as a fraction.
      interval: the ends of its interval, or None.
      own: whether it was measured here.
    """

    name: str
    value: float
    interval: Sequence[float] | None
    own: bool


def draw_bars(bars: Sequence[Bar], label: str) -> bytes:
    """Returns the bars as an SVG, in percent; one's own in colour and with their intervals.

    Args:
      bars: from top to bottom, at least one.
      label: of the axis.
    """
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(7.2, 0.9 + 0.32 * len(bars)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(
            range(len(bars)),
            [100 * bar.value for bar in bars],
            color=[_OURS if bar.own else _THEIRS for bar in bars],
        )
        for place, bar in enumerate(bars):
            if bar.interval:
                low, high = bar.interval
                axes.errorbar(
                    100 * bar.value,
                    place,
                    xerr=[[100 * max(0.0, bar.value - low)], [100 * max(0.0, high - bar.value)]],
                    color=_GREY,
                    capsize=3,
                )
        axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.grid(axis="x", color=_GREY, alpha=0.25, linewidth=0.6)
        image = io.BytesIO()
        figure.savefig(image, format="svg", transparent=True, metadata={"Date": None})
    return image.getvalue()
