"""Which sentences a model knows a word of, and how they are cut to their first words."""

import re
from collections.abc import Collection

import numpy as np

# What the papers' tokenisers take for a word (facts/protocols.md, section 2).
_WORD = re.compile(r"[\w']+")


def known_texts(embeddings: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Tells which sentences hold a word that the model knows.

    Unknown words are dropped, so a sentence of nothing else is embedded as the empty string is.

    Args:
      embeddings: float32 [Q, D], of the sentences.
      empty: float32 [D], of the empty string.

    Returns:
      bool [Q].
    """
    return ~np.isclose(embeddings, empty, rtol=1e-4, atol=1e-6).all(axis=1)


def first_words(
    text: str,
    count: int,
    vocabulary: Collection[str] | None = None,
    case_sensitive: bool = False,
) -> str:
    """Returns a sentence up to the end of its first words, as a tokeniser with that limit cuts it.

    A tokeniser drops the words that it does not know before it cuts, so they do not count
    (facts/protocols.md, section 2).

    Args:
      text: the sentence.
      count: words to keep, at least 1.
      vocabulary: the words that the model knows; None where nobody knows them, and all count.
      case_sensitive: whether the words of the vocabulary keep their capitals. Where they do not,
        the sentence is in lower case after this, which is what the model makes of it first.
    """
    if vocabulary is not None and not case_sensitive:
        text = text.lower()
    ends = [
        word.end() for word in _WORD.finditer(text) if vocabulary is None or word[0] in vocabulary
    ]
    return text[: ends[count - 1]] if len(ends) > count else text
