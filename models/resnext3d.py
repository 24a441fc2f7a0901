"""ResNeXt-101 over time and space: the frozen 3D features of HowTo100M.

Hara et al., "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?", table 1: the
ResNeXt with cardinality 32, shortcuts of type B and 16 frames of 112 pixels, without its classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from models.torch_checkpoint import take_weight
from models.video_layers import Convolution

# The mean of Kinetics on 0..255, in the order red, green, blue: the checkpoint was trained on
# images read as RGB. Nothing divides the differences (facts/protocols.md, section 8).
KINETICS_MEAN = (110.6, 103.2, 96.3)

_STEM_FILTERS = 64
_EXPANSION = 2
_REFERENCE_CARDINALITY = 32
_BATCH_NORM_MOMENTUM = 0.9
_BATCH_NORM_EPSILON = 1e-5

# What PyTorch calls the weights of a batch normalisation, in the order of Keras's.
_NORM_KEYS = ("weight", "bias", "running_mean", "running_var")
# The classes, which features do without, and a counter that nothing needs.
_IGNORED_KEYS = ("fc.weight", "fc.bias")
_IGNORED_SUFFIX = ".num_batches_tracked"


class GroupedConvolution(layers.Layer):
    """A 3x3x3 convolution in groups, without bias, padded by one on every side.

    It is the sum of three 2-D convolutions in groups, one for each frame under the kernel.
    TensorFlow has no 3-D ones in groups on CPUs, and Keras compiles 2-D ones with XLA there, which
    took 2 to 10 times as long as TensorFlow's own kernel. The layer is for frozen networks: its
    gradient is not tested.

    Attributes:
      kernel: the weight [3, 3, 3, in / groups, out]; output o sees group o // (out / groups).
    """

    def __init__(self, filters: int, groups: int, stride: int = 1, **kwargs: Any):
        """Makes the layer.

        Args:
          filters: number of output channels, a multiple of `groups`.
          groups: number of groups.
          stride: step along T, H and W.
          **kwargs: `name`, `dtype`.
        """
        super().__init__(**kwargs)
        self.filters = filters
        self.groups = groups
        self.stride = stride

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the kernel for input (B, T, H, W, C), C a multiple of the groups."""
        self.kernel = self.add_weight(
            name="kernel", shape=(3, 3, 3, input_shape[-1] // self.groups, self.filters)
        )

    def call(self, video: Any) -> Any:
        """Maps [B, T, H, W, C] to [B, T', H', W', filters], T' being (T - 1) // stride + 1."""
        kernel = ops.convert_to_tensor(self.kernel)
        batch, time, *_ = ops.shape(video)
        steps = (time - 1) // self.stride + 1
        video = ops.pad(video, [(0, 0), (1, 1), (1, 1), (1, 1), (0, 0)])
        total = 0.0
        for tap in range(3):
            # A strided slice of the same frames is copied value by value, on one core.
            frames = ops.take(video, tap + self.stride * ops.arange(steps), axis=1)
            frames = ops.reshape(frames, (batch * steps, *ops.shape(video)[2:]))
            total = total + tf.nn.conv2d(frames, kernel[tap], self.stride, "VALID")
        return ops.reshape(total, (batch, steps, *ops.shape(total)[1:]))


def build_resnext3d(
    block_counts: Sequence[int] = (3, 4, 23, 3),
    planes: Sequence[int] = (128, 256, 512, 1024),
    cardinality: int = 32,
    clip_shape: tuple[int, int, int] = (16, 112, 112),
) -> keras.Model:
    """Returns the network with random weights; the defaults are those of ResNeXt-101.

    Each layer with weights bears the name that it has in the public checkpoint. The model is
    frozen: it always normalises by its stored statistics.

    Args:
      block_counts: number of bottlenecks of each stage.
      planes: width of each stage before the cardinality: the bottleneck has
        cardinality * planes / 32 channels, the stage's output twice the planes.
      cardinality: groups of the 3x3x3 convolutions.
      clip_shape: frames, height and width of the input.

    Returns:
      A model from [B, *clip_shape, 3] RGB in 0..255, of any number type, to float32
      [B, 2 * planes[-1]].
    """
    clips = keras.Input((*clip_shape, 3), name="clips")
    video = layers.Rescaling(1.0, [-value for value in KINETICS_MEAN], name="mean")(clips)
    video = Convolution(
        _STEM_FILTERS, (7, 7, 7), (1, 2, 2), ((3, 3), (3, 3), (3, 3)), name="conv1"
    )(video)
    video = layers.ReLU()(_norm("bn1")(video))
    # Zeros cannot win against what ReLU leaves, so they pad as PyTorch's minus infinity does.
    video = layers.MaxPooling3D(3, 2)(layers.ZeroPadding3D(1)(video))
    for stage, (blocks, width) in enumerate(zip(block_counts, planes, strict=True)):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            video = _bottleneck(video, width, cardinality, stride, f"layer{stage + 1}.{block}")
    features = layers.GlobalAveragePooling3D(name="avgpool", dtype="float32")(video)
    model = keras.Model(clips, features, name="resnext3d")
    model.trainable = False
    return model


def _bottleneck(video: Any, planes: int, cardinality: int, stride: int, name: str) -> Any:
    """Adds a bottleneck to the graph; a change of shape is met by a 1x1x1 convolution (type B)."""
    filters = _EXPANSION * planes
    middle = cardinality * (planes // _REFERENCE_CARDINALITY)
    out = Convolution(middle, (1, 1, 1), name=f"{name}.conv1")(video)
    out = layers.ReLU()(_norm(f"{name}.bn1")(out))
    out = GroupedConvolution(middle, cardinality, stride, name=f"{name}.conv2")(out)
    out = layers.ReLU()(_norm(f"{name}.bn2")(out))
    out = Convolution(filters, (1, 1, 1), name=f"{name}.conv3")(out)
    out = _norm(f"{name}.bn3")(out)
    if stride != 1 or video.shape[-1] != filters:
        video = layers.MaxPooling3D(1, stride)(video)
        video = Convolution(filters, (1, 1, 1), name=f"{name}.downsample.0")(video)
        video = _norm(f"{name}.downsample.1")(video)
    return layers.ReLU()(layers.Add()([out, video]))


def _norm(name: str) -> layers.Layer:
    return layers.BatchNormalization(
        momentum=_BATCH_NORM_MOMENTUM, epsilon=_BATCH_NORM_EPSILON, name=name
    )


def load_torch_weights(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    """Fills the network from a checkpoint of 3D-ResNets-PyTorch.

    Args:
      model: a model of `build_resnext3d`.
      arrays: the checkpoint's tensors under their keys, with or without the prefix "module.". The
        classes ("fc") and the counters of the batch normalisations are ignored.

    Raises:
      ValueError: a tensor is missing, unknown, of another shape or not finite. The message names
        its key, which starts with the layer's name; the model is then as it was.
    """
    arrays = {key.removeprefix("module."): array for key, array in arrays.items()}
    weights = {key: weight for layer in model.layers for key, weight in _torch_weights(layer)}
    unknown = [
        key
        for key in arrays
        if key not in weights and key not in _IGNORED_KEYS and not key.endswith(_IGNORED_SUFFIX)
    ]
    if unknown:
        raise ValueError(
            f"the checkpoint is not one of this ResNeXt, which has no {', '.join(unknown[:4])}"
            + (f" and {len(unknown) - 4} more" if len(unknown) > 4 else "")
        )
    values = {}
    for key, weight in weights.items():
        # PyTorch keeps a kernel as [out, in, T, H, W].
        kernel = len(weight.shape) == 5
        shape = [weight.shape[axis] for axis in (4, 3, 0, 1, 2)] if kernel else weight.shape
        value = take_weight(arrays, key, shape)
        values[key] = value.transpose(2, 3, 4, 1, 0) if kernel else value
    for key, weight in weights.items():
        weight.assign(values[key])


def _torch_weights(layer: layers.Layer) -> list[tuple[str, Any]]:
    """Returns the weights of a layer with the keys that the checkpoint has for them."""
    if isinstance(layer, layers.BatchNormalization):
        weights = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        return [(f"{layer.name}.{key}", w) for key, w in zip(_NORM_KEYS, weights, strict=True)]
    return [(f"{layer.name}.weight", weight) for weight in layer.weights]
