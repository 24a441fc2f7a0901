"""The weights of the public PyTorch gated model, as those of `models.gated.GatedTextVideoModel`.

The layout is that of the checkpoints of antoine77340/howto100m (facts/protocols.md, section 8):
linear layers with weights [outputs, inputs], and a batch normalisation for each gate that is never
called.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.gated import GatedTextVideoModel
from models.torch_checkpoint import CheckpointError, take_weight

_WORDS, _VIDEO, _VIDEO_GATE = "text_pooling.fc", "GU_video.fc", "GU_video.cg.fc"
_TEXT, _TEXT_GATE = "GU_text.fc", "GU_text.cg.fc"
_UNUSED = re.compile(
    r"GU_(video|text)\.cg\.batch_norm\."
    r"(weight|bias|running_mean|running_var|num_batches_tracked)"
)


@dataclass(frozen=True)
class GatedLayers:
    """The linear layers of a gated model, by their names in the checkpoint.

    Attributes:
      kernels: for each layer float32 [inputs, outputs].
      biases: for each layer float32 [outputs].
    """

    kernels: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]

    @property
    def word_size(self) -> int:
        """The size of a word's vector."""
        return len(self.kernels[_WORDS])

    @property
    def caption_size(self) -> int:
        """The units of the layer on each word."""
        return len(self.kernels[_TEXT])

    @property
    def feature_size(self) -> int:
        """The size of a clip's vector."""
        return len(self.kernels[_VIDEO])

    @property
    def embedding_size(self) -> int:
        """The size of the joint space."""
        return len(self.kernels[_VIDEO_GATE])


def read_layers(arrays: Mapping[str, np.ndarray]) -> GatedLayers:
    """Checks a checkpoint and returns the layers in it; their sizes are the checkpoint's.

    Args:
      arrays: the tensors by their keys (see `models.torch_checkpoint.read_checkpoint`).

    Raises:
      CheckpointError: a key is missing or unknown, or a shape does not fit the others; the message
        names them.
    """
    size = take_weight(arrays, f"{_VIDEO}.weight", [None, None]).shape[0]
    caption_size = take_weight(arrays, f"{_WORDS}.weight", [None, None]).shape[0]
    shapes = {
        _WORDS: [caption_size, None],
        _TEXT: [size, caption_size],
        _TEXT_GATE: [size, size],
        _VIDEO: [size, None],
        _VIDEO_GATE: [size, size],
    }
    kernels = {n: take_weight(arrays, f"{n}.weight", shape).T for n, shape in shapes.items()}
    biases = {n: take_weight(arrays, f"{n}.bias", shape[:1]) for n, shape in shapes.items()}
    known = {f"{name}.{kind}" for name in shapes for kind in ("weight", "bias")}
    unknown = [key for key in arrays if key not in known and not _UNUSED.fullmatch(key)]
    if unknown:
        raise CheckpointError(
            f"the checkpoint has weights that the public gated model lacks: {', '.join(unknown)}"
        )
    return GatedLayers(kernels, biases)


def make_model(layers: GatedLayers, vectors: np.ndarray) -> GatedTextVideoModel:
    """Makes the model of a checkpoint.

    Args:
      layers: what `read_layers` returned.
      vectors: float32 [V+1, W], the vector of each word id; row 0 is the padding's, zeros as in
        the reference code.

    Raises:
      ValueError: W is not the size that the checkpoint was trained with.
    """
    if vectors.shape[1] != layers.word_size:
        raise ValueError(
            f"the word vectors have {vectors.shape[1]} numbers, but the checkpoint was trained "
            f"with {layers.word_size}; the public weights belong to GoogleNews-vectors-negative300"
        )
    model = GatedTextVideoModel(
        layers.feature_size,
        vectors,
        caption_size=layers.caption_size,
        embedding_size=layers.embedding_size,
        dtype="float32",
    )
    model.build()
    for name, dense in (
        (_WORDS, model.caption_layer.words),
        (_TEXT, model.text_unit.linear),
        (_TEXT_GATE, model.text_unit.gate),
        (_VIDEO, model.video_unit.linear),
        (_VIDEO_GATE, model.video_unit.gate),
    ):
        dense.kernel.assign(layers.kernels[name])
        dense.bias.assign(layers.biases[name])
    return model
