"""The text tower of MIL-NCE: frozen word vectors, a text model over them, the joint space."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from models.initializers import own_copy
from models.text_encoders import make_text_encoder

MAX_POOL = "max_pool"


def frozen_embedding(vectors: np.ndarray, dtype: Any) -> layers.Embedding:
    """Returns a layer that looks word vectors up, saves them as a weight and never trains them.

    Args:
      vectors: float [V+1, D], the vector of each word id; row 0 is that of the padding.
      dtype: the layer's dtype policy.

    Raises:
      ValueError: the vectors are not a matrix with a row for the padding and one for a word, or
        hold a value that is not finite.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[0] < 2 or vectors.shape[1] < 1:
        raise ValueError(
            "the word vectors need one row for the padding and one for each word, "
            f"not the shape {vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise ValueError(f"the vector of word id {row} is not finite")
    return layers.Embedding(
        *vectors.shape,
        embeddings_initializer=lambda shape, dtype=None: ops.convert_to_tensor(vectors, dtype),
        trainable=False,
        name="word_vectors",
        dtype=dtype,
    )


@keras.saving.register_keras_serializable(package="howto100m")
class TextTower(keras.Model):
    """Embeds sentences given as word ids.

    Miech et al., "End-to-End Learning of Visual Representations from Uncurated Instructional
    Videos", section 4.1: frozen word2vec vectors, a linear layer with ReLU on each word, the
    maximum over the words and a linear layer to the joint space. As in the reference code nothing
    masks the padding: its vector takes part in the maximum, so the number of ids of a sentence
    has to be the same wherever its embedding is used (facts/protocols.md, section 2).

    The text models that the paper compares its own with (table 2f) stand between the same word
    vectors and the same last layer. They do mask the padding (see `models.text_encoders`).

    Attributes:
      embedding: the layer that looks word vectors up.
      hidden: the layer before the last: that on each word, or the whole of another text model.
      head: the last layer.
      embedding_size: size of the joint space, E.
      encoding_size: size of what `encode` returns, H: `hidden_size`, or of NetVLAD 32 times the
        size of a word vector.
    """

    def __init__(
        self,
        vectors: np.ndarray,
        hidden_size: int = 2048,
        embedding_size: int = 512,
        kernel_initializer: Any = "glorot_uniform",
        text_model: str = MAX_POOL,
        **kwargs: Any,
    ):
        """Makes the tower.

        Args:
          vectors: float [V+1, D], the vector of each word id; row 0 is that of the padding. They
            are saved with the weights and never trained.
          hidden_size: units of the layer on each word; of an LSTM or a GRU its units, of a
            Transformer its width; of no meaning to NetVLAD.
          embedding_size: size of the joint space, E.
          kernel_initializer: Keras initialiser of the layers.
          text_model: what makes one vector of the words: "max_pool", the paper's, "lstm", "gru",
            "transformer" or "netvlad".
          **kwargs: `name`, `dtype`.

        Raises:
          ValueError: the vectors are not a matrix with a row for the padding and one for a word,
            or hold a value that is not finite; there is no such text model; or the Transformer's
            8 heads do not divide its width.
        """
        super().__init__(**kwargs)
        self.hidden_size = hidden_size
        self.embedding_size = embedding_size
        self.text_model = text_model
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.embedding = frozen_embedding(vectors, self.dtype_policy)
        self._vectors_shape = (self.embedding.input_dim, self.embedding.output_dim)
        if text_model == MAX_POOL:
            self.hidden = layers.Dense(
                hidden_size,
                activation="relu",
                kernel_initializer=own_copy(self.kernel_initializer),
                name="fc1",
                dtype=self.dtype_policy,
            )
            self.encoding_size = hidden_size
        else:
            self.hidden = make_text_encoder(
                text_model, hidden_size, self.kernel_initializer, self.dtype_policy
            )
            words_shape = (None, None, self._vectors_shape[1])
            self.encoding_size = self.hidden.compute_output_shape(words_shape)[-1]
        # The loss multiplies embeddings without normalising them: keep their full precision.
        self.head = layers.Dense(
            embedding_size,
            kernel_initializer=own_copy(self.kernel_initializer),
            name="fc2",
            dtype="float32",
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights.

        Args:
          input_shape: ignored; any batch of sentences of any length fits.
        """
        self.embedding.build((None, None))
        self.hidden.build((None, None, self._vectors_shape[1]))
        self.head.build((None, self.encoding_size))

    def encode(self, word_ids: Any) -> Any:
        """Makes one vector of each sentence, before the layer to the joint space.

        Args:
          word_ids: int [B, L]; 0 pads.

        Returns:
          float [B, H].
        """
        words = self.embedding(word_ids)
        if self.text_model == MAX_POOL:
            # As one matrix: of a batch of matrices, the weight's gradient is written for each.
            batch, length, size = ops.shape(words)
            hidden = self.hidden(ops.reshape(words, (batch * length, size)))
            return ops.max(ops.reshape(hidden, (batch, length, self.hidden_size)), axis=1)
        return self.hidden(words, mask=ops.not_equal(word_ids, 0))

    def call(self, word_ids: Any) -> Any:
        """Embeds sentences.

        Args:
          word_ids: int [B, L]; 0 pads.

        Returns:
          float32 [B, E].
        """
        return self.head(self.encode(word_ids))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make a tower of this shape; the vectors are weights."""
        return {
            **super().get_config(),
            "vectors_shape": list(self._vectors_shape),
            "hidden_size": self.hidden_size,
            "embedding_size": self.embedding_size,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "text_model": self.text_model,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> "TextTower":
        """Makes a tower with zero vectors, to be filled when its weights are loaded."""
        config = dict(config)
        return cls(np.zeros(config.pop("vectors_shape"), np.float32), **config)
