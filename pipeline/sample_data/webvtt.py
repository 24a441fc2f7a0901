"""WebVTT as YouTube writes its automatic captions."""

from collections.abc import Sequence

from pipeline.sample_data.narration import Line

_SETTINGS = "align:start position:0%"
# The cue in which a finished line has moved up and the next has not begun.
_HOLD = 0.01


def format_time(seconds: float) -> str:
    """Returns a WebVTT time stamp, hh:mm:ss.mmm."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds / 1000:06.3f}"


def format_rolling_captions(lines: Sequence[Line], music: tuple[float, float] | None = None) -> str:
    """Writes lines as rolling two-line captions.

    Each line is shown three times, as on YouTube: word by word in the lower row, for 10 ms alone in
    the upper row, and again in the upper row while the next line is spoken.

    Args:
      lines: the lines in time order.
      music: start and end in seconds of a sound tag before the first line, if any.

    Returns:
      The text of the WebVTT file.
    """
    cues = []
    above = " "
    if music is not None:
        cues.append((music[0], music[1] - _HOLD, " ", "[Music]"))
        cues.append((music[1] - _HOLD, music[1], "[Music]", " "))
        above = "[Music]"
    for line in lines:
        words = line.text.split()
        timed = words[0] + "".join(
            f"<{format_time(start)}><c> {word}</c>"
            for start, word in zip(line.word_starts[1:], words[1:], strict=True)
        )
        cues.append((line.start, line.end - _HOLD, above, timed))
        cues.append((line.end - _HOLD, line.end, line.text, " "))
        above = line.text
    blocks = [
        f"{format_time(start)} --> {format_time(end)} {_SETTINGS}\n{upper}\n{lower}\n"
        for start, end, upper, lower in cues
    ]
    return "\n".join(["WEBVTT\nKind: captions\nLanguage: en\n", *blocks])
