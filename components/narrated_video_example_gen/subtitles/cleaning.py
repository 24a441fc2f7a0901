"""From the captions of a file to captions in time order, in which each word is said once."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.markup import plain_text

BAD_TIME = "bad_time"
ZERO_LENGTH = "zero_length"
NO_TEXT = "no_text"
REPEAT = "repeat"

# How long a caption lasts whose end nobody knows, unless the next one begins earlier: as long as
# the shortest clip of MIL-NCE (Miech et al. 2020).
OPEN_END_SECONDS = 5.0
# What stood on the screen may stand there again after a longer pause without having rolled.
_MAX_ROLL_GAP = 1.0
# Of HowTo100M's CSVs, those with rolling text have 65 to 98 % of such lines and the others at most
# 3 %; with the fillers of YouTube's WebVTT between them it is every second line.
_MIN_ROLLING_SHARE = 0.2
# YouTube's fillers last 10 ms; nobody reads a caption of 50.
_MAX_FILLER_SECONDS = 0.05
_MAX_LINES_ON_SCREEN = 64


_MESSAGES = {
    BAD_TIME: "its times cannot be read",
    ZERO_LENGTH: "it ends when it starts, or before",
    NO_TEXT: "nothing is said in it",
    REPEAT: "its words were on the screen before",
}


@dataclasses.dataclass(frozen=True)
class Drop:
    """A line of a subtitle file that is no caption.

    Attributes:
      index: its position in the file, from 0.
      start: its start in seconds; None where it cannot be read.
      end: its end in seconds; None where it cannot be read or is open.
      text: its text on one line, as far as it can be read.
      reason: `bad_time`, `zero_length`, `no_text` or `repeat`.
    """

    index: int
    start: float | None
    end: float | None
    text: str
    reason: str

    @property
    def message(self) -> str:
        """What is wrong with the line, in one line for people."""
        start, end = ("?" if time is None else f"{time:.3f}" for time in (self.start, self.end))
        return f"line {self.index} ({start} to {end} s): {_MESSAGES[self.reason]}: {self.text!r}"


@dataclasses.dataclass
class _Line:
    index: int
    start: float
    end: float
    text: str

    def dropped(self, reason: str) -> Drop:
        start, end = (time if math.isfinite(time) else None for time in (self.start, self.end))
        return Drop(self.index, start, end, self.text, reason)


def clean_captions(captions: Iterable[Caption]) -> list[Caption]:
    """Returns what `clean_captions_with_drops` does, without the drops.

    Args:
      captions: captions as a parser gives them.
    """
    return clean_captions_with_drops(captions)[0]


def clean_captions_with_drops(
    captions: Iterable[Caption],
) -> tuple[list[Caption], list[Drop]]:
    """Cleans the captions of one file.

    Text is stripped to what is said (see `markup.plain_text`); lines without text, length or
    readable times are dropped; times are rounded to milliseconds and begin at 0; captions are put
    in time order; those that start together become one, in the file's order; the repeats of rolling
    tracks are removed; and a caption that overlaps the next one ends where that one starts.

    A rolling track is how YouTube shows automatic captions: each cue repeats the line above the new
    one, and short cues between them repeat it alone. HowTo100M's CSVs are made from such cues. The
    track counts as rolling where a fifth of its cues begin with a whole line of the one before and
    go on, or are such short ones, so that a song's refrain or a "No. No!" in an ordinary transcript
    stays.

    Args:
      captions: captions as a parser gives them: times in seconds, NaN where they cannot be read, an
        infinite end where it is open; text with markup and line ends.

    Returns:
      The captions, and the lines that were dropped, in the file's order.
    """
    lines: list[_Line] = []
    drops: list[Drop] = []
    for index, caption in enumerate(captions):
        text = plain_text(caption.text)
        line = _Line(index, _rounded(caption.start), _rounded(caption.end), text)
        if not text:
            line.text = " ".join(caption.text.split())
        if not math.isfinite(line.start) or math.isnan(line.end):
            drops.append(line.dropped(BAD_TIME))
        elif not text:
            drops.append(line.dropped(NO_TEXT))
        elif line.end <= max(line.start, 0.0):
            drops.append(line.dropped(ZERO_LENGTH))
        else:
            line.start = max(line.start, 0.0)
            lines.append(line)
    lines.sort(key=lambda line: line.start)
    lines, repeats = _merge_equal_starts(lines)
    drops += repeats
    lines, repeats = _unroll(lines)
    drops += repeats
    _close(lines)
    drops.sort(key=lambda drop: drop.index)
    return [Caption(line.start, line.end, line.text) for line in lines], drops


def _rounded(seconds: float) -> float:
    return round(seconds, 3) if math.isfinite(seconds) else seconds


def _merge_equal_starts(lines: Sequence[_Line]) -> tuple[list[_Line], list[Drop]]:
    merged: list[_Line] = []
    repeats = []
    parts: set[str] = set()
    for line in lines:
        if not merged or merged[-1].start != line.start:
            merged.append(dataclasses.replace(line))
            parts = {line.text}
        elif line.text in parts:
            merged[-1].end = max(merged[-1].end, line.end)
            repeats.append(line.dropped(REPEAT))
        else:
            merged[-1].end = max(merged[-1].end, line.end)
            merged[-1].text += f" {line.text}"
            parts.add(line.text)
    return merged, repeats


def _unroll(lines: list[_Line]) -> tuple[list[_Line], list[Drop]]:
    unrolled, repeats = [], []
    num_rolled = 0
    screen: list[list[str]] = []
    screen_end = -math.inf
    for line in lines:
        words = line.text.split()
        if line.start - screen_end > _MAX_ROLL_GAP:
            screen = []
        remaining, num_repeated = _still_on_screen(screen, words)
        new = words[num_repeated:]
        if new:
            unrolled.append(dataclasses.replace(line, text=" ".join(new)))
            num_rolled += num_repeated > 0
            remaining = [*remaining, new]
        else:
            repeats.append(line.dropped(REPEAT))
            num_rolled += line.end - line.start <= _MAX_FILLER_SECONDS
        screen = remaining[-_MAX_LINES_ON_SCREEN:]
        screen_end = line.end
    if num_rolled < _MIN_ROLLING_SHARE * len(lines) or not num_rolled:
        return lines, []
    return unrolled, repeats


def _still_on_screen(
    screen: Sequence[Sequence[str]], words: Sequence[str]
) -> tuple[list[list[str]], int]:
    """Finds with how many of the last lines on the screen a cue begins, as many as possible.

    Args:
      screen: the words of each line that the cue before showed, from the top.
      words: the cue's words.

    Returns:
      Those lines, and how many of the cue's words they are.
    """
    for first in range(len(screen)):
        shown = [word for line in screen[first:] for word in line]
        if len(shown) <= len(words) and list(words[: len(shown)]) == shown:
            return [list(line) for line in screen[first:]], len(shown)
    return [], 0


def _close(lines: list[_Line]) -> None:
    """Ends each line where the next one starts at the latest, in place."""
    for index, line in enumerate(lines):
        if math.isinf(line.end):
            line.end = _rounded(line.start + OPEN_END_SECONDS)
        if index + 1 < len(lines):
            line.end = min(line.end, lines[index + 1].start)
