"""Reads the narration and its words through the transform graph."""

from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the operations of the transform graph.
import tensorflow_transform as tft

from components.transform import preprocessing
from components.word_vectors import narration
from schemas import records

_BATCH_SIZE = 1024


def read_frequencies(transform_output: tft.TFTransformOutput) -> dict[str, int]:
    """Returns how often each word occurs in the train split, most frequent first.

    Args:
      transform_output: the output of the Transform component.

    Raises:
      ValueError: the graph has no vocabulary of words.
    """
    frequencies = {}
    for line in transform_output.vocabulary_by_name(preprocessing.VOCABULARY):
        count, word = line.decode().split(" ", maxsplit=1)
        frequencies[word] = int(count)
    return frequencies


def read_sentences(
    files: Sequence[str], transform_output: tft.TFTransformOutput
) -> list[list[str]]:
    """Returns the narration of each video as one long sentence.

    Args:
      files: gzipped TFRecords of caption records.
      transform_output: the output of the Transform component.

    Returns:
      The words of each video in order, see `narration.video_sentences`.
    """
    return narration.video_sentences(_read_captions(files, transform_output))


def _read_captions(
    files: Sequence[str], transform_output: tft.TFTransformOutput
) -> Iterator[narration.Caption]:
    """Yields each caption's video, start in seconds and words."""
    spec = transform_output.raw_feature_spec()
    transform = transform_output.transform_features_layer()

    def parse(serialized: tf.Tensor) -> Mapping[str, tf.Tensor | tf.SparseTensor]:
        features = tf.io.parse_example(serialized, spec)
        keys = tf.io.parse_example(
            serialized,
            {
                records.VIDEO_ID: tf.io.FixedLenFeature([], tf.string),
                records.CAPTION_START: tf.io.FixedLenFeature([], tf.float32),
            },
        )
        tokens = tf.RaggedTensor.from_sparse(transform(features)[preprocessing.TOKENS])
        return {**keys, preprocessing.TOKENS: tokens}

    dataset = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_BATCH_SIZE).map(parse)
    for batch in dataset:
        video_ids = batch[records.VIDEO_ID].numpy()
        starts = batch[records.CAPTION_START].numpy()
        tokens = batch[preprocessing.TOKENS].to_list()
        for video_id, start, words in zip(video_ids, starts, tokens, strict=True):
            yield video_id.decode(), float(start), [word.decode() for word in words]
