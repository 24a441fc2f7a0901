"""The weights of a TF Hub module of deepmind/mil-nce as those of `models.milnce.TextVideoModel`.

The modules s3d/1 and i3d/1 hold the graphs of facts/protocols.md, sections 1 and 2. A weight is
known by its place in the graph (see `models.hub_units`), which is compared with our towers node by
node; whatever differs is refused by its name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from models.hub_graph import ModuleError, ModuleGraph
from models.hub_units import Unit, find_units
from models.i3d import I3D
from models.milnce import TextVideoModel
from models.s3d import S3D
from models.text_tower import TextTower
from models.video_layers import ConvUnit

_GATHERS = ("Gather", "GatherV2", "ResourceGather")

# What may lie between the images and the first convolution: a space-to-depth, but no arithmetic.
_PREPARATION = ("Transpose", "StridedSlice", "Slice", "Split", "SplitV", "Pack", "ConcatV2")
_STEM_CHANNELS = 64

# Window and stride (time, height, width) of each max pooling before a block.
_POOLS = {
    "mixed_3b": [((1, 3, 3), (1, 2, 2))],
    "mixed_4b": [((3, 3, 3), (2, 2, 2))],
    "mixed_5b": [((2, 2, 2), (2, 2, 2))],
}
_STEM_POOL = ((1, 3, 3), (1, 2, 2))
_BRANCH_POOL = ((3, 3, 3), (1, 1, 1))


def find_gathers(graph: ModuleGraph) -> list[str]:
    """Returns the nodes that look rows of a weight up, such as word vectors."""
    return [node for node in graph.nodes(*_GATHERS) if graph.inputs(node)[0] not in graph.data]


def make_model(graph: ModuleGraph) -> TextVideoModel:
    """Makes the model of a module; its tower and its sizes are the module's.

    Args:
      graph: the module's graph.

    Returns:
      The model. Row 0 of its word vectors, the padding's, is as it was stored.

    Raises:
      ModuleError: the module computes something else than our towers do; the message names the
        node.
    """
    units = find_units(graph)
    video, text = _VideoReader(graph, units), _TextReader(graph, units)
    embedding_size = video.head.kernel.shape[-1]
    width = video.stem[0].kernel.shape[-1] / _STEM_CHANNELS
    tower = S3D if video.is_separable else I3D
    options = {"kernel_initializer": "zeros", "dtype": "float32"}
    model = TextVideoModel(
        tower(width, embedding_size, **options),
        TextTower(text.vectors, text.hidden.kernel.shape[-1], embedding_size, **options),
    )
    model.build()
    video.assign(model.video_tower)
    _assign_dense(model.text_tower.hidden, text.hidden)
    _assign_dense(model.text_tower.head, text.head)
    return model


@dataclass(frozen=True)
class _Step:
    """What lies before a node.

    Attributes:
      sources: the ends of units and the concatenations that its value comes from.
      gate: the unit of a gate on the way, or None.
      pools: window and stride of each max pooling on the way, backwards.
    """

    sources: list[str]
    gate: Unit | None
    pools: list[tuple[tuple[int, ...], tuple[int, ...]]]


class _Reader:
    """Follows a graph back from one unit to the units before it."""

    def __init__(self, graph: ModuleGraph, units: dict[str, Unit]):
        self.graph = graph
        self.units = units
        # A concatenation of what convolutions made is that of a block.
        after = graph.reached_from(unit.end for unit in units.values())
        self.joins = {name for name in graph.nodes("ConcatV2") if name in after & graph.data}
        self.gathers = find_gathers(graph)
        self._stops = {*units, *self.joins, *self.gathers}

    def trace(self, name: str, *allowed: str) -> tuple[list[str], list[str]]:
        """Returns what lies before a node, and the nodes on the way that do more than move values.

        Raises:
          ModuleError: there is a node of a type that is not allowed on the way.
        """
        sources, passed = self.graph.trace(name, self._stops)
        passed = [node for node in passed if not self.graph.keeps_values(node)]
        for node in passed:
            if self.graph.op(node) not in allowed:
                raise ModuleError(
                    f"{node} is of type {self.graph.op(node)}, which our towers do not have there"
                )
        return sources, passed

    def unit(self, sources: Sequence[str], where: str, *activations: str) -> Unit:
        """Returns the one unit that was found.

        Raises:
          ModuleError: something else was found, or its activation is another.
        """
        unit = self.units.get(sources[0]) if len(sources) == 1 else None
        if unit is None or unit.activation not in activations:
            raise ModuleError(
                f"{where} comes from {_list(sources)}, not from one layer with the activation "
                f"{' or '.join(activations) or 'none'}"
            )
        return unit

    def data_input(self, unit: Unit) -> str:
        """Returns the node that a unit is applied to."""
        return self.graph.inputs(unit.node)[0]

    def parameter(self, node: str, position: int) -> np.ndarray:
        """Returns the numbers that a node takes as one of its inputs, such as its axes, flat."""
        return np.ravel(self.graph.array(self.graph.source(self.graph.inputs(node)[position])))


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


class _VideoReader(_Reader):
    """The units of a module's video tower, in the order of ours.

    Attributes:
      is_separable: whether it is S3D; I3D's convolutions are not separable, and it has no gates.
      head: the linear map to the joint space.
      stem: the convolutions before the first block.
      stem_gate: the gate after them, or None.
      blocks: for each block and branch the convolutions and the gate or None.
    """

    def __init__(self, graph: ModuleGraph, units: dict[str, Unit]):
        super().__init__(graph, units)
        sources, _ = self.trace(graph.output("video", "video_embedding"))
        self.head = self.unit(sources, "video_embedding", "")
        self._check_mean(self.trace(self.data_input(self.head), "Mean")[1], self.head.node)
        sources, passed = self.trace(graph.output("video", "mixed_5c"), "Mean")
        self._check_mean(passed, "mixed_5c")
        if sources != self.trace(self.data_input(self.head), "Mean")[0]:
            raise ModuleError(f"{self.head.node} does not take what mixed_5c is made of")

        before = _Step(sources, None, [])
        self.is_separable = self._step(self._branches(before, "mixed_5c")[0]).gate is not None
        names = ["mixed_3b", "mixed_3c", *(f"mixed_4{x}" for x in "bcdef"), "mixed_5b", "mixed_5c"]
        self.blocks = []
        for name in reversed(names):
            block, before = self._read_block(self._branches(before, name), name)
            self.blocks.insert(0, block)

        self.stem_gate = before.gate
        length = 3 if self.is_separable else 2
        chain, before = self._read_chain(before.sources, length, "the input of mixed_3b")
        self._check_pools(before, [_STEM_POOL], "conv_2b")
        first = self.unit(before.sources, "conv_2b", "Relu")
        self._check_convolution(first, stride=1 if self.is_separable else 2)
        sources, _ = self.trace(self.data_input(first), *_PREPARATION)
        if not sources or not graph.inputs_of_signatures.issuperset(sources):
            raise ModuleError(f"{first.node} comes from {_list(sources)}, not from the images")
        self.stem = [first, *chain]

    def _branches(self, before: _Step, name: str) -> list[str]:
        """Returns the nodes that a block's concatenation joins."""
        sources = before.sources
        if before.gate is not None or len(sources) != 1 or sources[0] not in self.joins:
            raise ModuleError(f"{name} comes from {_list(sources)}, not from one concatenation")
        [join] = sources
        branches = self.graph.inputs(join)[:-1]
        if len(branches) != 4 or self.parameter(join, -1)[0] not in (4, -1):
            raise ModuleError(f"{join} does not join the channels of four branches")
        return branches

    def _read_block(
        self, branches: Sequence[str], name: str
    ) -> tuple[list[tuple[list[Unit], Unit | None]], _Step]:
        """Reads the branches of a block.

        Returns:
          The convolutions and the gate of each branch, and what lies before the block.
        """
        lengths = (1, 3, 3, 1) if self.is_separable else (1, 2, 2, 1)
        block, inputs = [], []
        for number, (node, length) in enumerate(zip(branches, lengths, strict=True)):
            where = f"branch {number} of {name}"
            last = self._step(node)
            self._check_pools(last, [], where)
            chain, before = self._read_chain(last.sources, length, where)
            pools = [*([_BRANCH_POOL] if number == 3 else []), *_POOLS.get(name, [])]
            self._check_pools(before, pools, where)
            block.append((chain, last.gate))
            inputs.append((before.sources, before.gate and before.gate.node))
        if any(found != inputs[0] for found in inputs):
            raise ModuleError(f"the branches of {name} do not all take the same")
        return block, before

    def _read_chain(
        self, sources: Sequence[str], length: int, where: str
    ) -> tuple[list[Unit], _Step]:
        """Returns some convolutions, each applied to the one before, and what lies before them."""
        chain = []
        for number in range(length):
            unit = self.unit(sources, where, "Relu")
            self._check_convolution(unit)
            chain.insert(0, unit)
            before = self._step(self.data_input(unit))
            sources = before.sources
            if number < length - 1:
                self._check_pools(before, [], unit.node)
                if before.gate is not None:
                    raise ModuleError(f"{before.gate.node} is a gate where our towers have none")
        return chain, before

    def _step(self, node: str) -> _Step:
        sources, passed = self.trace(node, "Relu", "MaxPool3D", "Mul", "Sigmoid")
        gates = [
            self.units[end]
            for end in sources
            if end in self.units and self.units[end].activation == "Sigmoid"
        ]
        products = [n for n in passed if self.graph.op(n) in ("Mul", "Sigmoid")]
        if len(gates) > 1 or len(products) != 2 * len(gates):
            raise ModuleError(f"{node} comes through {_list(products)}, which is no gate of ours")
        pools = [self._pool(name) for name in passed if self.graph.op(name) == "MaxPool3D"]
        if not gates:
            return _Step(sources, None, pools)
        [gate] = gates
        sources.remove(gate.end)
        gate_sources, passed = self.trace(self.data_input(gate), "Relu", "Mean")
        self._check_mean(passed, gate.node)
        if gate_sources != sources:
            raise ModuleError(f"the gate {gate.node} does not take what it is multiplied with")
        return _Step(sources, gate, pools)

    def _pool(self, node: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        self._check_layout(node)
        window, strides = (
            tuple(self.graph.attribute(node, name).list.i[1:4]) for name in ("ksize", "strides")
        )
        return window, strides

    def _check_pools(self, step: _Step, pools: list, where: str) -> None:
        if step.pools != pools:
            raise ModuleError(
                f"before {where} are the max poolings (window, stride) {step.pools}, not {pools}"
            )

    def _check_mean(self, passed: Sequence[str], where: str) -> None:
        means = [node for node in passed if self.graph.op(node) == "Mean"]
        if len(means) != 1 or sorted(self.parameter(means[0], 1)) != [1, 2, 3]:
            raise ModuleError(f"{where} takes {_list(means)}, not one mean over time and space")

    def _check_convolution(self, unit: Unit, stride: int = 1) -> None:
        if self.graph.op(unit.node) == "MatMul":
            return
        self._check_layout(unit.node)
        strides = list(self.graph.attribute(unit.node, "strides").list.i)
        dilations = list(self.graph.attribute(unit.node, "dilations").list.i)
        if strides != [1, *[stride] * (len(strides) - 2), 1] or any(d != 1 for d in dilations):
            raise ModuleError(f"{unit.node} has the strides {strides} and dilations {dilations}")

    def _check_layout(self, node: str) -> None:
        layout = self.graph.attribute(node, "data_format").s.decode()
        padding = self.graph.attribute(node, "padding").s.decode()
        if layout not in ("NDHWC", "NHWC") or padding != "SAME":
            raise ModuleError(f"{node} has the layout {layout} and the padding {padding}")

    def assign(self, tower: S3D | I3D) -> None:
        """Gives our tower the weights.

        Raises:
          ModuleError: a weight has another shape than ours.
        """
        stem = _conv_units(tower.conv1, tower.conv_2b, tower.conv_2c)
        for unit, our_unit in zip(self.stem, stem, strict=True):
            _assign_unit(our_unit, unit)
        if self.is_separable:
            _assign_gate(tower.gating.dense, self.stem_gate, "the input of mixed_3b")
        for branches, block in zip(self.blocks, tower.blocks, strict=True):
            ours = (
                [block.b0],
                _conv_units(block.b1_a, block.b1_b),
                _conv_units(block.b2_a, block.b2_b),
                [block.b3],
            )
            gates = [gate.dense for gate in block.gates] if self.is_separable else [None] * 4
            for (chain, gate), our_units, dense in zip(branches, ours, gates, strict=True):
                for unit, our_unit in zip(chain, our_units, strict=True):
                    _assign_unit(our_unit, unit)
                _assign_gate(dense, gate, block.name)
        _assign_dense(tower.head, self.head)


class _TextReader(_Reader):
    """The units of a module's text tower.

    Attributes:
      vectors: the word vectors, [V+1, D].
      hidden: the layer on each word.
      head: the linear map to the joint space.
    """

    def __init__(self, graph: ModuleGraph, units: dict[str, Unit]):
        super().__init__(graph, units)
        sources, _ = self.trace(graph.output("text", "text_embedding"))
        self.head = self.unit(sources, "text_embedding", "")
        sources, passed = self.trace(self.data_input(self.head), "Relu", "Max")
        # Either may come first.
        self.hidden = self.unit(sources, self.head.node, "Relu", "Max")
        ops = sorted(graph.op(node) for node in passed)
        maxima = [node for node in passed if graph.op(node) == "Max"]
        if ops != ["Max", "Relu"] or self.parameter(maxima[0], 1).tolist() not in ([1], [2], [-2]):
            raise ModuleError(
                f"{self.head.node} takes {_list(passed)}, not a ReLU and a maximum over the words"
            )
        sources, _ = self.trace(self.data_input(self.hidden))
        if len(sources) != 1 or sources[0] not in self.gathers:
            raise ModuleError(f"{self.hidden.node} comes from {_list(sources)}, no word vectors")
        self.vectors = graph.array(graph.source(graph.inputs(sources[0])[0]))


def _conv_units(*layers: Any) -> list[ConvUnit]:
    """Returns convolutions in order; a separable one is two."""
    units = []
    for layer in layers:
        units += [layer] if isinstance(layer, ConvUnit) else [layer.spatial, layer.temporal]
    return units


def _name(weight: Any) -> str:
    """Returns a weight's or a layer's name below that of its tower."""
    return weight.path.split("/", 2)[-1]


def _assign(weight: Any, array: np.ndarray | None, default: float, unit: Unit) -> None:
    if array is None:
        array = np.full(weight.shape, default, np.float32)
    # A map of single pixels may be a convolution or a matrix product.
    same_rank = array.ndim == len(weight.shape)
    theirs, ours = (
        shape if same_rank else tuple(size for size in shape if size != 1)
        for shape in (array.shape, tuple(weight.shape))
    )
    if theirs != ours:
        raise ModuleError(
            f"{unit.node} has a weight of shape {list(array.shape)}, but {_name(weight)} "
            f"needs {list(weight.shape)}"
        )
    if not np.isfinite(array).all():
        raise ModuleError(f"{unit.node} has a weight with a value that is not finite")
    weight.assign(array.reshape(weight.shape))


def _assign_unit(layer: ConvUnit, unit: Unit) -> None:
    norm = layer.norm
    if unit.variance is None or (unit.gamma is not None and norm.gamma is None):
        kind = "no batch normalisation" if unit.variance is None else "a factor that ours has not"
        raise ModuleError(f"{unit.node} has {kind}")
    # Another epsilon is made good by the variance.
    variance = unit.variance + (unit.epsilon - norm.epsilon)
    if (variance < 0).any():
        raise ModuleError(f"{unit.node} has a variance below 0 for an epsilon of {norm.epsilon}")
    _assign(layer.convolution.kernel, unit.kernel, 0.0, unit)
    _assign(norm.beta, unit.beta, 0.0, unit)
    _assign(norm.moving_mean, unit.mean, 0.0, unit)
    _assign(norm.moving_variance, variance, 1.0, unit)
    if norm.gamma is not None:
        _assign(norm.gamma, unit.gamma, 1.0, unit)


def _assign_gate(layer: keras.layers.Dense | None, unit: Unit | None, where: str) -> None:
    if (layer is None) != (unit is None):
        raise ModuleError(f"{where} has {'no gate' if unit is None else 'a gate'}, ours is other")
    if layer is not None:
        _assign_dense(layer, unit)


def _assign_dense(layer: keras.layers.Dense, unit: Unit) -> None:
    if unit.variance is not None or unit.gamma is not None or unit.mean is not None:
        raise ModuleError(f"{unit.node} is normalised, but {_name(layer)} is not")
    _assign(layer.kernel, unit.kernel, 0.0, unit)
    _assign(layer.bias, unit.beta, 0.0, unit)
