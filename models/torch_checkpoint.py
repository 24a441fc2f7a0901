"""Reads the tensors of a PyTorch checkpoint as NumPy arrays, and runs nothing that it says.

PyTorch is an optional extra, imported only where a file is opened.
"""

import os
import re
from collections.abc import Mapping, Sequence

import numpy as np

_WRAPPER = "state_dict"
# How PyTorch names what a pickle asks for beyond tensors and plain values.
_REFUSED = re.compile(r"GLOBAL ([\w.]+)")


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says why and what to do."""


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Returns the tensors of a checkpoint by their keys.

    A checkpoint is a state dict, or a dictionary that has one as `state_dict` beside other things,
    written by `torch.save` in its present or its old format.

    Args:
      path: the file.

    Returns:
      For each key an array of the tensor's shape. Floats of any precision become float32, integers
      keep their type.

    Raises:
      CheckpointError: PyTorch is not installed, or the file is missing, damaged, no checkpoint, or
        asks for code to be run or for objects other than tensors, which is refused
        (`weights_only=True`).
    """
    try:
        import torch
    except ImportError as error:
        raise CheckpointError(
            f"{path} is a PyTorch checkpoint, and PyTorch is not installed: "
            "pip install 'howto100m-tfx[torch]'"
        ) from error
    content = _load(path)
    state = content
    if isinstance(content, Mapping) and isinstance(content.get(_WRAPPER), Mapping):
        state = content[_WRAPPER]
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(
            f"{path} has no state dict, but {'nothing' if not state else type(state).__name__}"
        )
    arrays = {}
    for key, tensor in state.items():
        if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
            raise CheckpointError(
                f"{path} has no state dict: {key!r} is of type {type(tensor).__name__}, "
                "not a tensor"
            )
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
            raise CheckpointError(f"{path}: {key} is not a dense tensor of real numbers")
        tensor = tensor.detach()
        arrays[key] = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return arrays


def take_weight(
    arrays: Mapping[str, np.ndarray], key: str, shape: Sequence[int | None]
) -> np.ndarray:
    """Returns the weight of a key, of a shape that is asked for.

    Args:
      arrays: what `read_checkpoint` returned.
      key: the weight's key.
      shape: the shape needed; None stands for any positive size.

    Returns:
      The array.

    Raises:
      CheckpointError: there is no such key (named with some that there are), its shape is another
        (both are named), or a value is not finite.
    """
    expected = "[" + ", ".join("any" if size is None else str(size) for size in shape) + "]"
    if key not in arrays:
        present = ", ".join(sorted(arrays)[:4]) or "none"
        raise CheckpointError(
            f"the checkpoint has no {key}, of shape {expected}; its first keys are {present}"
        )
    array = arrays[key]
    fits = len(array.shape) == len(shape) and all(
        size > 0 if wanted is None else size == wanted
        for size, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        raise CheckpointError(
            f"{key} has the shape {list(array.shape)} in the checkpoint, but {expected} is needed"
        )
    if not np.isfinite(array).all():
        raise CheckpointError(f"{key} has a value that is not finite in the checkpoint")
    return array


def _load(path: str | os.PathLike[str]) -> object:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # Damaged bytes are read as instructions until one fails, in any way there is.
        refused = _REFUSED.search(str(error))
        if refused:
            raise CheckpointError(
                f"{path} is refused: opening it would run or make {refused[1]}; a file of tensors "
                "alone is needed, as torch.save(model.state_dict(), FILE) writes it"
            ) from error
        raise CheckpointError(
            f"{path} is damaged or no PyTorch checkpoint; a file is needed as "
            "torch.save(model.state_dict(), FILE) writes it"
        ) from error
