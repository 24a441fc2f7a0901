"""How a text becomes words, without TensorFlow.

`models.tokenizer` is the same rule written with TensorFlow's operations.
"""

import re

_WORD = re.compile(r"[\w']+")


def split_words(text: str) -> list[str]:
    """Returns the lower-cased words of a text.

    A word is a run of Unicode letters, numbers, underscores and apostrophes: "don't" is one word,
    a hyphen divides. This is the tokenisation of the reference code of MIL-NCE
    (antoine77340/MIL-NCE_HowTo100M), with the lower-casing of its inference class.

    Args:
      text: any text; its words compare equal to others only in the same Unicode form (NFC here).
    """
    return _WORD.findall(text.lower())
