"""The S3D video tower: separable 3-D convolutions with self-gating.

Xie et al., "Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs in Video
Classification" (S3D-G), in the arrangement that MIL-NCE (Miech et al., "End-to-End Learning of
Visual Representations from Uncurated Instructional Videos") trains and publishes.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers, ops

from models.video_layers import ConvUnit, max_pool, scale_channels, space_to_depth

SPACE_TO_DEPTH_STEM = "space_to_depth"
CONV_STEM = "conv"

# Output channels of one block: branch 0; branch 1 before and after its separable convolution;
# branch 2 the same; branch 3.
_INCEPTION_BLOCKS = {
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
# Window and stride (time, height, width) of the pooling before the named stage.
_POOLING = {
    "maxpool_2a": ((1, 3, 3), (1, 2, 2)),
    "maxpool_3a": ((1, 3, 3), (1, 2, 2)),
    "maxpool_4a": ((3, 3, 3), (2, 2, 2)),
    "maxpool_5a": ((2, 2, 2), (2, 2, 2)),
}


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

    def call(self, video: Any) -> Any:
        """Maps [B, T, H, W, C] to the same shape."""
        if keras.backend.standardize_dtype(video.dtype) == "bfloat16":
            # Keras's mean would write the video as float32 first; a sum adds in float32 anyway.
            _, *size, _ = ops.shape(video)
            means = ops.sum(video, axis=(1, 2, 3)) / ops.cast(math.prod(size), video.dtype)
        else:
            means = ops.mean(video, axis=(1, 2, 3))
        gates = self.dense(means)
        return video * gates[:, None, None, None, :]


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
        pooled = max_pool(video, (3, 3, 3), (1, 1, 1))
        branches = (
            self.b0(video, training=training),
            self.b1_b(self.b1_a(video, training=training), training=training),
            self.b2_b(self.b2_a(video, training=training), training=training),
            self.b3(pooled, training=training),
        )
        gated = [gate(branch) for gate, branch in zip(self.gates, branches, strict=True)]
        return ops.concatenate(gated, axis=-1)


@keras.saving.register_keras_serializable(package="howto100m")
class S3D(keras.Model):
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
        super().__init__(**kwargs)
        if width <= 0:
            raise ValueError(f"width must be positive, not {width}")
        if embedding_size < 1:
            raise ValueError(f"embedding_size must be at least 1, not {embedding_size}")
        if stem not in (SPACE_TO_DEPTH_STEM, CONV_STEM):
            raise ValueError(f"stem must be {SPACE_TO_DEPTH_STEM!r} or {CONV_STEM!r}, not {stem!r}")
        self.width = width
        self.embedding_size = embedding_size
        self.stem = stem
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        options = {"kernel_initializer": self.kernel_initializer, "dtype": self.dtype_policy}

        def scaled(channels: int) -> int:
            return scale_channels(channels, width)

        if stem == SPACE_TO_DEPTH_STEM:
            self.conv1 = ConvUnit(scaled(64), (2, 4, 4), name="conv1", **options)
        else:
            self.conv1 = ConvUnit(
                scaled(64),
                (3, 7, 7),
                strides=(2, 2, 2),
                padding=((1, 1), (3, 3), (3, 3)),
                name="conv1",
                **options,
            )
        self.conv_2b = ConvUnit(scaled(64), (1, 1, 1), name="conv_2b", **options)
        self.conv_2c = SeparableConvUnit(scaled(192), name="conv_2c", **options)
        self.gating = SelfGating(name="gating", dtype=self.dtype_policy)
        self.blocks = [
            InceptionBlock([scaled(count) for count in channels], name=name, **options)
            for name, channels in _INCEPTION_BLOCKS.items()
        ]
        # The loss multiplies embeddings without normalising them: keep their full precision.
        self.head = layers.Dense(embedding_size, name="fc", dtype="float32")

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Creates the weights.

        Args:
          input_shape: ignored; the input always has three channels and any other size.
        """
        shape = [None, None, None, None, 24 if self.stem == SPACE_TO_DEPTH_STEM else 3]
        for unit in (self.conv1, self.conv_2b, self.conv_2c, self.gating, *self.blocks):
            unit.build(tuple(shape))
            if isinstance(unit, ConvUnit):
                shape[-1] = unit.convolution.filters
            elif not isinstance(unit, SelfGating):
                shape[-1] = unit.filters
        self.head.build((None, shape[-1]))

    def stages(self, video: Any, training: bool | None = None) -> Mapping[str, Any]:
        """Computes every stage of the tower.

        Args:
          video: float [B, T, H, W, 3] in [0, 1]; any T, H and W of at least 1.
          training: whether batch statistics normalise (and update the stored ones).

        Returns:
          The output of each stage by its name in the paper's table, in order; all are
          [B, T', H', W', C].
        """
        if not self.built:
            self.build()
        outputs = {}
        x = ops.cast(video, self.compute_dtype)
        if self.stem == SPACE_TO_DEPTH_STEM:
            x = space_to_depth(x)
        x = outputs["conv1"] = self.conv1(x, training=training)
        x = outputs["maxpool_2a"] = max_pool(x, *_POOLING["maxpool_2a"])
        x = outputs["conv_2b"] = self.conv_2b(x, training=training)
        x = outputs["conv_2c"] = self.conv_2c(x, training=training)
        x = outputs["gating"] = self.gating(x)
        x = outputs["maxpool_3a"] = max_pool(x, *_POOLING["maxpool_3a"])
        for block in self.blocks:
            pooling = f"maxpool_{block.name[6]}a"
            if block.name.endswith("b") and pooling not in outputs:
                x = outputs[pooling] = max_pool(x, *_POOLING[pooling])
            x = outputs[block.name] = block(x, training=training)
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
            "stem": self.stem,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
