"""Keeps what cannot be used while annotations are read."""

import dataclasses
import pathlib
from collections.abc import Collection, Hashable

from components.benchmark_evaluator.annotations.items import Problem


class ProblemLog:
    """The problems of a set, in the order in which they are met."""

    def __init__(self):
        self._problems: dict[Problem, Hashable] = {}

    def add(self, item: str, reason: str, message: str, loses: Hashable = None) -> None:
        """Adds a problem, unless it is there already.

        Args:
          item: which annotation, such as `place` says.
          reason: its short fixed name.
          message: the same as one line for people.
          loses: which item of the set is lost if nothing else keeps it, or None. Several problems
            may be of one item.
        """
        self._problems.setdefault(Problem(item, reason, message, loses is not None), loses)

    def problems(self, kept: Collection[Hashable]) -> tuple[Problem, ...]:
        """Returns the problems; each lost item is counted in the first one of it.

        Args:
          kept: the items that the set has in spite of problems.
        """
        found = []
        counted: set[Hashable] = set()
        for problem, lost in self._problems.items():
            is_lost = problem.loses_item and lost not in kept and lost not in counted
            counted.add(lost)
            found.append(dataclasses.replace(problem, loses_item=is_lost))
        return tuple(found)


def place(path: str | pathlib.Path, number: int, video_id: str = "") -> str:
    """Returns where an annotation is, for people.

    Args:
      path: its file.
      number: its number in the file, from 1, without headers and empty lines.
      video_id: the video that it names, or an empty string.
    """
    where = f"{path}, entry {number}"
    return f"{video_id} in {where}" if video_id else where
