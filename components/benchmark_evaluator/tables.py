"""Tables of figures, the papers' rows and one's own."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple


class Cell(NamedTuple):
    """A figure and the ends of its interval, both as text; either may be empty."""

    value: str
    interval: str = ""


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
      method: what was measured.
      source: the paper and its table, or the file of the result.
      cells: the figures, in the order of the table's columns.
      own: whether it was measured here.
      note: what to know before comparing, or an empty string.
    """

    method: str
    source: str
    cells: Sequence[Cell]
    own: bool
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
      columns: names of the figures, in words.
      rows: the papers' and one's own.
    """

    columns: Sequence[str]
    rows: Sequence[Row]


def figure(name: str, value: float | None, interval: Sequence[float] | None = None) -> Cell:
    """Returns a figure as a cell: a rank as it is, a share in percent.

    Args:
      name: what it is, "median_rank" or a share.
      value: the figure; None leaves the cell empty.
      interval: its ends.
    """
    if value is None:
        return Cell("")
    ends = ", ".join(_number(name, end) for end in interval) if interval else ""
    return Cell(_number(name, value), f"[{ends}]" if ends else "")


def words(name: str) -> str:
    """Returns the name of a figure in words.

    Args:
      name: such as "average_recall".
    """
    return name.replace("_", " ")


def _number(name: str, value: float) -> str:
    """Returns the text of a figure: shares with one decimal place, or two below 1 %."""
    if name == "median_rank":
        return f"{value:g}"
    return f"{100 * value:.2f}" if 0 < value < 0.01 else f"{100 * value:.1f}"
