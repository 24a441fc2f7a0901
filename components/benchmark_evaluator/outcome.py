"""What an evaluation found out: figures, and how many items they rest on."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from components.benchmark_evaluator.annotations.items import Problem


@dataclasses.dataclass(frozen=True)
class Failure:
    """An item that is annotated and could not be scored, or was scored without a part of it.

    Attributes:
      item: which one.
      reason: a short fixed name, such as "missing_file".
      message: the same as one line for people.
    """

    item: str
    reason: str
    message: str


@dataclasses.dataclass(frozen=True)
class Items:
    """How many items the figures rest on.

    Attributes:
      unit: what an item is, in the plural: "clips", "videos".
      annotated: how many the annotations have, usable or not.
      found: of how many the video or the features are there.
      scored: how many the figures rest on.
      failures: all that was lost.
    """

    unit: str
    annotated: int
    found: int
    scored: int
    failures: Sequence[Failure]

    @property
    def is_complete(self) -> bool:
        """Whether the figures rest on all items that are annotated."""
        return self.scored == self.annotated

    def failed_by_reason(self) -> dict[str, int]:
        """Returns how many failures there are for each reason, the most frequent first."""
        return dict(collections.Counter(failure.reason for failure in self.failures).most_common())


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a task found out.

    Attributes:
      headline: name of the figure that decides about a push, larger being better.
      metrics: figures by name; shares are fractions.
      intervals: for some of them the ends of the bootstrap's interval.
      drawn: what the bootstrap draws.
      items: what the figures rest on.
      details: further figures, such as those of each task or split, of JSON's types.
    """

    headline: str
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    drawn: str
    items: Items
    details: Mapping[str, Any]


def reasons_in_words(failures: Sequence[Failure]) -> str:
    """Returns how many failures there are for each reason, such as "3 missing_file, 1 too_short".

    Args:
      failures: what was lost.
    """
    counted = collections.Counter(failure.reason for failure in failures).most_common()
    return ", ".join(f"{count} {reason}" for reason, count in counted) or "no failures"


def failures_of(problems: Sequence[Problem]) -> list[Failure]:
    """Returns the annotations that cannot be used as failures.

    Args:
      problems: as the annotations' readers return them.
    """
    return [Failure(problem.item, problem.reason, problem.message) for problem in problems]
