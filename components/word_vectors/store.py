"""The files of a `WordVectors` artifact."""

import os
from collections.abc import Sequence

import numpy as np

from models import files

WORDS_FILE = "words.txt"
VECTORS_FILE = "vectors.npy"


def save(directory: str | os.PathLike[str], words: Sequence[str], vectors: np.ndarray) -> None:
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
    directory = os.fspath(directory)
    files.make_folder(directory)
    text = "".join(f"{word}\n" for word in words)
    files.write_text(os.path.join(directory, WORDS_FILE), text)
    padding = np.zeros((1, vectors.shape[1]), np.float32)
    rows = np.concatenate([padding, vectors.astype(np.float32)])
    with files.replacing(os.path.join(directory, VECTORS_FILE)) as stream:
        np.save(stream, rows, allow_pickle=False)


def load(directory: str | os.PathLike[str]) -> tuple[list[str], np.ndarray]:
    """Reads what `save` wrote.

    Args:
      directory: the artifact's folder.

    Returns:
      The V words, and their vectors with the padding's zeros as row 0, float32 [V + 1, D].

    Raises:
      ValueError: there is not one vector for the padding and for each word.
    """
    directory = os.fspath(directory)
    words = files.read_text(os.path.join(directory, WORDS_FILE)).split("\n")[:-1]
    with files.opened(os.path.join(directory, VECTORS_FILE)) as stream:
        vectors = np.load(stream, allow_pickle=False)
    if vectors.ndim != 2 or len(vectors) != len(words) + 1:
        raise ValueError(
            f"{directory} has {len(words)} words and vectors of shape {vectors.shape}; "
            "there must be one vector more than there are words"
        )
    return words, vectors
