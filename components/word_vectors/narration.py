"""The narration of videos as words, without TFX and without a transform graph."""

import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import tensorflow as tf

from models import words
from schemas import records

# gensim's compiled loops pass over what follows in a longer sentence, without a word.
_MAX_SENTENCE = 10_000

Caption = tuple[str, float, list[str]]


def read_captions(files: Sequence[str]) -> Iterator[Caption]:
    """Yields each caption's video, start in seconds and words.

    The words are those of `components.transform.preprocessing`.

    Args:
      files: gzipped TFRecords of caption records.
    """
    for serialized in tf.data.TFRecordDataset(list(files), "GZIP").as_numpy_iterator():
        feature = tf.train.Example.FromString(serialized).features.feature
        text = feature[records.CAPTION].bytes_list.value[0].decode()
        yield (
            feature[records.VIDEO_ID].bytes_list.value[0].decode(),
            feature[records.CAPTION_START].float_list.value[0],
            words.split_words(unicodedata.normalize("NFC", text)),
        )


def video_sentences(captions: Iterable[Caption]) -> list[list[str]]:
    """Returns the narration of each video as one long sentence.

    Captions are a few words each, cut by time and not by sense; a word's context reaches over
    their borders. The order is that of the videos' ids and of the captions' times, whatever the
    order of the captions. All words are held in memory.

    Args:
      captions: each caption's video, start in seconds and words.

    Returns:
      The words of each video in order, in pieces of at most 10,000.
    """
    sentences = []
    for _, group in itertools.groupby(sorted(captions), key=lambda caption: caption[0]):
        spoken = itertools.chain.from_iterable(caption[2] for caption in group)
        while sentence := list(itertools.islice(spoken, _MAX_SENTENCE)):
            sentences.append(sentence)
    return sentences
