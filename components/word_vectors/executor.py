"""Makes the frozen word vectors of a run."""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.word_vectors import corpus, making, store
from components.word_vectors.config import WordVectorsConfig
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
        split_uri = artifact_utils.get_split_uri(input_dict[EXAMPLES_KEY], records.TRAIN_SPLIT)
        files = sorted(tf.io.gfile.glob(io_utils.all_files_pattern(split_uri)))
        words, vectors = making.make_vectors(
            config,
            corpus.read_frequencies(transform_output),
            lambda: corpus.read_sentences(files, transform_output),
        )
        store.save(artifact_utils.get_single_uri(output_dict[WORD_VECTORS_KEY]), words, vectors)
