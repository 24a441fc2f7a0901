"""The graph of a TensorFlow 1 hub module, read as data: nothing in it is run."""

import os
import pathlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

SIGNATURES = ("video", "text")

# Where TensorFlow 1 lists the files that belong to a graph.
_ASSETS = "saved_model_assets"

# Operations that change no value of a tensor of weights; a transposition is not among them.
_COPIES = ("Identity", "ReadVariableOp", "Cast", "Reshape", "Squeeze", "ExpandDims")
_VARIABLES = ("VarHandleOp", "VariableV2", "Variable")
# Operations that move values without changing or dropping one.
_LAYOUT = ("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "Cast", "Tile")
# What follows from these is a size, not what the tensor holds.
_SIZES = ("Shape", "ShapeN", "Size", "Rank")
_ARITHMETIC = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "Sqrt": np.sqrt,
    "Rsqrt": lambda value: 1.0 / np.sqrt(value),
    "Neg": np.negative,
}


class ModuleError(ValueError):
    """A hub module cannot be used; the message says why and what to do."""


class ModuleGraph:
    """The graph of a module and its variables.

    Attributes:
      data: names of the nodes whose values depend on what the signatures are given.
      inputs_of_signatures: names of the nodes that are given.
    """

    def __init__(self, directory: str | os.PathLike[str]):
        """Reads the graph for inference.

        Args:
          directory: folder with `saved_model.pb` and `variables`.

        Raises:
          ModuleError: a file is missing or damaged, or has no graph with both signatures.
        """
        self._directory = pathlib.Path(directory)
        self._meta_graph = self._read_meta_graph()
        self._nodes = {node.name: node for node in self._meta_graph.graph_def.node}
        self._check_order()
        self._users = defaultdict(list)
        for node in self._nodes.values():
            for name in dict.fromkeys(self.inputs(node.name)):
                self._users[name].append(node.name)
        try:
            self._reader = tf.train.load_checkpoint(str(self._directory / "variables/variables"))
        # A damaged file fails in whatever its reader trips over.
        except Exception as error:
            raise ModuleError(
                f"the variables in {directory} cannot be read: {str(error).splitlines()[0]}"
            ) from error
        signatures = self._meta_graph.signature_def
        self.inputs_of_signatures = frozenset(
            _node_name(tensor.name)
            for signature in SIGNATURES
            for tensor in signatures[signature].inputs.values()
        )
        self.data = self.reached_from(self.inputs_of_signatures)

    def _read_meta_graph(self) -> Any:
        path = self._directory / "saved_model.pb"
        try:
            saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        except OSError as error:
            raise ModuleError(f"{path} cannot be read: {error.strerror or error}") from error
        except DecodeError as error:
            raise ModuleError(f"{path} is damaged or no SavedModel") from error
        found = set()
        for meta_graph in saved_model.meta_graphs:
            if "train" in meta_graph.meta_info_def.tags:
                continue
            if set(SIGNATURES) <= set(meta_graph.signature_def):
                return meta_graph
            found |= set(meta_graph.signature_def)
        raise ModuleError(
            f"{path} has no graph with the signatures {' and '.join(SIGNATURES)}, but "
            f"{', '.join(sorted(found)) or 'none'}; give a module of deepmind/mil-nce"
        )

    def _check_order(self) -> None:
        """Checks that each node has its inputs, and none has itself but by way of a loop."""
        unseen = {}
        for name, node in self._nodes.items():
            unseen[name] = set() if node.op == "NextIteration" else set(self.inputs(name))
        users = defaultdict(list)
        for name, inputs in unseen.items():
            for i in inputs:
                users[i].append(name)
        ready = [name for name, inputs in unseen.items() if not inputs]
        while ready:
            name = ready.pop()
            del unseen[name]
            for user in users[name]:
                unseen[user].discard(name)
                if not unseen[user]:
                    ready.append(user)
        if unseen:
            raise ModuleError(
                f"the graph in {self._directory} is damaged: {min(unseen)} depends on a node that "
                "is missing or depends on itself"
            )

    def output(self, signature: str, key: str) -> str:
        """Returns the node of an output of a signature.

        Raises:
          ModuleError: the signature has no such output.
        """
        outputs = self._meta_graph.signature_def[signature].outputs
        if key not in outputs or _node_name(outputs[key].name) not in self._nodes:
            raise ModuleError(
                f"the signature {signature} has no output {key}, but {', '.join(sorted(outputs))}"
            )
        return _node_name(outputs[key].name)

    def asset(self, name: str) -> pathlib.Path | None:
        """Returns the file that a node names, or None where that is no asset of the module."""
        assets = list(self._meta_graph.asset_file_def)
        for packed in self._meta_graph.collection_def[_ASSETS].any_list.value:
            asset = meta_graph_pb2.AssetFileDef()
            if packed.Unpack(asset):
                assets.append(asset)
        for asset in assets:
            # A name with folders in it could lead out of the module.
            if _node_name(asset.tensor_info.name) == name and "/" not in asset.filename:
                return self._directory / "assets" / asset.filename
        return None

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def op(self, name: str) -> str:
        """Returns a node's operation."""
        return self._nodes[name].op

    def attribute(self, name: str, attribute: str) -> Any:
        """Returns an attribute of a node, a protocol buffer; its zero where it is not set."""
        return self._nodes[name].attr[attribute]

    def inputs(self, name: str) -> list[str]:
        """Returns the nodes whose outputs a node takes, in order."""
        return [_node_name(i) for i in self._nodes[name].input if not i.startswith("^")]

    def users(self, name: str) -> list[str]:
        """Returns the nodes that take an output of a node."""
        return self._users[name]

    def nodes(self, *ops: str) -> list[str]:
        """Returns the nodes of some operations, in the graph's order."""
        return [name for name, node in self._nodes.items() if node.op in ops]

    def reached_from(self, names: Iterable[str]) -> set[str]:
        """Returns some nodes and all whose values depend on theirs, sizes apart."""
        reached, waiting = set(), list(names)
        while waiting:
            name = waiting.pop()
            if name not in reached and self.op(name) not in _SIZES:
                reached.add(name)
                waiting += self.users(name)
        return reached

    def trace(self, name: str, stops: Collection[str]) -> tuple[list[str], list[str]]:
        """Follows a value back to where it comes from.

        Args:
          name: the node to begin at.
          stops: nodes to go no further than; the inputs of the signatures are others.

        Returns:
          The stops that were met, and the nodes on the way to them.
        """
        met, passed, waiting = {}, {}, [name]
        while waiting:
            name = waiting.pop()
            if name in stops or name in self.inputs_of_signatures:
                met[name] = None
            elif name not in passed:
                passed[name] = None
                waiting += [i for i in self.inputs(name) if i in self.data]
        return list(met), list(passed)

    def keeps_values(self, name: str) -> bool:
        """Tells whether a node only moves or repeats values, and changes or drops none."""
        if self.op(name) != "StridedSlice":
            return self.op(name) in _LAYOUT
        # One that only adds axes: x[:, None].
        masks = {
            mask: self.attribute(name, f"{mask}_mask").i
            for mask in ("begin", "end", "new_axis", "shrink_axis", "ellipsis")
        }
        _, begin, _, strides = self.inputs(name)
        if self.op(begin) != "Const" or self.op(strides) != "Const" or masks["shrink_axis"]:
            return False
        whole = masks["begin"] & masks["end"] | masks["new_axis"] | masks["ellipsis"]
        axes = len(self.array(begin))
        return whole % 2**axes == 2**axes - 1 and (self.array(strides) == 1).all()

    def source(self, name: str) -> str:
        """Returns the variable or constant that a node's value is a copy of, in any shape.

        Raises:
          ModuleError: it is no copy.
        """
        start = name
        while True:
            op = self.op(name)
            if op in _VARIABLES or op == "Const":
                return name
            if op not in _COPIES and not self._is_idle_transpose(name):
                raise ModuleError(f"{start} is no copy of a variable: {name} is of type {op}")
            name = self.inputs(name)[0]

    def source_of_handle(self, name: str) -> str:
        """Returns the node of a table that a node stands for."""
        while self.op(name) == "Identity":
            name = self.inputs(name)[0]
        return name

    def _is_idle_transpose(self, name: str) -> bool:
        if self.op(name) != "Transpose":
            return False
        order = self.source(self.inputs(name)[1])
        if self.op(order) != "Const":
            return False
        axes = self.array(order).tolist()
        return axes == list(range(len(axes)))

    def array(self, name: str) -> np.ndarray:
        """Returns the value of a variable or a constant (see `source`).

        Raises:
          ModuleError: the module's files do not have it.
        """
        if self.op(name) == "Const":
            return tf.make_ndarray(self.attribute(name, "value").tensor)
        try:
            return self._reader.get_tensor(name)
        except (tf.errors.OpError, RuntimeError, ValueError) as error:
            raise ModuleError(
                f"the variable {name} is not in the module's files: {str(error).splitlines()[0]}"
            ) from error

    def number(self, name: str, values: Mapping[str, float]) -> float:
        """Computes an expression of variables, each taken as one number for all its elements.

        Args:
          name: the node of the result.
          values: a number for each variable.

        Raises:
          ModuleError: the expression has another operation than sums, products, quotients and
            roots, or a constant of more than one number.
        """
        op = self.op(name)
        if name in values:
            return values[name]
        if op == "Const":
            array = self.array(name)
            if array.size and (array == array.flat[0]).all():
                return float(array.flat[0])
            raise ModuleError(f"the constant {name} holds more than one number")
        if op in _COPIES:
            return self.number(self.inputs(name)[0], values)
        if op in _ARITHMETIC:
            return float(_ARITHMETIC[op](*(self.number(i, values) for i in self.inputs(name))))
        raise ModuleError(f"{name} is of type {op}, which no batch normalisation has")

    def variables(self, name: str) -> set[str]:
        """Returns the variables that an expression of variables has."""
        found, waiting = set(), [name]
        while waiting:
            name = waiting.pop()
            if self.op(name) in _VARIABLES:
                found.add(name)
            waiting += self.inputs(name)
        return found


def _node_name(tensor: str) -> str:
    return tensor.split(":")[0]
