"""How texts become word ids, with TensorFlow's own operations only.

The rule is that of the reference code of MIL-NCE (antoine77340/MIL-NCE_HowTo100M and
S3D_HowTo100M): runs of letters, numbers, underscores and apostrophes are words, everything is
lower-cased, words outside the vocabulary are dropped before the sentence is cut to its maximal
length, and id 0 pads. That of HowTo100M (antoine77340/howto100m) is the same but for capitals,
which it keeps; the public weights of that model are run so. Nothing here needs a library of custom
operations, so a SavedModel that holds a `WordTable` loads wherever TensorFlow is.
"""

from collections.abc import Sequence

import tensorflow as tf

# What lies between words. RE2's \w is ASCII; these classes hold exactly the characters of Python's
# \w, which leaves combining marks out.
SEPARATOR_PATTERN = r"[^\p{L}\p{N}_']+"

PADDING_ID = 0

# ICU lower-cases by the rules of the process's locale. Turkish, Azeri and Lithuanian have rules of
# their own for I and J, so the letters concerned are replaced before ICU sees them.
_LOCALE_DEPENDENT = (("İ", "i\u0307"), ("Ì", "ì"), ("Í", "í"), ("Ĩ", "ĩ"), ("Į", "į"))


def lower_case(texts: tf.Tensor) -> tf.Tensor:
    """Lower-cases as Python's `str.lower` does, whatever the locale of the process.

    Args:
      texts: UTF-8 strings of any shape; bytes that are not UTF-8 become U+FFFD.

    Returns:
      The strings in lower case, in the same shape.
    """
    texts = tf.strings.lower(texts)
    for upper, lower in _LOCALE_DEPENDENT:
        texts = tf.strings.regex_replace(texts, upper, lower)
    return tf.strings.lower(texts, encoding="utf-8")


def tokenize(texts: tf.Tensor, case_sensitive: bool = False) -> tf.RaggedTensor:
    """Splits texts into lower-cased words, as `models.words.split_words` does.

    Args:
      texts: string [B], UTF-8; bytes that are not part words.
      case_sensitive: whether capitals are kept.

    Returns:
      Ragged string [B, None].
    """
    if case_sensitive:
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
    else:
        texts = lower_case(texts)
    return tf.strings.split(tf.strings.regex_replace(texts, SEPARATOR_PATTERN, " "))


class WordTable(tf.Module):
    """Looks up the ids of a text's words.

    The vocabulary lies in the graph as a constant, so a SavedModel whose root tracks the table
    carries it, and `tf.data` functions may call it.

    Attributes:
      max_words: the number of ids for each text, L.
      vocabulary_size: the number of ids, V + 1 with the padding.
      case_sensitive: whether "Turkey" and "turkey" are two words.
    """

    def __init__(self, words: Sequence[str], max_words: int, case_sensitive: bool = False):
        """Builds the table.

        Args:
          words: the V words of the vocabulary, lower-cased unless case counts; the id of a word
            is its position from 1.
          max_words: how many ids each text gets: 20 for training and 30 for retrieval in the
            reference code, 16 in the public modules.
          case_sensitive: whether texts keep their capitals.

        Raises:
          ValueError: there are no words, a word occurs twice, or `max_words` is not positive.
        """
        super().__init__()
        if not words:
            raise ValueError("the vocabulary is empty; give at least one word")
        if max_words < 1:
            raise ValueError(f"max_words is {max_words}; give at least 1")
        seen: set[str] = set()
        for word in words:
            if word in seen:
                raise ValueError(f"the word {word!r} occurs twice in the vocabulary")
            seen.add(word)
        self.max_words = max_words
        self.vocabulary_size = len(words) + 1
        self.case_sensitive = case_sensitive
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(words), tf.string),
                tf.range(1, len(words) + 1, dtype=tf.int64),
            ),
            default_value=PADDING_ID,
        )

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Returns the word ids of texts, int64 [B, L].

        Args:
          texts: string [B], UTF-8 in NFC.
        """
        tokens = tokenize(texts, self.case_sensitive)
        ids = tokens.with_values(self._table.lookup(tokens.values))
        known = tf.ragged.boolean_mask(ids, ids != PADDING_ID)
        return known.to_tensor(default_value=PADDING_ID, shape=[None, self.max_words])
