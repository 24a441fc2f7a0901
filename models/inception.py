"""What the video towers S3D and I3D share: the layout of Inception v1, and a linear head.

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset"; the
head is MIL-NCE's (Miech et al., "End-to-End Learning of Visual Representations from Uncurated
Instructional Videos"). Sizes: facts/protocols.md, section 1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers, ops

from models.video_layers import ConvUnit, max_pool, scale_channels

# Output channels of one block: branch 0; branch 1 before and after its 3x3x3 convolution; branch 2
# the same; branch 3.
_BLOCKS = {
    "mixed_3b": (64, 96, 128, 16, 32, 32),
    "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64),
    "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_4d": (128, 128, 256, 24, 64, 64),
    "mixed_4e": (112, 144, 288, 32, 64, 64),
    "mixed_4f": (256, 160, 320, 32, 128, 128),
    "mixed_5b": (256, 160, 320, 32, 128, 128),
    "mixed_5c": (384, 192, 384, 48, 128, 128),
}
# Before the stage of the key: name, window and stride (time, height, width) of a max pooling.
_POOLING = {
    "conv_2b": ("maxpool_2a", (1, 3, 3), (1, 2, 2)),
    "mixed_3b": ("maxpool_3a", (1, 3, 3), (1, 2, 2)),
    "mixed_4b": ("maxpool_4a", (3, 3, 3), (2, 2, 2)),
    "mixed_5b": ("maxpool_5a", (2, 2, 2), (2, 2, 2)),
}


class InceptionTower(keras.Model):
    """A video tower in the layout of Inception v1, whose stages a subclass makes.

    A subclass sets `head` from `make_head`, names its stages in `units`, and says with `prepare`
    what the first of them takes.

    Attributes:
      width: factor on every channel count of the tower.
      embedding_size: size of the joint space, E.
      kernel_initializer: Keras initialiser of every convolution.
      head: the linear map from `mixed_5c` to the joint space.
      input_channels: channels of what `prepare` returns.
    """

    input_channels = 3

    def __init__(self, width: float, embedding_size: int, kernel_initializer: Any, **kwargs: Any):
        """Takes the settings that all towers have.

        Args:
          width: factor on every channel count of the tower (see `scale_channels`); the embedding is
            not scaled.
          embedding_size: size of the joint space, E.
          kernel_initializer: Keras initialiser of every convolution.
          **kwargs: `name`, `dtype`.

        Raises:
          ValueError: the width or the embedding size is not positive.
        """
        super().__init__(**kwargs)
        if width <= 0:
            raise ValueError(f"width must be positive, not {width}")
        if embedding_size < 1:
            raise ValueError(f"embedding_size must be at least 1, not {embedding_size}")
        self.width = width
        self.embedding_size = embedding_size
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    @property
    def units(self) -> Sequence[layers.Layer]:
        """The layers with weights before the head, in order.

        All but a ConvUnit tell their output channels in `filters`.
        """
        raise NotImplementedError

    def prepare(self, video: Any) -> Any:
        """Returns what the first unit takes of a video [B, T, H, W, 3]."""
        raise NotImplementedError

    def scaled(self, channels: int) -> int:
        """Returns a channel count of the table at this tower's width."""
        return scale_channels(channels, self.width)

    def block_channels(self) -> Mapping[str, Sequence[int]]:
        """Returns the channels of b0, b1a, b1b, b2a, b2b and b3 of each block, by its name."""
        return {name: [self.scaled(count) for count in counts] for name, counts in _BLOCKS.items()}

    def make_head(self) -> layers.Dense:
        """Returns the linear map to the joint space."""
        # The loss multiplies embeddings without normalising them: keep their full precision.
        return layers.Dense(self.embedding_size, name="fc", dtype="float32")

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Creates the weights.

        Args:
          input_shape: ignored; the input always has three channels and any other size.
        """
        channels = self.input_channels
        for unit in self.units:
            unit.build((None, None, None, None, channels))
            channels = unit.convolution.filters if isinstance(unit, ConvUnit) else unit.filters
        self.head.build((None, channels))

    def stages(self, video: Any, training: bool | None = None) -> Mapping[str, Any]:
        """Computes every stage of the tower.

        Args:
          video: float [B, T, H, W, 3] in [0, 1]; any T, H and W of at least 1.
          training: whether batch statistics normalise (and update the stored ones).

        Returns:
          The output of each stage by its name in the table of facts/protocols.md, section 1, in
          order; all are [B, T', H', W', C].
        """
        if not self.built:
            self.build()
        outputs = {}
        x = self.prepare(ops.cast(video, self.compute_dtype))
        for unit in self.units:
            if unit.name in _POOLING:
                name, window, strides = _POOLING[unit.name]
                x = outputs[name] = max_pool(x, window, strides)
            x = outputs[unit.name] = unit(x, training=training)
        return outputs

    def call(self, video: Any, training: bool | None = None) -> dict[str, Any]:
        """Embeds clips.

        Args:
          video: float [B, T, H, W, 3] in [0, 1]; any T, H and W of at least 1.
          training: whether batch statistics normalise (and update the stored ones).

        Returns:
          `video_embedding` float32 [B, E] and `mixed_5c` float32 [B, C], the mean of the last
          stage over time and space (C is 1024 at width 1).
        """
        last = self.stages(video, training=training)["mixed_5c"]
        features = ops.mean(ops.cast(last, "float32"), axis=(1, 2, 3))
        return {"video_embedding": self.head(features), "mixed_5c": features}

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal tower."""
        return {
            **super().get_config(),
            "width": self.width,
            "embedding_size": self.embedding_size,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
