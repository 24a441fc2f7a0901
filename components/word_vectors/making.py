"""Makes the frozen word vectors that a configuration asks for. TFX is not needed for it."""

import itertools
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from absl import logging

from components.word_vectors import reader, stop_words, training
from components.word_vectors.config import WordVectorsConfig
from models import files
from models import words as words_lib


def make_vectors(
    config: WordVectorsConfig,
    frequencies: Mapping[str, int],
    read_sentences: Callable[[], Sequence[Sequence[str]]],
) -> tuple[list[str], np.ndarray]:
    """Trains word vectors on the narration, or loads those of its words from a file.

    Args:
      config: the settings.
      frequencies: how often each word occurs in the narration, most frequent first.
      read_sentences: gives the narration, see `training.train_vectors`; called where vectors are
        trained.

    Returns:
      The V words and their vectors, float32 [V, D].

    Raises:
      WordVectorsError: the file of vectors cannot be used.
      ValueError: the narration has too few words.
    """
    discarded = stop_words.read_stop_words(config.stop_words)
    kept = (
        (word, count)
        for word, count in frequencies.items()
        if count >= config.min_count and word not in discarded
    )
    frequencies = dict(itertools.islice(kept, config.vocabulary_size - 1))
    if not frequencies:
        raise ValueError(
            f"no word occurs {config.min_count} times in the narration of the train split"
        )
    if config.path:
        return _load(config, list(frequencies), discarded)
    return training.train_vectors(
        read_sentences(),
        frequencies,
        vector_size=config.vector_size,
        window=config.window,
        skip_gram=config.skip_gram,
        negative=config.negative,
        epochs=config.epochs,
        seed=config.seed,
    )


def _load(
    config: WordVectorsConfig, words: list[str], discarded: frozenset[str]
) -> tuple[list[str], np.ndarray]:
    if config.extra_words:
        text = files.read_text(config.extra_words)
        extra = [word for word in words_lib.split_words(text) if word not in discarded]
        words = list(dict.fromkeys([*words, *extra]))
    with files.local_copy(config.path) as local:
        found = reader.read_vectors(pathlib.Path(local), words)
    logging.info("%d of %d words have a vector in %s.", len(found), len(words), config.path)
    return list(found), np.stack(list(found.values()))
