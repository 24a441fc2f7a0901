"""The weights of the public PyTorch MIL-NCE model, as those of `models.milnce.TextVideoModel`.

The layout is that of the checkpoints of antoine77340/S3D_HowTo100M and of those that
antoine77340/MIL-NCE_HowTo100M trains (facts/protocols.md, sections 1 and 2): convolutions with
weights [outputs, inputs, T, H, W], linear layers with [outputs, inputs].
"""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from models.milnce import TextVideoModel
from models.s3d import CONV_STEM, S3D, SPACE_TO_DEPTH_STEM
from models.text_tower import TextTower
from models.torch_checkpoint import CheckpointError, take_weight
from models.video_layers import ConvUnit

_STEM = "conv1.conv1.weight"
_WORD_VECTORS = "text_module.word_embd.weight"
_STEM_CHANNELS = 64
# A stem is known by its kernel: input channels and size.
_STEMS = {(24, 2, 4, 4): SPACE_TO_DEPTH_STEM, (3, 3, 7, 7): CONV_STEM}

# How data-parallel training names what it wraps.
_PREFIX = "module."

_MAX_NAMED = 8


def make_model(arrays: Mapping[str, np.ndarray]) -> TextVideoModel:
    """Makes the model of a checkpoint; its stem and its sizes are the checkpoint's.

    Args:
      arrays: the tensors by their keys (see `models.torch_checkpoint.read_checkpoint`); all of
        them may begin with "module.", as data-parallel training saves them.

    Returns:
      The model. Row 0 of its word vectors, the padding's, is as it was stored.

    Raises:
      CheckpointError: keys are missing or unknown, or a shape does not fit the others; the message
        names them.
    """
    if all(key.startswith(_PREFIX) for key in arrays):
        arrays = {key.removeprefix(_PREFIX): array for key, array in arrays.items()}
    stem, width = _read_stem(arrays)
    embedding_size = take_weight(arrays, "fc.weight", [None, None]).shape[0]
    hidden_size, word_size = take_weight(arrays, "text_module.fc1.weight", [None, None]).shape
    vectors = take_weight(arrays, _WORD_VECTORS, [None, word_size])
    if len(vectors) < 2:
        raise CheckpointError(f"{_WORD_VECTORS} has the padding's row alone, and none for a word")
    model = TextVideoModel(
        S3D(width, embedding_size, stem, kernel_initializer="zeros", dtype="float32"),
        TextTower(vectors, hidden_size, embedding_size, dtype="float32"),
    )
    model.build()
    weights = dict(_weights(model))
    _check_keys(arrays, {*weights, _WORD_VECTORS})
    for key, weight in weights.items():
        kernel = take_weight(arrays, key, _torch_shape(weight.shape))
        weight.assign(kernel if kernel.ndim == 1 else np.moveaxis(kernel, (0, 1), (-1, -2)))
    return model


def _torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns PyTorch's shape of a weight: outputs and inputs come first there, here last."""
    return shape if len(shape) == 1 else (*shape[:-3:-1], *shape[:-2])


def _read_stem(arrays: Mapping[str, np.ndarray]) -> tuple[str, float]:
    """Returns the stem and the width that the first convolution has."""
    channels, *kernel = take_weight(arrays, _STEM, [None] * 5).shape
    if tuple(kernel) not in _STEMS:
        known = " or ".join(f"[{_STEM_CHANNELS}, {', '.join(map(str, k))}]" for k in _STEMS)
        raise CheckpointError(
            f"{_STEM} has the shape {[channels, *kernel]} in the checkpoint, but {known} is needed"
        )
    return _STEMS[tuple(kernel)], channels / _STEM_CHANNELS


def _check_keys(arrays: Mapping[str, np.ndarray], known: set[str]) -> None:
    # What a batch normalisation counts beside its statistics.
    unused = {key.replace("running_var", "num_batches_tracked") for key in known}
    missing = sorted(known - arrays.keys())
    if missing:
        raise CheckpointError(f"the checkpoint has no {_some(missing)}")
    unknown = sorted(arrays.keys() - known - unused)
    if unknown:
        raise CheckpointError(
            f"the checkpoint has weights that the public MIL-NCE model lacks: {_some(unknown)}"
        )


def _some(keys: list[str]) -> str:
    more = len(keys) - _MAX_NAMED
    return ", ".join(keys[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _weights(model: TextVideoModel) -> Iterator[tuple[str, Any]]:
    """Yields each weight of a model, but the word vectors, with its key in a checkpoint."""
    tower = model.video_tower
    yield from _unit_weights("conv1", tower.conv1)
    yield from _unit_weights("conv_2b", tower.conv_2b)
    yield from _unit_weights("conv_2c", tower.conv_2c.spatial, tower.conv_2c.temporal)
    yield from _dense_weights("gating.fc", tower.gating.dense)
    for block in tower.blocks:
        name = block.name
        yield from _unit_weights(f"{name}.conv_b0", block.b0)
        yield from _unit_weights(f"{name}.conv_b1_a", block.b1_a)
        yield from _unit_weights(f"{name}.conv_b1_b", block.b1_b.spatial, block.b1_b.temporal)
        yield from _unit_weights(f"{name}.conv_b2_a", block.b2_a)
        yield from _unit_weights(f"{name}.conv_b2_b", block.b2_b.spatial, block.b2_b.temporal)
        yield from _unit_weights(f"{name}.conv_b3_b", block.b3)
        for branch, gate in enumerate(block.gates):
            yield from _dense_weights(f"{name}.gating_b{branch}.fc", gate.dense)
    yield from _dense_weights("fc", tower.head)
    yield from _dense_weights("text_module.fc1", model.text_tower.hidden)
    yield from _dense_weights("text_module.fc2", model.text_tower.head)


def _unit_weights(name: str, *units: ConvUnit) -> Iterator[tuple[str, Any]]:
    for number, unit in enumerate(units, start=1):
        yield f"{name}.conv{number}.weight", unit.convolution.kernel
        yield f"{name}.bn{number}.weight", unit.norm.gamma
        yield f"{name}.bn{number}.bias", unit.norm.beta
        yield f"{name}.bn{number}.running_mean", unit.norm.moving_mean
        yield f"{name}.bn{number}.running_var", unit.norm.moving_variance


def _dense_weights(name: str, dense: keras.layers.Dense) -> Iterator[tuple[str, Any]]:
    yield f"{name}.weight", dense.kernel
    yield f"{name}.bias", dense.bias
