"""The frozen networks, and how Beam's RunInference calls them."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from apache_beam.ml.inference import tensorflow_inference

from components.feature_extractor import row_inputs
from components.feature_extractor.config import FeaturesConfig
from components.narrated_video_example_gen.video import Sampling
from models import files, hub_folder

_2D_SIDE = 224
_3D_SIDE = 112
_3D_FRAMES = 16
_HUB_OUTPUT = "mixed_5c"


class NetworkError(ValueError):
    """A network cannot be loaded."""


class LoadedNetwork:
    """A function of a batch of inputs, together with what it must keep alive.

    RunInference shares it between the threads of a process by a weak reference, which a bare
    function of TensorFlow would not survive.
    """

    def __init__(self, function: Callable[[np.ndarray], Any], owner: Any):
        self._function = function
        self._owner = owner

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Returns features, float32 [B, D].

        Args:
          batch: inputs, uint8 [B, ...].
        """
        return np.asarray(self._function(batch), np.float32)


@dataclasses.dataclass(frozen=True)
class Network:
    """A frozen network and what it is shown.

    Attributes:
      stream: name of its stream of features.
      rate: rows for each second.
      kind: a key of `LOADERS`.
      path: where its weights are.
      sampling: the samples of the video that it needs.
      make_inputs: makes what turns the samples of one video into the inputs of its rows.
    """

    stream: str
    rate: float
    kind: str
    path: str
    sampling: Sampling
    make_inputs: Callable[[], row_inputs.RowInputs]


def networks_of(config: FeaturesConfig) -> list[Network]:
    """Returns the networks that the settings ask for, in the order of their streams.

    Args:
      config: the settings, whose source is no folder of features.

    Raises:
      ValueError: there are no weights.
    """
    config.check_source()
    if config.hub_path:
        return [
            Network(
                stream=_HUB_OUTPUT,
                rate=config.hub_rate,
                kind="hub",
                path=hub_folder.version_folder(config.hub_path),
                sampling=Sampling(config.hub_frame_rate, config.hub_image_size),
                make_inputs=functools.partial(
                    row_inputs.CentredWindows,
                    config.hub_num_frames,
                    config.hub_frame_rate,
                    config.hub_rate,
                    config.hub_image_size,
                ),
            )
        ]
    return [
        Network(
            stream="2d",
            rate=config.rate_2d,
            kind="resnet152",
            path=config.weights_2d,
            sampling=Sampling(config.rate_2d, _2D_SIDE),
            make_inputs=row_inputs.EachFrame,
        ),
        Network(
            stream="3d",
            rate=config.rate_3d,
            kind="resnext101",
            path=config.weights_3d,
            sampling=Sampling(config.rate_3d * _3D_FRAMES, _3D_SIDE),
            make_inputs=functools.partial(row_inputs.Chunks, _3D_FRAMES, _3D_SIDE),
        ),
    ]


def _load_resnet152(path: str) -> LoadedNetwork:
    from models import feature_networks

    with files.local_copy(path) as local:
        model = feature_networks.load_resnet152(local)
    return _from_keras(model, [None, None, None, 3])


def _load_resnext101(path: str) -> LoadedNetwork:
    from models import feature_networks

    shape = [None, _3D_FRAMES, _3D_SIDE, _3D_SIDE, 3]
    with files.local_copy(path) as local:
        model = feature_networks.load_resnext101(local)
    return _from_keras(model, shape)


def _from_keras(model: Callable[..., tf.Tensor], shape: Sequence[int | None]) -> LoadedNetwork:
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)])
    def function(frames):
        return model(tf.cast(frames, tf.float32), training=False)

    return LoadedNetwork(function, model)


def _load_hub(path: str) -> LoadedNetwork:
    import tensorflow_hub as hub

    files.make_known(path)
    try:
        model = hub.load(path)
    except Exception as error:  # A damaged model fails in whatever its reader trips over.
        raise NetworkError(f"{path} is not a SavedModel that loads: {error}") from error
    signature = model.signatures.get("video") if hasattr(model, "signatures") else None
    if signature is None or _HUB_OUTPUT not in signature.structured_outputs:
        raise NetworkError(
            f"{path} has no signature `video` with the output {_HUB_OUTPUT}, so it gives no "
            f"features of frames"
        )
    (argument,) = signature.structured_input_signature[1]

    @tf.function(input_signature=[tf.TensorSpec([None] * 4 + [3], tf.uint8)])
    def function(frames):
        return signature(**{argument: tf.cast(frames, tf.float32) / 255.0})[_HUB_OUTPUT]

    return LoadedNetwork(function, model)


LOADERS: Mapping[str, Callable[[str], LoadedNetwork]] = {
    "hub": _load_hub,
    "resnet152": _load_resnet152,
    "resnext101": _load_resnext101,
}


@functools.cache
def load(kind: str, path: str) -> LoadedNetwork:
    """Loads a network, once in each process until `load.cache_clear()`.

    Args:
      kind: a key of `LOADERS`.
      path: its weights.

    Raises:
      ValueError: the weights cannot be read, or do not fit the network.
    """
    return LOADERS[kind](path)


class NetworkHandler(tensorflow_inference.TFModelHandlerNumpy):
    """Lets RunInference load one of the networks and call it with batches of one size.

    Inputs of a batch may differ in shape, as frames of several videos do: those of one shape are
    computed together, and what they lack to a full batch is filled up with the last of them, so
    that kernels, which choose their algorithm by the size of the batch, choose the same.
    """

    def __init__(self, network: Network, batch_size: int):
        """Makes a handler; the network is loaded on the worker.

        Args:
          network: what to load.
          batch_size: inputs that are computed at once, B.
        """
        super().__init__(network.path, min_batch_size=batch_size, max_batch_size=batch_size)
        self._kind = network.kind
        self._path = network.path
        self._batch_size = batch_size

    def load_model(self) -> LoadedNetwork:
        """Loads the network."""
        return load(self._kind, self._path)

    def run_inference(
        self,
        batch: Sequence[np.ndarray],
        model: LoadedNetwork,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterable[np.ndarray]:
        """Returns the features of each input, float32 [D], in their order.

        Args:
          batch: at most B inputs, uint8.
          model: the network.
          inference_args: not used.
        """
        by_shape: dict[tuple[int, ...], list[int]] = collections.defaultdict(list)
        for position, array in enumerate(batch):
            by_shape[array.shape].append(position)
        results: dict[int, np.ndarray] = {}
        for positions in by_shape.values():
            arrays = [batch[position] for position in positions]
            arrays += arrays[-1:] * (self._batch_size - len(arrays))
            results.update(zip(positions, model(np.stack(arrays)), strict=False))
        return [results[position] for position in range(len(batch))]
