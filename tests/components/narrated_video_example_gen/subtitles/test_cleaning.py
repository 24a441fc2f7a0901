import io
import json
import math
import random

import pytest

from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.cleaning import (
    Drop,
    clean_captions,
    clean_captions_with_drops,
)
from components.narrated_video_example_gen.subtitles.cues import parse_webvtt


def captions(*rows):
    return [Caption(float(start), float(end), text) for start, end, text in rows]


def test_time_order_and_overlaps():
    raw = captions((4, 9, "third"), (0, 3, "first"), (2, 7, "second"))
    assert clean_captions(raw) == captions((0, 2, "first"), (2, 4, "second"), (4, 9, "third"))


def test_overlaps_of_a_howto100m_csv():
    # The first rows of 6BouMV2V0kY.csv.
    raw = captions(
        (0.0, 4.08, "hi everybody halloween coming"),
        (2.82, 7.17, "fast"),
        (4.08, 9.71, "wanted halloween craft"),
    )
    assert [(caption.start, caption.end) for caption in clean_captions(raw)] == [
        (0.0, 2.82),
        (2.82, 4.08),
        (4.08, 9.71),
    ]


def test_captions_that_start_together_become_one():
    raw = captions((1, 3, "- cut it"), (1, 4, "- why?"), (1, 2, "cut it"), (6, 7, "done"))
    cleaned, drops = clean_captions_with_drops(raw)
    assert cleaned == captions((1, 4, "cut it why?"), (6, 7, "done"))
    assert drops == [Drop(2, 1.0, 2.0, "cut it", "repeat")]


def test_dropped_lines_have_reasons_and_places():
    raw = captions(
        (0, 1, "[Music]"),
        (1, 1, "no time"),
        (3, 2, "backwards"),
        (math.nan, 4, "<i>when</i>?"),
        (-3, -1, "before"),
        (math.inf, math.inf, "never"),
        (4, 5, "kept"),
        (5, 6, "   "),
    )
    cleaned, drops = clean_captions_with_drops(raw)
    assert cleaned == captions((4, 5, "kept"))
    assert drops == [
        Drop(0, 0.0, 1.0, "[Music]", "no_text"),
        Drop(1, 1.0, 1.0, "no time", "zero_length"),
        Drop(2, 3.0, 2.0, "backwards", "zero_length"),
        Drop(3, None, 4.0, "when?", "bad_time"),
        Drop(4, -3.0, -1.0, "before", "zero_length"),
        Drop(5, None, None, "never", "bad_time"),
        Drop(7, 5.0, 6.0, "", "no_text"),
    ]
    assert (
        drops[1].message
        == "line 1 (1.000 to 1.000 s): it ends when it starts, or before: 'no time'"
    )
    json.dumps([vars(drop) for drop in drops], allow_nan=False)


def test_times_are_milliseconds_from_zero():
    raw = captions((-0.5, 1, "a"), (1 / 3, 2 / 3, "b"), (5.0001, 5.0004, "c"))
    cleaned, drops = clean_captions_with_drops(raw)
    assert cleaned == captions((0, 0.333, "a"), (0.333, 0.667, "b"))
    assert [drop.reason for drop in drops] == ["zero_length"]


def test_open_ends_last_until_the_next_caption_at_most_five_seconds():
    raw = captions((0, math.inf, "a"), (3, math.inf, "b"), (60, math.inf, "c"))
    assert clean_captions(raw) == captions((0, 3, "a"), (3, 8, "b"), (60, 65, "c"))


def test_youtube_rolling_cues_with_fillers():
    text = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.389 align:start position:0%
 
hey<00:00:00.400><c> in</c><00:00:00.800><c> today's</c>

00:00:02.389 --> 00:00:02.399 align:start position:0%
hey in today's
 

00:00:02.399 --> 00:00:04.000 align:start position:0%
hey in today's
lesson<00:00:02.700><c> stir</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
lesson stir
 

00:00:04.010 --> 00:00:05.000 align:start position:0%
lesson stir
[Music]

00:00:05.000 --> 00:00:05.010 align:start position:0%
[Music]
 

00:00:05.010 --> 00:00:07.000 align:start position:0%
[Music]
stir<00:00:06.000><c> it</c>
"""
    cleaned, drops = clean_captions_with_drops(parse_webvtt(text))
    assert cleaned == captions(
        (0.16, 2.389, "hey in today's"), (2.399, 4, "lesson stir"), (5.01, 7, "stir it")
    )
    assert [drop.reason for drop in drops] == ["repeat", "repeat", "repeat", "no_text"]


def test_a_word_that_is_said_again_stays():
    raw = captions(
        (0, 1, "stir"),
        (1, 1.01, "stir"),
        (1.01, 2, "stir\nstir"),
        (2, 2.01, "stir"),
        (2.01, 3, "stir\nand fold"),
    )
    assert [caption.text for caption in clean_captions(raw)] == ["stir", "stir", "and fold"]


def test_three_lines_that_roll_and_a_line_that_grows():
    rolling = captions(
        (0, 1, "a b"), (1, 2, "a b\nc"), (2, 3, "a b\nc\nd e"), (3, 4, "c\nd e\nf"), (4, 5, "f\ng")
    )
    assert [caption.text for caption in clean_captions(rolling)] == ["a b", "c", "d e", "f", "g"]
    growing = captions((0, 1, "cut"), (1, 2, "cut the"), (2, 3, "cut the paper"))
    assert clean_captions(growing) == captions((0, 1, "cut"), (1, 2, "the"), (2, 3, "paper"))


def test_rolling_on_one_line_as_in_howto100m():
    # The first rows of -tCQ4tCQdWE.csv.
    raw = captions(
        (0.41, 3.91, "check pic tonight pick"),
        (3.92, 5.9, "check pic tonight pick bowl"),
        (5.91, 10.25, "bowl night honest cause got"),
        (10.26, 13.78, "night honest cause got little pat plant"),
        (13.79, 16.9, "little pat plant raspberries sticking"),
    )
    assert clean_captions(raw) == captions(
        (0.41, 3.91, "check pic tonight pick"),
        (3.92, 5.9, "bowl"),
        (5.91, 10.25, "night honest cause got"),
        (10.26, 13.78, "little pat plant"),
        (13.79, 16.9, "raspberries sticking"),
    )


def test_a_refrain_of_an_ordinary_transcript_stays():
    lines = ["I am hungry", "for eggplants.", "Please", "give them to me.", "No.", "No. Never."]
    lines += ["I am hungry", "I am hungry", "for eggplants.", "so very hungry"]
    raw = captions(*((second, second + 1, line) for second, line in enumerate(lines)))
    assert clean_captions(raw) == raw


def test_after_a_pause_a_line_is_no_repeat():
    raw = captions((0, 1, "a b"), (1, 2, "a b c"), (2, 3, "c d"), (9, 10, "d e"), (10, 11, "d e f"))
    assert [caption.text for caption in clean_captions(raw)] == ["a b", "c", "d", "d e", "f"]


@pytest.mark.parametrize("lines_on_screen", [2, 3])
def test_each_word_of_real_speech_appears_once(shared_data, lines_on_screen):
    """Rolls real word times as YouTube does, and wants the same words back."""
    path = shared_data / "subtitles/3b1b/2019_cramers-rule/word_timings.json"
    words = []
    for text, start, end in json.loads(path.read_text()):
        if text.startswith(" "):
            words.append((text.strip(), start, end))
        else:  # The rest of a word, as in "i" and "-hat".
            words[-1] = (words[-1][0] + text, words[-1][1], end)
    assert len(words) > 2000
    generator = random.Random(7)
    lines = []
    while words:
        length = generator.randint(1, 7)
        lines.append(words[:length])
        words = words[length:]
    stream = io.StringIO()
    stream.write("WEBVTT\nKind: captions\nLanguage: en\n\n")

    def timed(seconds):
        return f"{seconds // 3600:02.0f}:{seconds // 60 % 60:02.0f}:{seconds % 60:06.3f}"

    def cue(start, end, *shown):
        stream.write(f"{timed(start)} --> {timed(end)} align:start position:0%\n")
        stream.write("\n".join(shown) + "\n\n")

    plain = [" ".join(word for word, _, _ in line) for line in lines]
    for index, line in enumerate(lines):
        start = line[0][1]
        end = lines[index + 1][0][1] - 0.01 if index + 1 < len(lines) else line[-1][2] + 1
        new = line[0][0] + "".join(f"<{timed(at)}><c> {word}</c>" for word, at, _ in line[1:])
        above = plain[max(0, index - lines_on_screen + 1) : index] or [" "]
        cue(start, end, *above, new)
        cue(end, end + 0.01, *plain[max(0, index - lines_on_screen + 2) : index + 1], " ")
    cleaned = clean_captions(parse_webvtt(stream.getvalue()))
    assert [caption.text for caption in cleaned] == plain
    assert [caption.start for caption in cleaned] == pytest.approx(
        [line[0][1] for line in lines], abs=0.0011
    )
