"""The gated text-video embedding of HowTo100M, over frozen features and word vectors.

Miech et al., "HowTo100M: Learning a Text-Video Embedding by Watching Hundred Million Narrated Video
Clips", section 4.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from models.max_margin import max_margin_ranking
from models.text_tower import frozen_embedding

FEATURES = "features"
WORD_IDS = "word_ids"
NEGATIVES = "negatives"

# A vector shorter than this is not brought to length 1, as in torch's normalize.
_EPSILON = 1e-12


def unit_length(vectors: Any) -> Any:
    """Returns vectors at length 1, in float32.

    Args:
      vectors: [B, E]. Those shorter than 1e-12 are divided by 1e-12 instead of their length, and
        get no gradient: it would be 1e12 times that of the result.
    """
    vectors = ops.cast(vectors, "float32")
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    vectors = ops.where(squares > _EPSILON**2, vectors, ops.stop_gradient(vectors))
    return vectors * ops.rsqrt(ops.maximum(squares, _EPSILON**2))


@keras.saving.register_keras_serializable(package="howto100m")
class GatedEmbedding(layers.Layer):
    """The non-linear embedding of the paper's equations 2 and 3.

    f(x) = (W1 x + b1) * sigmoid(W2 (W1 x + b1) + b2), element by element. It is not normalised.
    """

    def __init__(self, size: int, **kwargs: Any):
        """Makes the layer.

        Args:
          size: size of the embedding, d.
          **kwargs: `name`, `dtype`.
        """
        super().__init__(**kwargs)
        self.size = size
        self.linear = layers.Dense(size, name="linear", dtype=self.dtype_policy)
        self.gate = layers.Dense(size, name="gate", dtype=self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        """Creates the weights for inputs [B, C]."""
        self.linear.build(input_shape)
        self.gate.build((None, self.size))

    def call(self, inputs: Any) -> Any:
        """Embeds float [B, C] as [B, d]."""
        embedded = self.linear(inputs)
        return embedded * ops.sigmoid(self.gate(embedded))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="howto100m")
class CaptionLayer(layers.Layer):
    """A vector for each caption: a layer with ReLU on each word, the maximum over the words.

    As in the reference code nothing masks the padding: its vector takes part in the maximum, so
    ReLU(bias) is a floor where the padding's vector is zero, and the number of ids of a caption has
    to be the same wherever the model is used.
    """

    def __init__(self, vectors: np.ndarray, size: int, **kwargs: Any):
        """Makes the layer.

        Args:
          vectors: float [V+1, D], the vector of each word id; row 0 is that of the padding. They
            are saved with the weights and never trained.
          size: units of the layer, C.
          **kwargs: `name`, `dtype`.

        Raises:
          ValueError: the vectors are not finite or no such matrix.
        """
        super().__init__(**kwargs)
        self.size = size
        self.embedding = frozen_embedding(vectors, self.dtype_policy)
        self.words = layers.Dense(size, name="words", dtype=self.dtype_policy)

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights; captions of any length fit."""
        self.embedding.build((None, None))
        self.words.build((None, self.embedding.output_dim))

    def call(self, word_ids: Any) -> Any:
        """Pools int [B, L], where 0 pads, to float32 [B, C]."""
        # A batch has far fewer distinct words than words: each goes through the layer once.
        counts = ops.bincount(ops.reshape(word_ids, (-1,)), minlength=self.embedding.input_dim)
        occurs = counts > 0
        position = ops.cumsum(ops.cast(occurs, "int32")) - 1
        words = self.words(self.embedding(ops.nonzero(occurs)[0]))
        # The gradients of a frequent word's many occurrences are summed: bfloat16 would lose them.
        words = ops.cast(words, "float32")
        # ReLU after the maximum is the same as before it, on fewer numbers.
        return ops.relu(ops.max(ops.take(words, ops.take(position, word_ids), axis=0), axis=1))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make a layer of this shape; the vectors are weights."""
        shape = [self.embedding.input_dim, self.embedding.output_dim]
        return {**super().get_config(), "vectors_shape": shape, "size": self.size}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "CaptionLayer":
        """Makes a layer with zero vectors, to be filled when its weights are loaded."""
        config = dict(config)
        return cls(np.zeros(config.pop("vectors_shape"), np.float32), **config)


@keras.saving.register_keras_serializable(package="howto100m")
class GatedTextVideoModel(keras.Model):
    """Two gated embeddings, of clips and of captions, whose dot product is their cosine.

    Trained by Keras's own means, with the max-margin ranking loss built in: `compile(optimizer)`,
    then `fit` on dictionaries of `features`, `word_ids` and `negatives` without labels.
    """

    def __init__(
        self,
        feature_size: int,
        vectors: np.ndarray,
        caption_size: int = 4096,
        embedding_size: int = 4096,
        margin: float = 0.1,
        **kwargs: Any,
    ):
        """Makes the model.

        Args:
          feature_size: size of a clip's vector (see `models.clip_features`), D.
          vectors: float [V+1, W], frozen word vectors; row 0 is the padding's.
          caption_size: units of the layer on each word.
          embedding_size: size of the joint space, d in the paper.
          margin: of the loss.
          **kwargs: `name`, `dtype`.

        Raises:
          ValueError: the word vectors are not finite or no such matrix.
        """
        super().__init__(**kwargs)
        self.feature_size = feature_size
        self.caption_size = caption_size
        self.embedding_size = embedding_size
        self.margin = margin
        self.video_unit = GatedEmbedding(embedding_size, name="video_unit", dtype=self.dtype_policy)
        self.caption_layer = CaptionLayer(
            vectors, caption_size, name="caption_layer", dtype=self.dtype_policy
        )
        self.text_unit = GatedEmbedding(embedding_size, name="text_unit", dtype=self.dtype_policy)

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights.

        Args:
          input_shape: ignored.
        """
        self.video_unit.build((None, self.feature_size))
        self.caption_layer.build()
        self.text_unit.build((None, self.caption_size))

    def embed_video(self, features: Any) -> Any:
        """Embeds clips' vectors, float [B, D], as float32 [B, d] of length 1."""
        return unit_length(self.video_unit(features))

    def embed_text(self, word_ids: Any) -> Any:
        """Embeds captions, int [B, L] where 0 pads, as float32 [B, d] of length 1."""
        return unit_length(self.text_unit(self.caption_layer(word_ids)))

    def call(self, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        """Embeds pairs of a clip and a caption.

        Args:
          inputs: `features` float [B, D] and `word_ids` int [B, L].

        Returns:
          float32 [B, d] of the clips and of the captions, each of length 1.
        """
        return self.embed_video(inputs[FEATURES]), self.embed_text(inputs[WORD_IDS])

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Computes the max-margin ranking loss, as Keras's training and test steps ask for it.

        Args:
          x: the inputs; `negatives`, float [B, B], weighs them (see `models.max_margin`). Without
            it every other pair is a negative.
          y: labels; there are none.
          y_pred: what `call` returned.
          sample_weight: unused.
          training: unused.

        Returns:
          float32 [].
        """
        video, text = y_pred
        negatives = x[NEGATIVES] if NEGATIVES in x else 1.0 - ops.eye(ops.shape(video)[0])
        return max_margin_ranking(ops.matmul(video, ops.transpose(text)), negatives, self.margin)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make a model of this shape; the word vectors are weights."""
        embedding = self.caption_layer.embedding
        return {
            **super().get_config(),
            "feature_size": self.feature_size,
            "vectors_shape": [embedding.input_dim, embedding.output_dim],
            "caption_size": self.caption_size,
            "embedding_size": self.embedding_size,
            "margin": self.margin,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> "GatedTextVideoModel":
        """Makes a model with zero word vectors, to be filled when its weights are loaded."""
        config = dict(config)
        return cls(vectors=np.zeros(config.pop("vectors_shape"), np.float32), **config)
