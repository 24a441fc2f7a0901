"""The text models that MIL-NCE is compared with: an LSTM, a GRU, a Transformer and NetVLAD.

Miech et al., "End-to-End Learning of Visual Representations from Uncurated Instructional Videos",
section 4.3 and table 2f. Each is a layer that makes one vector of a sentence's word vectors,
`layer(words, mask=mask)`: `words` is float [B, L, D], `mask` is bool [B, L] and true at real words.
The padding has no effect on them: the mask takes it out, and a sentence without any word gives
zeros. No size depends on the length of the sentences.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from models.initializers import own_copy

_NUM_HEADS = 8
# Ratio of the feed-forward layer's units to the Transformer's width, and its normalisations'
# epsilon.
_FEED_FORWARD = 4
_NORM_EPSILON = 1e-6
# The longest wavelength of the positions is this times 2 pi (Vaswani et al., section 3.5).
_MAX_PERIOD = 10_000.0
# A vector shorter than this is not brought to length 1.
_MIN_LENGTH = 1e-12


def make_text_encoder(
    text_model: str, hidden_size: int, kernel_initializer: Any, dtype: Any
) -> layers.Layer:
    """Makes the layer that turns the word vectors of a sentence into one vector.

    Args:
      text_model: "lstm" or "gru", a single layer of `hidden_size` units, of which the state after
        the last word is taken; "transformer", a `TransformerEncoder` of width `hidden_size`; or
        "netvlad", a `NetVLAD` of 32 clusters, which `hidden_size` does not matter to.
      hidden_size: size of the vector, H.
      kernel_initializer: a Keras initialiser; that of the recurrent weights is Keras's default.
      dtype: the layer's dtype policy; NetVLAD is computed in float32.

    Returns:
      A layer that maps float [B, L, D] with the keyword `mask`, bool [B, L], to float [B, H], or
      [B, 32*D] of NetVLAD. It is named after the text model.

    Raises:
      ValueError: there is no such text model, or the Transformer's width does not fit its heads.
    """
    arguments = {"kernel_initializer": own_copy(kernel_initializer), "name": text_model}
    if text_model in ("lstm", "gru"):
        recurrent = layers.LSTM if text_model == "lstm" else layers.GRU
        # An exported cuDNN operation runs on NVIDIA's GPUs alone, and no such operation takes a
        # sentence without words.
        return recurrent(hidden_size, use_cudnn=False, dtype=dtype, **arguments)
    if text_model == "transformer":
        return TransformerEncoder(hidden_size, dtype=dtype, **arguments)
    if text_model == "netvlad":
        # Residuals are small differences, which bfloat16 would round away.
        return NetVLAD(dtype="float32", **arguments)
    raise ValueError(
        f"there is no text model {text_model!r}: take max_pool, lstm, gru, transformer or netvlad"
    )


def sinusoidal_positions(length: Any, size: int) -> Any:
    """Returns the positions' vectors of Vaswani et al., "Attention Is All You Need", section 3.5.

    The formula gives any length its vectors: there is no longest sentence.

    Args:
      length: number of positions, L; an integer or an integer tensor.
      size: size of a vector, even.

    Returns:
      float32 [L, size]: at 2i the sine and at 2i + 1 the cosine of position / 10000^(2i / size).
    """
    rates = np.exp(np.arange(0, size, 2) * (-np.log(_MAX_PERIOD) / size)).astype(np.float32)
    angles = ops.cast(ops.arange(length), "float32")[:, None] * rates
    return ops.reshape(ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1), (-1, size))


@keras.saving.register_keras_serializable(package="howto100m")
class TransformerEncoder(layers.Layer):
    """One encoder layer of a Transformer over the words, and the maximum over them.

    Vaswani et al., "Attention Is All You Need", section 3: the words are brought to the layer's
    width W by a linear layer without bias, multiplied by the square root of W, and their positions
    added. Then self-attention of 8 heads and a feed-forward network of 4*W units with ReLU; each is
    added to its input and normalised after that. W = 512 is the size of the base model.

    The MIL-NCE paper says no more than the numbers of layers and heads. The words become one vector
    by their maximum, as in the paper's own text model. There is no dropout, as in no other text
    model here.
    """

    def __init__(
        self,
        size: int,
        num_heads: int = _NUM_HEADS,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ):
        """Makes the layer.

        Args:
          size: the layer's width, W.
          num_heads: number of attention heads.
          kernel_initializer: a Keras initialiser.
          **kwargs: `name`, `dtype`.

        Raises:
          ValueError: the width is odd or no multiple of the number of heads.
        """
        super().__init__(**kwargs)
        if size % num_heads or size % 2:
            raise ValueError(
                f"the Transformer's width is {size}: take an even multiple of its {num_heads} heads"
            )
        self.supports_masking = True
        self.size = size
        self.num_heads = num_heads
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.projection = layers.Dense(
            size,
            use_bias=False,
            kernel_initializer=own_copy(self.kernel_initializer),
            name="projection",
            dtype=self.dtype_policy,
        )
        self.attention = layers.MultiHeadAttention(
            num_heads,
            size // num_heads,
            kernel_initializer=own_copy(self.kernel_initializer),
            name="attention",
            dtype=self.dtype_policy,
        )
        self.attention_norm = layers.LayerNormalization(
            epsilon=_NORM_EPSILON, name="attention_norm", dtype=self.dtype_policy
        )
        self.expansion = layers.Dense(
            _FEED_FORWARD * size,
            activation="relu",
            kernel_initializer=own_copy(self.kernel_initializer),
            name="expansion",
            dtype=self.dtype_policy,
        )
        self.contraction = layers.Dense(
            size,
            kernel_initializer=own_copy(self.kernel_initializer),
            name="contraction",
            dtype=self.dtype_policy,
        )
        self.output_norm = layers.LayerNormalization(
            epsilon=_NORM_EPSILON, name="output_norm", dtype=self.dtype_policy
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for words [B, L, D] with D known."""
        wide = (None, None, self.size)
        self.projection.build(input_shape)
        self.attention.build(wide, wide)
        self.attention_norm.build(wide)
        self.expansion.build(wide)
        self.contraction.build((None, None, _FEED_FORWARD * self.size))
        self.output_norm.build(wide)

    def call(self, words: Any, mask: Any = None) -> Any:
        """Makes one vector of each sentence.

        Args:
          words: float [B, L, D].
          mask: bool [B, L], true at real words; without it all are.

        Returns:
          float [B, W]; zeros where a sentence has no words.
        """
        if mask is None:
            mask = ops.ones(ops.shape(words)[:2], "bool")
        positions = sinusoidal_positions(ops.shape(words)[1], self.size)
        states = self.projection(words) * self.size**0.5
        states = states + ops.cast(positions, states.dtype)
        attended = self.attention(states, states, attention_mask=mask[:, None, :])
        states = self.attention_norm(states + attended)
        states = self.output_norm(states + self.contraction(self.expansion(states)))
        pooled = ops.max(ops.where(mask[..., None], states, -np.inf), axis=1)
        return ops.where(ops.any(mask, axis=1, keepdims=True), pooled, 0.0)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns None: what comes out has no words to mask."""

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, int]:
        """Returns (B, W)."""
        return input_shape[0], self.size

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "size": self.size,
            "num_heads": self.num_heads,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable(package="howto100m")
class NetVLAD(layers.Layer):
    """Sums of the words' differences to learned centres.

    Arandjelovic et al., "NetVLAD: CNN architecture for weakly supervised place recognition",
    equation 4: each word is shared out to the clusters by a linear layer and softmax, and each
    cluster sums up its shares of the differences between words and its centre. Every cluster's sum
    is brought to length 1, and then all of them together.

    The centres start at random, from the kernel's initialiser, instead of at k-means clusters.
    """

    def __init__(
        self, num_clusters: int = 32, kernel_initializer: Any = "glorot_uniform", **kwargs: Any
    ):
        """Makes the layer.

        Args:
          num_clusters: number of clusters, C.
          kernel_initializer: Keras initialiser of the assignment's kernel and of the centres.
          **kwargs: `name`, `dtype`.
        """
        super().__init__(**kwargs)
        self.supports_masking = True
        self.num_clusters = num_clusters
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.assignment = layers.Dense(
            num_clusters,
            activation="softmax",
            kernel_initializer=own_copy(self.kernel_initializer),
            name="assignment",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for words [B, L, D] with D known."""
        self.assignment.build(input_shape)
        self.centres = self.add_weight(
            name="centres",
            shape=(self.num_clusters, input_shape[-1]),
            initializer=own_copy(self.kernel_initializer),
        )

    def call(self, words: Any, mask: Any = None) -> Any:
        """Makes one vector of each sentence.

        Args:
          words: float [B, L, D].
          mask: bool [B, L], true at real words; without it all are.

        Returns:
          float [B, C*D], cluster by cluster, of length 1; zeros where a sentence has no words.
        """
        shares = self.assignment(words)
        if mask is not None:
            shares = shares * ops.cast(mask[..., None], shares.dtype)
        sums = ops.einsum("blc,bld->bcd", shares, words)
        residuals = sums - ops.sum(shares, axis=1)[..., None] * self.centres
        size = self.num_clusters * self.centres.shape[-1]
        return _unit_length(ops.reshape(_unit_length(residuals), (-1, size)))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns None: what comes out has no words to mask."""

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, int]:
        """Returns (B, C*D)."""
        return input_shape[0], self.num_clusters * input_shape[-1]

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "num_clusters": self.num_clusters,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _unit_length(vectors: Any) -> Any:
    """Brings the last axis to length 1; a vector of zeros stays one and has a finite gradient."""
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squares, _MIN_LENGTH**2))
