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

SPACE_TO_DEPTH_STEM = "space_to_depth"
CONV_STEM = "conv"

_BATCH_NORM_MOMENTUM = 0.9
_BATCH_NORM_EPSILON = 1e-5
_CHANNEL_MULTIPLE = 4

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

Triple = tuple[int, int, int]
Padding = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def scale_channels(channels: int, width: float) -> int:
    """Returns a channel count of the table scaled by `width`.

    Args:
      channels: the count at full width.
      width: the factor.

    Returns:
      The nearest multiple of 4 (a half rounds up), at least 4. Width 1 leaves every count of the
      table as it is.
    """
    multiples = math.floor(channels * width / _CHANNEL_MULTIPLE + 0.5)
    return _CHANNEL_MULTIPLE * max(1, multiples)


def space_to_depth(video: Any) -> Any:
    """Moves each 2x2x2 block of pixels into the channels.

    Args:
      video: [B, T, H, W, C]. An odd T, H or W is extended by one zero at its end, as SAME padding
        would.

    Returns:
      [B, ceil(T/2), ceil(H/2), ceil(W/2), 8*C]. The value of channel c at offset (dt, dh, dw) of
      its block lands in channel ((dt*2 + dh)*2 + dw)*C + c, the order that the released MIL-NCE
      weights expect.
    """
    odd_or_unknown = [size is None or size % 2 == 1 for size in video.shape[1:4]]
    if any(odd_or_unknown):
        video = ops.pad(video, [(0, 0), *((0, int(pad)) for pad in odd_or_unknown), (0, 0)])
    # With the extra zero at the end, offset 0 takes all but the last position and offset 1 all
    # but the first: both then give ceil(size/2) positions whether the size was even or odd.
    phases = [(slice(0, -1 if pad else None, 2), slice(1, None, 2)) for pad in odd_or_unknown]
    blocks = [
        video[:, time, height, width]
        for time in phases[0]
        for height in phases[1]
        for width in phases[2]
    ]
    return ops.concatenate(blocks, axis=-1)


def max_pool(video: Any, window: Triple, strides: Triple) -> Any:
    """Max pooling over time and space with TensorFlow's SAME padding.

    The paper's model was trained on TPUs with SAME padding. The PyTorch port pads window minus
    stride at the end of each axis whatever the size. Both agree on even sizes (224 and 256 pixels
    stay even as far as it matters); on the 25 rows that 200 pixels leave before the third pooling
    the port's windows are shifted by one.

    Args:
      video: [B, T, H, W, C].
      window: size of the window in (T, H, W).
      strides: step of the window in (T, H, W).

    Returns:
      [B, ceil(T/st), ceil(H/sh), ceil(W/sw), C].
    """
    # A maximum over a box is the maximum over its sides in turn; the 2-D kernels are the fast ones.
    if window[1:] != (1, 1):
        batch, time, *_ = ops.shape(video)
        frames = ops.max_pool(_frames(video), window[1:], strides[1:], padding="same")
        video = ops.reshape(frames, (batch, time, *ops.shape(frames)[1:]))
    if window[0] != 1:
        batch, _, height, width, channels = ops.shape(video)
        columns = ops.max_pool(_columns(video), (window[0], 1), (strides[0], 1), padding="same")
        video = ops.reshape(columns, (batch, ops.shape(columns)[1], height, width, channels))
    return video


def _frames(video: Any) -> Any:
    """Returns [B, T, H, W, C] as images [B*T, H, W, C]."""
    batch, time, height, width, channels = ops.shape(video)
    return ops.reshape(video, (batch * time, height, width, channels))


def _columns(video: Any) -> Any:
    """Returns [B, T, H, W, C] as images [B, T, H*W, C]."""
    batch, time, height, width, channels = ops.shape(video)
    return ops.reshape(video, (batch, time, height * width, channels))


class Convolution(layers.Layer):
    """A 3-D convolution without bias, computed by 2-D convolutions.

    The kernel has the layout of Keras's Conv3D, [kt, kh, kw, in, out]. TensorFlow's own 3-D
    convolution is not used because on CPUs with bfloat16 instructions its weight gradient is
    wrong when the video has fewer frames than the kernel.

    Attributes:
      kernel: the weight [kt, kh, kw, in, out].
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Triple,
        strides: Triple = (1, 1, 1),
        padding: Padding | None = None,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ):
        """Makes the layer.

        Args:
          filters: number of output channels.
          kernel_size: size in (T, H, W).
          strides: step in (T, H, W).
          padding: zeros put before and after T, H and W; None puts (k-1)//2 before and the rest of
            k-1 after, which at stride 1 is TensorFlow's SAME.
          kernel_initializer: a Keras initialiser.
          **kwargs: `name`, `dtype`.
        """
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding or tuple(((k - 1) // 2, k // 2) for k in kernel_size)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._is_pointwise = kernel_size == strides == (1, 1, 1) and not any(map(sum, self.padding))

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the kernel.

        Args:
          input_shape: (B, T, H, W, C) with C known.
        """
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
        )

    def call(self, video: Any) -> Any:
        """Convolves.

        Args:
          video: [B, T, H, W, C].

        Returns:
          [B, T', H', W', filters].
        """
        kernel = ops.convert_to_tensor(self.kernel)
        if self._is_pointwise:
            *leading, channels = ops.shape(video)
            pixels = ops.reshape(video, (math.prod(leading[1:], start=leading[0]), channels))
            return ops.reshape(ops.matmul(pixels, kernel[0, 0, 0]), (*leading, self.filters))
        if self.kernel_size[1:] == (1, 1):
            batch, _, height, width, _ = ops.shape(video)
            columns = self._convolve(_columns(video), kernel[:, :, 0], axes=(0, 1))
            return ops.reshape(columns, (batch, ops.shape(columns)[1], height, width, self.filters))
        video, kernel = self._time_to_channels(video, kernel)
        batch, time, *_ = ops.shape(video)
        frames = self._convolve(_frames(video), kernel, axes=(1, 2))
        return ops.reshape(frames, (batch, time, *ops.shape(frames)[1:]))

    def _time_to_channels(self, video: Any, kernel: Any) -> tuple[Any, Any]:
        """Turns the time taps of the kernel into input channels.

        Args:
          video: [B, T, H, W, C].
          kernel: [kt, kh, kw, C, out].

        Returns:
          [B, T', H, W, kt*C] and [kh, kw, kt*C, out].
        """
        taps, *size, channels, filters = kernel.shape
        if taps == self.strides[0] == 1:
            return video, kernel[0]
        video = ops.pad(video, [(0, 0), self.padding[0], (0, 0), (0, 0), (0, 0)])
        shifted = [video[:, tap : tap + 1 - taps or None : self.strides[0]] for tap in range(taps)]
        kernel = ops.reshape(
            ops.transpose(kernel, (1, 2, 0, 3, 4)), (*size, taps * channels, filters)
        )
        return ops.concatenate(shifted, axis=-1), kernel

    def _convolve(self, images: Any, kernel: Any, axes: tuple[int, int]) -> Any:
        """Runs a 2-D convolution with the padding and strides of two of the axes (T, H, W)."""
        strides = tuple(self.strides[axis] for axis in axes)
        padding = [self.padding[axis] for axis in axes]
        same = [((k - 1) // 2, k // 2) for k in kernel.shape[:2]]
        if strides == (1, 1) and padding == same:
            return ops.conv(images, kernel, strides=1, padding="same")
        images = ops.pad(images, [(0, 0), *padding, (0, 0)])
        return ops.conv(images, kernel, strides=strides, padding="valid")


class ConvUnit(layers.Layer):
    """Convolution, batch normalisation (scale and offset learned) and ReLU."""

    def __init__(
        self,
        filters: int,
        kernel_size: Triple,
        strides: Triple = (1, 1, 1),
        padding: Padding | None = None,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ):
        """Makes the unit; the arguments are those of `Convolution`."""
        super().__init__(**kwargs)
        self.convolution = Convolution(
            filters,
            kernel_size,
            strides,
            padding,
            kernel_initializer,
            name="conv",
            dtype=self.dtype_policy,
        )
        self.norm = layers.BatchNormalization(
            momentum=_BATCH_NORM_MOMENTUM,
            epsilon=_BATCH_NORM_EPSILON,
            name="bn",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for input (B, T, H, W, C)."""
        self.convolution.build(input_shape)
        self.norm.build((None, None, None, None, self.convolution.filters))

    def call(self, video: Any, training: bool | None = None) -> Any:
        """Maps [B, T, H, W, C] to [B, T', H', W', filters]."""
        return ops.relu(self.norm(self.convolution(video), training=training))


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
        gates = self.dense(ops.mean(video, axis=(1, 2, 3)))
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
