"""What the narrator says: about half of it is not what the picture shows at that moment.

HowTo100M's authors found about half of its clip-caption pairs misaligned (Miech et al., 2019,
section 3.2): said before or after the thing is shown, or about something else. The sample speaks in
the same way, in known proportions.
"""

import dataclasses
import enum
from collections.abc import Sequence

import numpy as np

from pipeline.sample_data.world import ACTIONS, Item


class Kind(str, enum.Enum):
    """How a line relates to the step on screen when it is said."""

    MATCH = "match"
    EARLY = "early"
    LATE = "late"
    FILLER = "filler"


@dataclasses.dataclass(frozen=True)
class Line:
    """One spoken line.

    Attributes:
      start: when its first word is said, in seconds.
      end: when the next line begins, in seconds.
      word_starts: when each of its words is said, in seconds.
      text: its words, lower case, without punctuation.
      kind: how it relates to the picture, as planned.
      described_step: position of the step it speaks about, None for filler.
    """

    start: float
    end: float
    word_starts: tuple[float, ...]
    text: str
    kind: Kind
    described_step: int | None


_PROPORTIONS = {Kind.MATCH: 0.5, Kind.EARLY: 0.2, Kind.LATE: 0.15, Kind.FILLER: 0.15}

_TEMPLATES = (
    "now we {verb} the {item}",
    "now {verb} the {item}",
    "then {verb} the {item}",
    "next you {verb} the {item}",
    "so {verb} the {item}",
    "go ahead and {verb} the {item}",
    "you want to {verb} the {item}",
    "{verb} the {item} like this",
    "just {verb} that {item} gently",
    "take the {item} and {verb} it",
    "here i {verb} a {item}",
    "we are {gerund} the {item}",
    "i am {gerund} this {item}",
    "start {gerund} the {item}",
    "keep {gerund} the {item} slowly",
)

_INTROS = (
    "hi everyone welcome back to my channel",
    "hey guys so today we make something",
    "hello and welcome to another video",
    "good morning everybody thanks for joining me",
)

_FILLERS = (
    "don't forget to subscribe to the channel",
    "let me know in the comments below",
    "um so yeah that looks pretty good",
    "i really love how this is going",
    "my grandma taught me this years ago",
    "if you enjoy these videos hit like",
    "you can find everything in the description",
    "okay so where were we",
    "sorry about the noise outside today",
    "it does not have to be perfect",
    "and honestly this is my favourite part",
    "do not worry if it looks messy",
    "i got a lot of questions about this",
    "we are almost there so stay with me",
    "check out my other videos as well",
    "this usually takes me about ten minutes",
)


def plan_kinds(rng: np.random.Generator, num_steps: int, num_intros: int) -> list[Kind]:
    """Draws how the line of each step relates to the picture.

    The share of matching lines among all lines, intros included, is one half in every video as
    nearly as whole lines allow.

    Args:
      rng: the source of randomness.
      num_steps: number of steps, each of which gets one line.
      num_intros: number of further lines that match nothing.

    Returns:
      `num_steps` kinds; the first is never late and the last never early.
    """
    total = num_steps + num_intros
    quota = {kind: share * total for kind, share in _PROPORTIONS.items()}
    quota[Kind.FILLER] = max(0.0, quota[Kind.FILLER] - num_intros)
    scale = (num_steps - quota[Kind.MATCH]) / (sum(quota.values()) - quota[Kind.MATCH])
    bounds = np.cumsum(
        [quota[Kind.MATCH], *(quota[kind] * scale for kind in (Kind.EARLY, Kind.LATE, Kind.FILLER))]
    )
    # Systematic sampling: one random offset, so every kind gets its quota rounded up or down.
    kinds = [
        list(_PROPORTIONS)[min(int(np.searchsorted(bounds, position)), len(bounds) - 1)]
        for position in np.arange(num_steps) + rng.random()
    ]
    kinds = [kinds[index] for index in rng.permutation(num_steps)]
    for edge, impossible in ((0, Kind.LATE), (num_steps - 1, Kind.EARLY)):
        if kinds[edge] is impossible:
            always_possible = [
                index for index, kind in enumerate(kinds) if kind in (Kind.MATCH, Kind.FILLER)
            ]
            if not always_possible:
                kinds[edge] = Kind.FILLER
                continue
            other = always_possible[rng.integers(len(always_possible))]
            kinds[edge], kinds[other] = kinds[other], kinds[edge]
    return kinds


def say_step(rng: np.random.Generator, action: str, item: Item) -> str:
    """Returns a spoken sentence about a step, 4 to 9 words, lower case."""
    words = ACTIONS[action]
    verb, gerund = words.name, words.gerund
    if rng.random() < 0.2:
        verb, gerund = words.synonym, words.synonym_gerund
    names = (
        f"{item.colour} {item.pattern} {item.shape}",
        f"{item.pattern} {item.colour} {item.shape}",
        f"{item.colour} {item.shape}",
    )
    noun = names[rng.choice(len(names), p=(0.5, 0.3, 0.2))]
    template = _TEMPLATES[rng.integers(len(_TEMPLATES))]
    return template.format(verb=verb, gerund=gerund, item=noun)


def say_fillers(rng: np.random.Generator, count: int) -> list[str]:
    """Returns spoken lines that have nothing to do with any step, never one twice in a row."""
    rounds = -(-count // len(_FILLERS))
    order = np.tile(rng.permutation(len(_FILLERS)), rounds)
    return [_FILLERS[index] for index in order[:count]]


def say_intro(rng: np.random.Generator) -> str:
    """Returns a greeting."""
    return _INTROS[rng.integers(len(_INTROS))]


def time_words(rng: np.random.Generator, text: str, start: float, end: float) -> tuple[float, ...]:
    """Spreads the words of a line over its time at a speaking pace.

    Args:
      rng: the source of randomness.
      text: the line.
      start: when the first word is said, in seconds.
      end: when the next line begins, in seconds.

    Returns:
      The start of each word in seconds, the first at `start`, all before `end`.
    """
    pauses = rng.uniform(0.22, 0.45, size=len(text.split()))
    pauses *= min(1.0, 0.9 * (end - start) / pauses.sum())
    return tuple(round(start + float(offset), 3) for offset in np.cumsum(pauses) - pauses)


def shown_step(line: Line, steps: Sequence[tuple[float, float]]) -> int | None:
    """Finds the step that is on screen for the longest part of a line.

    Args:
      line: the line.
      steps: start and end of each step in seconds.

    Returns:
      The position of the step, or None where no step is seen during the line.
    """
    overlaps = [min(line.end, end) - max(line.start, start) for start, end in steps]
    best = int(np.argmax(overlaps))
    return best if overlaps[best] > 0 else None
