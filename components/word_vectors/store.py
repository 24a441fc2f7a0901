"""The files of a `WordVectors` artifact."""

import pathlib
from collections.abc import Sequence

import numpy as np

WORDS_FILE = "words.txt"
VECTORS_FILE = "vectors.npy"


def save(directory: pathlib.Path, words: Sequence[str], vectors: np.ndarray) -> None:
    """Writes words and their vectors; the padding is added as row 0.

    Args:
      directory: the artifact's folder, made where it is missing.
      words: the V words; the id of a word is its position from 1.
      vectors: float32 [V, D].

    Raises:
      ValueError: there is not one vector for each word.
    """
    if vectors.ndim != 2 or len(vectors) != len(words):
        raise ValueError(f"{len(words)} words do not fit vectors of shape {vectors.shape}")
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / WORDS_FILE, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{word}\n" for word in words)
    padding = np.zeros((1, vectors.shape[1]), np.float32)
    rows = np.concatenate([padding, vectors.astype(np.float32)])
    np.save(directory / VECTORS_FILE, rows, allow_pickle=False)


def load(directory: pathlib.Path) -> tuple[list[str], np.ndarray]:
    """Reads what `save` wrote.

    Args:
      directory: the artifact's folder.

    Returns:
      The V words, and their vectors with the padding's zeros as row 0, float32 [V + 1, D].

    Raises:
      ValueError: there is not one vector for the padding and for each word.
    """
    text = (directory / WORDS_FILE).read_text(encoding="utf-8")
    words = text.split("\n")[:-1]
    vectors = np.load(directory / VECTORS_FILE, allow_pickle=False)
    if vectors.ndim != 2 or len(vectors) != len(words) + 1:
        raise ValueError(
            f"{directory} has {len(words)} words and vectors of shape {vectors.shape}; "
            "there must be one vector more than there are words"
        )
    return words, vectors
