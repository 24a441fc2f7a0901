"""What tf.Transform does with the caption records: the narration's words and their frequencies.

The graph that comes of it holds tensorflow-text's operations: a process must import
`tensorflow_text` before it loads the graph, as `components.word_vectors.corpus` does. The served
model does not hold the graph: `models.tokenizer` gives the same words with TensorFlow's own
operations.
"""

from collections.abc import Mapping

import tensorflow as tf
import tensorflow_text as tf_text
import tensorflow_transform as tft

from models import tokenizer
from schemas import records

TOKENS = "tokens"
VOCABULARY = "words"


def tokenize(captions: tf.Tensor) -> tf.RaggedTensor:
    """Normalises captions to NFC, lower-cases them and splits them into words.

    Args:
      captions: string [B], UTF-8.

    Returns:
      Ragged string [B, None].
    """
    normalized = tf_text.normalize_utf8(captions, "NFC")
    return tf_text.regex_split(
        tokenizer.lower_case(normalized), delim_regex_pattern=tokenizer.SEPARATOR_PATTERN
    )


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.SparseTensor]:
    """Splits the captions into words and lists all words with their frequencies.

    The list is the asset `words` of the transform graph: a line for each word, its frequency
    before it, most frequent first.

    Args:
      inputs: the features of the caption records; `caption/string` is string [B] or [B, 1].

    Returns:
      `tokens`: the words of each caption, sparse string [B, None].
    """
    tokens = tokenize(tf.reshape(inputs[records.CAPTION], [-1])).to_sparse()
    tft.vocabulary(tokens, store_frequency=True, vocab_filename=VOCABULARY)
    return {TOKENS: tokens}
