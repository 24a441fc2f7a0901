"""Where a training starts: with new weights, or with those of a pushed model."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import keras
import numpy as np

from components.trainer import config as config_lib
from models import description, feature_pipeline, pretrained

_Config = TypeVar("_Config", config_lib.ModelConfig, config_lib.GatedModelConfig)

_KINDS = {config_lib.ModelConfig: "milnce", config_lib.GatedModelConfig: "gated"}


@dataclasses.dataclass(frozen=True)
class StartingPoint(Generic[_Config]):
    """What a model is built from.

    Attributes:
      config: its settings.
      words: the vocabulary, by id from 1.
      new_vectors: the word vectors of a new model, float32 [V + 1, D], row 0 the padding's.
      case_sensitive: whether texts keep their capitals.
      features: the streams of features that the model takes, or None where that is free.
      init_from: folder of the pushed model whose weights it gets, or an empty string.
    """

    config: _Config
    words: Sequence[str]
    new_vectors: np.ndarray
    case_sensitive: bool = False
    features: Sequence[Mapping[str, Any]] | None = None
    init_from: str = ""

    def word_vectors(self) -> np.ndarray:
        """Returns the frozen word vectors, float32 [V + 1, D], row 0 the padding's.

        Raises:
          ValueError: those of the pushed model cannot be read.
        """
        if self.init_from:
            return pretrained.read_word_vectors(self.init_from)
        return self.new_vectors

    def check_features(self, layout: Sequence[Mapping[str, Any]]) -> None:
        """Checks that data have the features that the pushed model was trained on.

        Args:
          layout: `name`, `rate` and `size` of the data's streams (see
            `feature_pipeline.feature_layout`).

        Raises:
          ValueError: they have others.
        """
        if self.features is None:
            return
        here, there = (
            [(stream["name"], stream["rate"], stream["size"]) for stream in streams]
            for streams in (layout, self.features)
        )
        if here != there:
            raise ValueError(
                f"{self.init_from} was trained on the features "
                f"{feature_pipeline.describe_layout(self.features)}, but the data have "
                f"{feature_pipeline.describe_layout(layout)}: extract the model's features"
            )

    def restore(self, model: keras.Model) -> None:
        """Gives a built model the pushed model's weights, if there is one.

        Raises:
          ValueError: the pushed model's weights cannot be read or do not fit its settings.
        """
        if self.init_from:
            pretrained.restore_weights(model, self.init_from)


def find(
    config: _Config, words: Sequence[str], vectors: np.ndarray, init_from: str
) -> StartingPoint[_Config]:
    """Returns where a training starts.

    Args:
      config: settings of a new model; of its kind must be the pushed model.
      words: words of a new model.
      vectors: word vectors of a new model.
      init_from: folder of a pushed model, whose settings, words and word vectors replace the
        given ones, or an empty string.

    Raises:
      ValueError: the pushed model is of the other kind, or cannot be read.
    """
    if not init_from:
        return StartingPoint(config, words, vectors)
    pushed = description.read_description(init_from)
    kind = _KINDS[type(config)]
    if pushed.kind != kind:
        raise ValueError(
            f"{init_from} is a {pushed.kind} model; the preset trains {kind}: start from a model "
            f"of the same kind"
        )
    try:
        pushed_config = type(config)(**pushed.config)
    except TypeError as error:
        raise ValueError(
            f"{init_from} describes other settings than a {kind} model has: {error}; export the "
            f"model again"
        ) from error
    return StartingPoint(
        config=pushed_config,
        words=pushed.words,
        new_vectors=vectors,
        case_sensitive=pushed.case_sensitive,
        features=pushed.features,
        init_from=init_from,
    )
