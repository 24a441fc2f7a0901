"""The I3D video tower: Inception v1 with full 3-D convolutions.

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset", with
the linear head that MIL-NCE (Miech et al., "End-to-End Learning of Visual Representations from
Uncurated Instructional Videos") puts on it for its ablations and for its public module
deepmind/mil-nce/i3d/1. What differs from S3D: facts/protocols.md, section 1.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from models.fan_out import copies
from models.inception import InceptionTower
from models.video_layers import ConvUnit, Normalization, Triple, max_pool

_STEM_SIZE = (7, 7, 7)
_STEM_STRIDES = (2, 2, 2)


def pad_same(video: Any, window: Triple, strides: Triple) -> Any:
    """Pads with the zeros that TensorFlow's SAME puts around a video.

    A convolution without padding then gives TensorFlow's SAME. How much goes before and after
    depends on the size: a window of 7 with stride 2 has 2 and 3 for an even size, 3 and 3 for an
    odd one.

    Args:
      video: [B, T, H, W, C]; the sizes may be unknown while a graph is traced.
      window: size of the window in (T, H, W), in no axis less than its stride.
      strides: step of the window in (T, H, W).

    Returns:
      [B, T', H', W', C].
    """
    padding = []
    for size, length, stride in zip(ops.shape(video)[1:4], window, strides, strict=True):
        total = length - stride + -size % stride
        padding.append((total // 2, total - total // 2))
    return ops.pad(video, [(0, 0), *padding, (0, 0)])


class InceptionBlock(layers.Layer):
    """Four branches, concatenated in order.

    Branch 0 is 1x1x1; branches 1 and 2 are 1x1x1 then 3x3x3; branch 3 is max pooling over 3x3x3 and
    then 1x1x1.
    """

    def __init__(
        self,
        channels: Sequence[int],
        normalization: Normalization,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ):
        """Makes the block.

        Args:
          channels: output channels of b0, b1a, b1b, b2a, b2b and b3.
          normalization: how its batch normalisations behave.
          kernel_initializer: a Keras initialiser.
          **kwargs: `name`, `dtype`.
        """
        super().__init__(**kwargs)
        options = {
            "kernel_initializer": kernel_initializer,
            "normalization": normalization,
            "dtype": self.dtype_policy,
        }
        b0, b1_a, b1_b, b2_a, b2_b, b3 = channels
        self.b0 = ConvUnit(b0, (1, 1, 1), name="b0", **options)
        self.b1_a = ConvUnit(b1_a, (1, 1, 1), name="b1_a", **options)
        self.b1_b = ConvUnit(b1_b, (3, 3, 3), name="b1_b", **options)
        self.b2_a = ConvUnit(b2_a, (1, 1, 1), name="b2_a", **options)
        self.b2_b = ConvUnit(b2_b, (3, 3, 3), name="b2_b", **options)
        self.b3 = ConvUnit(b3, (1, 1, 1), name="b3", **options)
        self.filters = b0 + b1_b + b2_b + b3

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for input (B, T, H, W, C)."""
        for unit in (self.b0, self.b1_a, self.b2_a, self.b3):
            unit.build(input_shape)
        for reduction, unit in ((self.b1_a, self.b1_b), (self.b2_a, self.b2_b)):
            unit.build((*input_shape[:-1], reduction.convolution.filters))

    def call(self, video: Any, training: bool | None = None) -> Any:
        """Maps [B, T, H, W, C] to [B, T, H, W, filters]."""
        to_b0, to_b1, to_b2, to_b3 = copies(video, 4)
        pooled = max_pool(to_b3, (3, 3, 3), (1, 1, 1))
        branches = (
            self.b0(to_b0, training=training),
            self.b1_b(self.b1_a(to_b1, training=training), training=training),
            self.b2_b(self.b2_a(to_b2, training=training), training=training),
            self.b3(pooled, training=training),
        )
        return ops.concatenate(branches, axis=-1)


@keras.saving.register_keras_serializable(package="howto100m")
class I3D(InceptionTower):
    """The I3D tower of MIL-NCE.

    At width 1 it has 12,279,984 learned parameters up to `mixed_5c` and, with a 512-dimensional
    head, 12,804,784.
    """

    def __init__(
        self,
        width: float = 1.0,
        embedding_size: int = 512,
        kernel_initializer: Any = "glorot_uniform",
        momentum: float = 0.999,
        **kwargs: Any,
    ):
        """Makes the tower.

        Args:
          width: factor on every channel count of the tower (see `scale_channels`); the embedding is
            not scaled.
          embedding_size: size of the joint space, E.
          kernel_initializer: Keras initialiser of every convolution.
          momentum: share of the stored statistics of batch normalisation that stays at each step.
            The default is the public module's. It needs thousands of steps: after 1,200 steps 30 %
            of a statistic is still its initial value.
          **kwargs: `name`, `dtype`.

        Raises:
          ValueError: the width or the embedding size is not positive, or the momentum is not at
            least 0 and less than 1.
        """
        super().__init__(width, embedding_size, kernel_initializer, **kwargs)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be at least 0 and less than 1, not {momentum}")
        self.momentum = momentum
        options = {
            "kernel_initializer": self.kernel_initializer,
            "normalization": Normalization(momentum, epsilon=1e-3, scale=False),
            "dtype": self.dtype_policy,
        }
        self.conv1 = ConvUnit(
            self.scaled(64),
            _STEM_SIZE,
            _STEM_STRIDES,
            padding=((0, 0), (0, 0), (0, 0)),
            name="conv1",
            **options,
        )
        self.conv_2b = ConvUnit(self.scaled(64), (1, 1, 1), name="conv_2b", **options)
        self.conv_2c = ConvUnit(self.scaled(192), (3, 3, 3), name="conv_2c", **options)
        self.blocks = [
            InceptionBlock(channels, name=name, **options)
            for name, channels in self.block_channels().items()
        ]
        self.head = self.make_head()

    @property
    def units(self) -> Sequence[layers.Layer]:
        """The layers with weights before the head, in order."""
        return (self.conv1, self.conv_2b, self.conv_2c, *self.blocks)

    def prepare(self, video: Any) -> Any:
        """Returns a video [B, T, H, W, 3] with the padding of the first convolution."""
        return pad_same(video, _STEM_SIZE, _STEM_STRIDES)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal tower."""
        return {**super().get_config(), "momentum": self.momentum}
