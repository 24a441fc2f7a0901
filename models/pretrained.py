"""Weights of an exported model, for a training that starts from them."""

import itertools
import os

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from models import files
from models.milnce import TextVideoModel

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


class _Weights:
    """The weights in a SavedModel's folder. Its graph is not read, let alone run."""

    def __init__(self, directory: str | os.PathLike[str]):
        self.directory = os.fspath(directory)
        files.make_known(self.directory)
        try:
            self._reader = tf.train.load_checkpoint(
                os.path.join(self.directory, "variables", "variables")
            )
            graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
                self._reader.get_tensor(_OBJECT_GRAPH)
            )
            root = _children(graph, graph.nodes[0])
            variables = _children(graph, root["variables"])
            self.keys = [_key(variables[str(i)]) for i in range(len(variables))]
            self.word_vectors_key = _key(root["word_vectors"])
        # A damaged file fails in whatever its reader trips over.
        except Exception as error:
            raise ValueError(
                f"{self.directory} has no weights of an exported model that can be read: "
                f"{str(error).splitlines()[0]}; give the folder of a pushed model"
            ) from error
        shapes = self._reader.get_variable_to_shape_map()
        self.shapes = [tuple(shapes[key]) for key in self.keys]

    def read(self, key: str) -> np.ndarray:
        """Reads a weight."""
        try:
            return self._reader.get_tensor(key)
        except (tf.errors.OpError, RuntimeError) as error:
            raise ValueError(
                f"the weights in {self.directory} are damaged: {str(error).splitlines()[0]}; "
                f"export the model again"
            ) from error


def _children(graph, node) -> dict:
    return {child.local_name: graph.nodes[child.node_id] for child in node.children}


def _key(node) -> str:
    return node.attributes[0].checkpoint_key


def restore_weights(model: keras.Model, directory: str | os.PathLike[str]) -> None:
    """Gives a model the weights of an exported one of the same settings.

    An export of a text-video model holds the towers alone. Attention heads, which only some losses
    have, keep the weights that they have.

    Args:
      model: a built model (see `models.milnce` and `models.gated`).
      directory: the folder that `models.export` wrote.

    Raises:
      ValueError: the folder has no such weights, or they are not those of a model of these
        settings: the first layer that differs is named with both shapes, and nothing is changed.
    """
    weights = _Weights(directory)
    ours = model.towers().weights if isinstance(model, TextVideoModel) else model.weights
    for weight, saved in itertools.zip_longest(ours, weights.shapes):
        shape = None if weight is None else tuple(weight.shape)
        if shape != saved:
            raise ValueError(
                f"the weights in {weights.directory} are of another model: "
                f"{weight.path if weight is not None else 'a layer that this model lacks'} has the "
                f"shape {saved} there and {shape} here ({len(weights.keys)} weights there, "
                f"{len(ours)} here); use the settings that model was trained with"
            )
    for weight, key in zip(ours, weights.keys, strict=True):
        weight.assign(weights.read(key))


def read_word_vectors(directory: str | os.PathLike[str]) -> np.ndarray:
    """Reads the word vectors of an exported model, float32 [V+1, D], row 0 the padding's.

    Args:
      directory: the folder that `models.export` wrote.

    Raises:
      ValueError: the folder has no such weights.
    """
    weights = _Weights(directory)
    return weights.read(weights.word_vectors_key)
