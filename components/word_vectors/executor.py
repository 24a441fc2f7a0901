"""Makes the frozen word vectors of a run."""

import itertools
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.word_vectors import corpus, reader, stop_words, store, training
from components.word_vectors.config import WordVectorsConfig
from models import words as words_lib
from schemas import records

EXAMPLES_KEY = "examples"
TRANSFORM_GRAPH_KEY = "transform_graph"
CONFIG_KEY = "word_vectors_config"
FINGERPRINT_KEY = "fingerprint"
WORD_VECTORS_KEY = "word_vectors"


class Executor(base_executor.BaseExecutor):
    """Trains word vectors on the train split, or loads those of its words from a file."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes `words.txt` and `vectors.npy`.

        Args:
          input_dict: `examples` of caption records and their `transform_graph`.
          output_dict: `word_vectors`.
          exec_properties: `word_vectors_config`, a `WordVectorsConfig` as JSON.

        Raises:
          WordVectorsError: the file of vectors cannot be used.
          ValueError: the train split has too few words.
        """
        config = WordVectorsConfig.from_json(exec_properties[CONFIG_KEY])
        graph_uri = artifact_utils.get_single_uri(input_dict[TRANSFORM_GRAPH_KEY])
        transform_output = tft.TFTransformOutput(graph_uri)
        discarded = stop_words.read_stop_words(config.stop_words)
        frequencies = {
            word: count
            for word, count in corpus.read_frequencies(transform_output).items()
            if count >= config.min_count and word not in discarded
        }
        frequencies = dict(itertools.islice(frequencies.items(), config.vocabulary_size - 1))
        if not frequencies:
            raise ValueError(
                f"no word occurs {config.min_count} times in the narration of the train split"
            )
        if config.path:
            words, vectors = _load(config, list(frequencies), discarded)
        else:
            split_uri = artifact_utils.get_split_uri(input_dict[EXAMPLES_KEY], records.TRAIN_SPLIT)
            files = sorted(tf.io.gfile.glob(io_utils.all_files_pattern(split_uri)))
            words, vectors = training.train_vectors(
                corpus.read_sentences(files, transform_output),
                frequencies,
                vector_size=config.vector_size,
                window=config.window,
                skip_gram=config.skip_gram,
                negative=config.negative,
                epochs=config.epochs,
                seed=config.seed,
            )
        directory = pathlib.Path(artifact_utils.get_single_uri(output_dict[WORD_VECTORS_KEY]))
        store.save(directory, words, vectors)


def _load(
    config: WordVectorsConfig, words: list[str], discarded: frozenset[str]
) -> tuple[list[str], np.ndarray]:
    if config.extra_words:
        text = pathlib.Path(config.extra_words).read_text(encoding="utf-8")
        extra = [word for word in words_lib.split_words(text) if word not in discarded]
        words = list(dict.fromkeys([*words, *extra]))
    found = reader.read_vectors(pathlib.Path(config.path), words)
    logging.info("%d of %d words have a vector in %s.", len(found), len(words), config.path)
    return list(found), np.stack(list(found.values()))
