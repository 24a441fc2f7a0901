"""The settings of the word vectors."""

import dataclasses
import json


@dataclasses.dataclass(frozen=True)
class WordVectorsConfig:
    """Where the frozen word vectors come from.

    Attributes:
      path: a word2vec file, binary or text, gzipped or not, such as the GoogleNews vectors; empty
        to train vectors with gensim on the narration of the train split.
      extra_words: with `path`, a UTF-8 text file whose words are loaded besides those of the train
        split, such as the words of the queries to come; empty for none.
      stop_words: words that get no vector and are dropped from every caption: empty for none,
        "english" for the list in this folder, or a text file (see `stop_words.read_stop_words`).
      vocabulary_size: the greatest number of word ids, the padding's included: the most frequent
        words of the train split get one. The default is the size of the MIL-NCE reference code.
      min_count: how often a word must occur in the train split to be in the vocabulary.
      vector_size: size of trained vectors; a file has its own.
      window: in training, how many words before and after a word are its context.
      skip_gram: whether training is skip-gram, or else continuous bag of words.
      negative: in training, the random words set against each real context.
      epochs: training passes over the narration.
      seed: seed of the training.
    """

    path: str = ""
    extra_words: str = ""
    stop_words: str = ""
    vocabulary_size: int = 66_250
    min_count: int = 1
    vector_size: int = 300
    window: int = 5
    skip_gram: bool = True
    negative: int = 5
    epochs: int = 5
    seed: int = 1

    def __post_init__(self):
        if self.extra_words and not self.path:
            raise ValueError("extra_words needs a file of vectors: set path too")
        if self.vocabulary_size < 2:
            raise ValueError(f"vocabulary_size is {self.vocabulary_size}; give at least 2")
        for name in ("min_count", "vector_size", "window", "negative", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1")

    def to_json(self) -> str:
        """Returns the settings as JSON, always in the same order."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "WordVectorsConfig":
        """Returns the settings that `to_json` wrote.

        Args:
          text: the JSON.
        """
        return cls(**json.loads(text))
