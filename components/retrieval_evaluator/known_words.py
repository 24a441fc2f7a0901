"""Which sentences a model knows a word of."""

import numpy as np


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
