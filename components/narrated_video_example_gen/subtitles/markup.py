"""From the text of a cue to the words that are said in it."""

import html
import re
import unicodedata

# WebVTT, SRT and YouTube tags: <i>, </c>, <c.colorE5E5E5>, <v Speaker>, <font color="#fff">, and
# the word times <00:00:01.000> of automatic captions.
_TAG = re.compile(
    r"</?[A-Za-z][\w:-]*(?:\.[^\s<>]*)?(?:\s[^<>]*)?/?>|<(?:\d+:)?\d\d:\d\d\.\d+>|</>"
)
# Advanced SubStation overrides such as {\an8}, and MicroDVD's {y:i}.
_OVERRIDE = re.compile(r"\{\\[^{}]*\}|\{[A-Za-z]:[^{}]*\}")
_SQUARE_BRACKETS = re.compile(r"\[[^\[\]]{0,100}\]")
_LEADING_PARENTHESES = re.compile(r"^(?:\s*\([^()]{0,100}\)(?!\w))+")
_SOUND_WORDS = (
    r"applau\w+|music\w*|laugh\w*|chuckl\w+|giggl\w+|cheer\w+|clap\w*|sigh\w*|cough\w*|gasp\w*|sniff\w*"
    r"|sneez\w+|snor\w+|whistl\w+|scream\w*|groan\w*|inaudible|indistinct\w*|silence|beep\w*|bleep\w*"
    r"|foreign(?: language)?|speaking \w+|instrumental"
)
_SOUND_IN_PARENTHESES = re.compile(rf"\([^()]{{0,40}}\b(?:{_SOUND_WORDS})\b[^()]{{0,40}}\)", re.I)
_NOTES = re.compile("[\u2669-\u266c\U0001f3b5\U0001f3b6\U0001f3bc]")
_SPEAKER_MARK = re.compile(r">{2,}|^\s*(?:[-–—]+(?:\s+|(?=[^\W\d_])))+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?|\n")
# Most lines: the long way would leave them as they are.
_PLAIN = re.compile(r"""[\w\s',.?!;:"%$]*""", re.A)
# Brackets nest, and what one pattern takes away can lay another bare.
_MAX_PASSES = 8
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"))
_INVISIBLE |= {code: " " for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\n"}


def plain_text(text: str) -> str:
    r"""Strips everything from a cue that nobody says, and joins it to one line.

    Tags, ASS overrides, HTML entities, sound tags, music notes, speaker marks (`>>`, and a dash at
    the beginning of a line), invisible characters and superfluous white space go. Square brackets
    always hold a sound or a speaker; parentheses do at the beginning of a line, and
    elsewhere where they name a sound. Letters keep their case.

    Args:
      text: the cue's text with its line ends. `<` and `&` begin a tag and an entity as in WebVTT:
        a format without them escapes its text first.

    Returns:
      The words on one line in Unicode's normal form C; empty where nothing is said.
    """
    if _PLAIN.fullmatch(text):
        return " ".join(text.split())
    text = _TAG.sub("", _OVERRIDE.sub("", _LINE_END.sub("\n", text)))
    text = _SURROGATE.sub("", html.unescape(text)).translate(_INVISIBLE)
    lines = (_spoken(line) for line in _LINE_END.split(text))
    # Once more over the whole, for a tag that was broken over two lines.
    return unicodedata.normalize("NFC", _spoken(" ".join(filter(None, lines))))


def _spoken(line: str) -> str:
    for _ in range(_MAX_PASSES):
        previous = line
        line = _NOTES.sub(" ", _SPEAKER_MARK.sub(" ", line))
        line = _SOUND_IN_PARENTHESES.sub(" ", _SQUARE_BRACKETS.sub(" ", line))
        line = " ".join(_LEADING_PARENTHESES.sub(" ", line).split())
        if line == previous:
            break
    return line
