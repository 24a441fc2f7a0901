"""The S3D video tower: separable 3-D convolutions with self-gating.

Xie et al., "Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs in Video
Classification" (S3D-G), in the arrangement that MIL-NCE (Miech et al., "End-to-End Learning of
Visual Representations from Uncurated Instructional Videos") trains and publishes.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from models.fan_out import copies
from models.inception import InceptionTower
from models.video_layers import ConvUnit, max_pool, space_to_depth

SPACE_TO_DEPTH_STEM = "space_to_depth"
CONV_STEM = "conv"


class SeparableConvUnit(layers.Layer):
    """A 3x3x3 convolution as 1x3x3 and then 3x1x1, each with its normalisation and ReLU."""

    def __init__(self, filters: int, kernel_initializer: Any = "glorot_uniform", **kwargs: Any):
        """Makes the unit.

        Args:
          filters: number of output channels of both halves.
          kernel_initializer: a Keras initialiser.
          **kwargs: `name`, `dtype`.
        """
        super().__init__(**kwargs)
        options = {"kernel_initializer": kernel_initializer, "dtype": self.dtype_policy}
        self.filters = filters
        self.spatial = ConvUnit(filters, (1, 3, 3), name="spatial", **options)
        self.temporal = ConvUnit(filters, (3, 1, 1), name="temporal", **options)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for input (B, T, H, W, C)."""
        self.spatial.build(input_shape)
        self.temporal.build((*input_shape[:-1], self.filters))

    def call(self, video: Any, training: bool | None = None) -> Any:
        """Maps [B, T, H, W, C] to [B, T, H, W, filters]."""
        return self.temporal(self.spatial(video, training=training), training=training)


class SelfGating(layers.Layer):
    """Weights each channel by a sigmoid of a linear map of all channels' means."""

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for input (B, T, H, W, C)."""
        channels = input_shape[-1]
        self.dense = layers.Dense(
            channels, activation="sigmoid", name="dense", dtype=self.dtype_policy
        )
        self.dense.build((None, channels))
        self.filters = channels

    def call(self, video: Any, training: bool | None = None) -> Any:
        """Maps [B, T, H, W, C] to the same shape; training makes no difference."""
        return video * self.dense(_means(video))[:, None, None, None, :]


def _means(video: Any) -> Any:
    """Returns each channel's mean over time and space, [B, C], of [B, T, H, W, C]."""
    if keras.backend.standardize_dtype(video.dtype) != "bfloat16":
        return ops.mean(video, axis=(1, 2, 3))
    # Keras's mean would write the video as float32 first; a sum adds in float32 anyway.
    _, *size, _ = ops.shape(video)
    total = ops.cast(ops.sum(video, axis=(1, 2, 3)), "float32")
    return total / ops.cast(math.prod(size), "float32")


class InceptionBlock(layers.Layer):
    """Four branches, each gated by itself, concatenated in order.

    Branch 0 is 1x1x1; branches 1 and 2 are 1x1x1 then a separable 3x3x3; branch 3 is max pooling
    over 3x3x3 and then 1x1x1.
    """

    def __init__(
        self, channels: Sequence[int], kernel_initializer: Any = "glorot_uniform", **kwargs: Any
    ):
        """Makes the block.

        Args:
          channels: output channels of b0, b1a, b1b, b2a, b2b and b3.
          kernel_initializer: a Keras initialiser.
          **kwargs: `name`, `dtype`.
        """
        super().__init__(**kwargs)
        options = {"kernel_initializer": kernel_initializer, "dtype": self.dtype_policy}
        b0, b1_a, b1_b, b2_a, b2_b, b3 = channels
        self.b0 = ConvUnit(b0, (1, 1, 1), name="b0", **options)
        self.b1_a = ConvUnit(b1_a, (1, 1, 1), name="b1_a", **options)
        self.b1_b = SeparableConvUnit(b1_b, name="b1_b", **options)
        self.b2_a = ConvUnit(b2_a, (1, 1, 1), name="b2_a", **options)
        self.b2_b = SeparableConvUnit(b2_b, name="b2_b", **options)
        self.b3 = ConvUnit(b3, (1, 1, 1), name="b3", **options)
        self.branch_channels = (b0, b1_b, b2_b, b3)
        self.gates = [
            SelfGating(name=f"gating_b{branch}", dtype=self.dtype_policy) for branch in range(4)
        ]

    @property
    def filters(self) -> int:
        """Number of output channels."""
        return sum(self.branch_channels)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for input (B, T, H, W, C)."""
        for unit in (self.b0, self.b1_a, self.b2_a, self.b3):
            unit.build(input_shape)
        for reduction, unit in ((self.b1_a, self.b1_b), (self.b2_a, self.b2_b)):
            unit.build((*input_shape[:-1], reduction.convolution.filters))
        for gate, channels in zip(self.gates, self.branch_channels, strict=True):
            gate.build((*input_shape[:-1], channels))

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
        # Gated as one: of few large operations less is lost between them than of many small ones.
        joined = ops.concatenate(branches, axis=-1)
        means = ops.split(_means(joined), np.cumsum(self.branch_channels)[:-1].tolist(), axis=-1)
        gates = [gate.dense(mean) for gate, mean in zip(self.gates, means, strict=True)]
        return joined * ops.concatenate(gates, axis=-1)[:, None, None, None, :]


@keras.saving.register_keras_serializable(package="howto100m")
class S3D(InceptionTower):
    """The S3D tower of MIL-NCE.

    At width 1 with the space-to-depth stem and a 512-dimensional head it has 9,670,800 learned
    parameters, as the released model.
    """

    def __init__(
        self,
        width: float = 1.0,
        embedding_size: int = 512,
        stem: str = SPACE_TO_DEPTH_STEM,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ):
        """Makes the tower.

        Args:
          width: factor on every channel count of the tower (see `scale_channels`); the embedding is
            not scaled.
          embedding_size: size of the joint space, E.
          stem: "space_to_depth", the released model's (a 2x4x4 convolution on 2x2x2 blocks), or
            "conv", that of the published training code (3x7x7 with stride 2).
          kernel_initializer: Keras initialiser of every convolution.
          **kwargs: `name`, `dtype`.

        Raises:
          ValueError: the width or the embedding size is not positive, or the stem is unknown.
        """
        super().__init__(width, embedding_size, kernel_initializer, **kwargs)
        if stem not in (SPACE_TO_DEPTH_STEM, CONV_STEM):
            raise ValueError(f"stem must be {SPACE_TO_DEPTH_STEM!r} or {CONV_STEM!r}, not {stem!r}")
        self.stem = stem
        options = {"kernel_initializer": self.kernel_initializer, "dtype": self.dtype_policy}
        if stem == SPACE_TO_DEPTH_STEM:
            self.input_channels = 24
            self.conv1 = ConvUnit(self.scaled(64), (2, 4, 4), name="conv1", **options)
        else:
            self.conv1 = ConvUnit(
                self.scaled(64),
                (3, 7, 7),
                strides=(2, 2, 2),
                padding=((1, 1), (3, 3), (3, 3)),
                name="conv1",
                **options,
            )
        self.conv_2b = ConvUnit(self.scaled(64), (1, 1, 1), name="conv_2b", **options)
        self.conv_2c = SeparableConvUnit(self.scaled(192), name="conv_2c", **options)
        self.gating = SelfGating(name="gating", dtype=self.dtype_policy)
        self.blocks = [
            InceptionBlock(channels, name=name, **options)
            for name, channels in self.block_channels().items()
        ]
        self.head = self.make_head()

    @property
    def units(self) -> Sequence[layers.Layer]:
        """The layers with weights before the head, in order."""
        return (self.conv1, self.conv_2b, self.conv_2c, self.gating, *self.blocks)

    def prepare(self, video: Any) -> Any:
        """Returns a video [B, T, H, W, 3] as blocks of pixels, if the stem takes them."""
        return space_to_depth(video) if self.stem == SPACE_TO_DEPTH_STEM else video

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal tower."""
        return {**super().get_config(), "stem": self.stem}
