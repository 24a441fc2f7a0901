"""The vocabularies of the public MIL-NCE weights: a word's id is its position, from 1."""

import os
from collections.abc import Sequence

import numpy as np


def read_vocabulary(path: str | os.PathLike[str]) -> list[str]:
    """Reads a vocabulary as the public `s3d_dict.npy` holds it: an array of words.

    Args:
      path: a `.npy` file with an array of strings, [V], or of UTF-8 bytes.

    Returns:
      The V words in their order, as they are.

    Raises:
      ValueError: the file is missing, damaged, no such array, or one of Python objects, which
        would have to be unpickled and so could run anything.
    """
    try:
        with open(path, "rb") as file:
            words = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        if "Object arrays" in str(error):
            raise ValueError(
                f"{path} holds Python objects, which is refused: opening them can run anything; if "
                "you trust its source, write the words as strings with "
                "numpy.save(NEW, numpy.load(FILE, allow_pickle=True).astype(str))"
            ) from error
        raise ValueError(f"{path} is damaged or no .npy file of words") from error
    if words.ndim != 1 or words.dtype.kind not in "US":
        raise ValueError(
            f"{path} holds no list of words, but {words.dtype} {list(words.shape)}; give the "
            "vocabulary's .npy"
        )
    if words.dtype.kind == "U":
        return words.tolist()
    try:
        return [word.decode("utf-8") for word in words.tolist()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} has the word {error.object!r}, which is not UTF-8") from error


def make_unique(words: Sequence[str]) -> list[str]:
    """Returns a vocabulary in which each word can be told from all others, at the same positions.

    The reference code makes a dictionary of its list, so of a word that occurs twice the last
    position counts, and the id before it is never used. Such an entry is replaced by a name that
    no text holds as a word, and so is one that a text file of a word a line cannot hold: an empty
    one, one with a line break, or one that has no UTF-8 form. Entries with capitals or other
    characters that the tokeniser never makes stay: they are never found either.

    Args:
      words: the V words of a vocabulary.

    Returns:
      V distinct words, each at the place where the reference code finds it.
    """
    last = {word: position for position, word in enumerate(words)}
    unique = []
    for position, word in enumerate(words):
        if last[word] == position and word and "\n" not in word and _has_utf8(word):
            unique.append(word)
            continue
        # A space is in no word of the tokeniser's; more of them avoid an entry of this name.
        name = f"<unused {position + 1}>"
        while name in last:
            name += " "
        unique.append(name)
    return unique


def _has_utf8(word: str) -> bool:
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
