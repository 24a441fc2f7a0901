"""Layers of the video towers: 3-D convolutions and pooling, computed by fast 2-D ones."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from keras import layers, ops

from models.batch_normalization import BatchNormalization
from models.fan_out import copies
from models.initializers import own_copy

_CHANNEL_MULTIPLE = 4

Triple = tuple[int, int, int]
Padding = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class Normalization:
    """How the batch normalisations of a tower behave; the defaults are those of MIL-NCE's S3D.

    Attributes:
      momentum: share of the stored statistics that stays at each step; PyTorch's 0.1.
      epsilon: added to the variance.
      scale: whether a factor for each channel is learned; the offset always is.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    scale: bool = True


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
        pads = [size % 2 for size in ops.shape(video)[1:4]]
        video = ops.pad(video, [(0, 0), *((0, pad) for pad in pads), (0, 0)])
    batch, time, height, width, channels = ops.shape(video)
    # The two pixels of a row lie side by side already: one axis less to transpose.
    blocks = ops.reshape(video, (batch, time // 2, 2, height // 2, 2, width // 2, 2 * channels))
    blocks = ops.transpose(blocks, (0, 1, 3, 5, 2, 4, 6))
    return ops.reshape(blocks, (batch, time // 2, height // 2, width // 2, 8 * channels))


def max_pool(video: Any, window: Triple, strides: Triple) -> Any:
    """Max pooling over time and space with TensorFlow's SAME padding.

    The paper's model was trained on TPUs with SAME padding. The PyTorch port pads window minus
    stride at the end of each axis whatever the size. Both agree on even sizes (224 and 256 pixels
    stay even as far as it matters, and so do frames by the four); on the 25 rows that 200 pixels
    leave before the third pooling, and on the odd frames that 6 or 10 leave, the port's windows are
    shifted by one.

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


def _same_padding(taps: int) -> tuple[int, int]:
    """Returns the zeros before and after an axis of TensorFlow's SAME at stride 1."""
    return (taps - 1) // 2, taps // 2


@ops.custom_gradient
def _convolve_in_time(columns: Any, kernel: Any) -> tuple[Any, Any]:
    """Convolves along time with SAME padding, so that the number of frames stays.

    TensorFlow's gradient of such a kernel takes up to five times as long as the convolution, as the
    columns of a whole frame are one long row of an image; as matrix products it takes as long.

    Args:
      columns: [B, T, H*W, C].
      kernel: [kt, 1, C, out].

    Returns:
      [B, T, H*W, out]; Keras takes the function of the gradients besides.
    """

    def gradient(upstream: Any) -> tuple[Any, Any]:
        taps, _, channels, filters = kernel.shape
        products = []
        for shift in range(-((taps - 1) // 2), taps // 2 + 1):
            # The tap that took frame t + shift into frame t.
            taken = columns[:, max(shift, 0) : min(shift, 0) or None]
            into = upstream[:, max(-shift, 0) : min(-shift, 0) or None]
            taken, into = ops.reshape(taken, (-1, channels)), ops.reshape(into, (-1, filters))
            products.append(ops.matmul(ops.transpose(taken), into))
        return (
            ops.conv_transpose(upstream, kernel, strides=1, padding="same"),
            ops.stack(products)[:, None],
        )

    return ops.conv(columns, kernel, strides=1, padding="same"), gradient


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
        self.padding = padding or tuple(map(_same_padding, kernel_size))
        self.kernel_initializer = own_copy(kernel_initializer)
        # Whether the kernel covers one position in space, and there every one; the same for time.
        self._is_temporal = all(self._is_pointwise_along(axis) for axis in (1, 2))
        self._is_pointwise = self._is_temporal and self._is_pointwise_along(0)

    def _is_pointwise_along(self, axis: int) -> bool:
        return (self.kernel_size[axis], self.strides[axis], *self.padding[axis]) == (1, 1, 0, 0)

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
        # Kernels are reshaped, not indexed: the gradient of an index writes the whole kernel anew.
        kernel = ops.convert_to_tensor(self.kernel)
        if self._is_pointwise:
            *leading, channels = ops.shape(video)
            pixels = ops.reshape(video, (math.prod(leading[1:], start=leading[0]), channels))
            kernel = ops.reshape(kernel, kernel.shape[3:])
            return ops.reshape(ops.matmul(pixels, kernel), (*leading, self.filters))
        if self._is_temporal:
            batch, _, height, width, _ = ops.shape(video)
            kernel = ops.reshape(kernel, (kernel.shape[0], 1, *kernel.shape[3:]))
            columns = _columns(video)
            if self.strides[0] == 1 and self.padding[0] == _same_padding(kernel.shape[0]):
                columns = _convolve_in_time(columns, kernel)
            else:
                columns = self._convolve(columns, kernel, axes=(0, 1))
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
            return video, ops.reshape(kernel, kernel.shape[1:])
        video = ops.pad(video, [(0, 0), self.padding[0], (0, 0), (0, 0), (0, 0)])
        shifted = [
            copy[:, tap : tap + 1 - taps or None : self.strides[0]]
            for tap, copy in enumerate(copies(video, taps))
        ]
        kernel = ops.reshape(
            ops.transpose(kernel, (1, 2, 0, 3, 4)), (*size, taps * channels, filters)
        )
        return ops.concatenate(shifted, axis=-1), kernel

    def _convolve(self, images: Any, kernel: Any, axes: tuple[int, int]) -> Any:
        """Runs a 2-D convolution with the padding and strides of two of the axes (T, H, W)."""
        strides = tuple(self.strides[axis] for axis in axes)
        padding = [self.padding[axis] for axis in axes]
        same = list(map(_same_padding, kernel.shape[:2]))
        if strides == (1, 1) and padding == same:
            return ops.conv(images, kernel, strides=1, padding="same")
        images = ops.pad(images, [(0, 0), *padding, (0, 0)])
        return ops.conv(images, kernel, strides=strides, padding="valid")


class ConvUnit(layers.Layer):
    """Convolution, batch normalisation and ReLU."""

    def __init__(
        self,
        filters: int,
        kernel_size: Triple,
        strides: Triple = (1, 1, 1),
        padding: Padding | None = None,
        kernel_initializer: Any = "glorot_uniform",
        normalization: Normalization = Normalization(),
        **kwargs: Any,
    ):
        """Makes the unit; the arguments are those of `Convolution`, and `normalization`."""
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
        self.norm = BatchNormalization(
            relu=True,
            momentum=normalization.momentum,
            epsilon=normalization.epsilon,
            scale=normalization.scale,
            name="bn",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for input (B, T, H, W, C)."""
        self.convolution.build(input_shape)
        self.norm.build((None, None, None, None, self.convolution.filters))

    def call(self, video: Any, training: bool | None = None) -> Any:
        """Maps [B, T, H, W, C] to [B, T', H', W', filters]."""
        return self.norm(self.convolution(video), training=training)
