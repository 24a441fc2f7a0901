"""The linear maps in the graph of a hub module, with what normalises or shifts their outputs.

How a module names its variables is not documented, and how it spells a batch normalisation depends
on the library that built it. Both are therefore found by what the graph computes: the output y of
a unit is s*x + t, with x the output of its convolution or matrix product, and which variable is
which shows in how s and t answer when it alone is changed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.hub_graph import ModuleError, ModuleGraph

_LINEAR = ("Conv2D", "Conv3D", "MatMul")
_FUSED = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")


@dataclass(frozen=True)
class Unit:
    """A convolution or matrix product and the affine map after it.

    Attributes:
      node: the convolution or matrix product.
      end: the last node of the affine map.
      activation: the type of the node that alone takes its output, such as "Relu", or "".
      kernel: the weight, of the shape that the module has.
      beta: what is added at the end, flat, or None for nothing.
      gamma: the factor of a normalisation, likewise.
      mean: of a normalisation, likewise.
      variance: of a normalisation, or None where there is none.
      epsilon: what the normalisation adds to the variance.
    """

    node: str
    end: str
    activation: str
    kernel: np.ndarray
    beta: np.ndarray | None
    gamma: np.ndarray | None
    mean: np.ndarray | None
    variance: np.ndarray | None
    epsilon: float


def find_units(graph: ModuleGraph) -> dict[str, Unit]:
    """Returns the units that the signatures' outputs depend on, by their end.

    Args:
      graph: a module's graph.

    Raises:
      ModuleError: a weight is no plain variable, or what follows a convolution or matrix product is
        neither a batch normalisation in inference nor a bias; the message names the node.
    """
    outputs = (
        graph.output("video", "video_embedding"),
        graph.output("video", "mixed_5c"),
        graph.output("text", "text_embedding"),
    )
    needed = {name for output in outputs for name in graph.trace(output, ())[1]}
    units = [_read_unit(graph, name) for name in graph.nodes(*_LINEAR) if name in needed]
    return {unit.end: unit for unit in units}


def _read_unit(graph: ModuleGraph, node: str) -> Unit:
    _, kernel = graph.inputs(node)
    if kernel in graph.data or graph.attribute(node, "transpose_b").b:
        raise ModuleError(f"{node} multiplies with something else than a weight")
    path, parameters = _affine_path(graph, node)
    end = path[-1] if path else node
    users = [graph.op(user) for user in graph.users(end) if user in graph.data]
    roles, epsilon = _find_roles(graph, node, path, sorted(parameters))
    arrays = {role: graph.array(name).reshape(-1) for role, name in roles.items()}
    return Unit(
        node=node,
        end=end,
        activation=users[0] if len(users) == 1 else "",
        kernel=graph.array(graph.source(kernel)),
        beta=arrays.get("beta"),
        gamma=arrays.get("gamma"),
        mean=arrays.get("mean"),
        variance=arrays.get("variance"),
        epsilon=epsilon,
    )


def _affine_path(graph: ModuleGraph, node: str) -> tuple[list[str], set[str]]:
    """Returns the nodes after a linear map that are affine in its output, and their variables."""
    path, parameters = [], set()
    while True:
        users = [user for user in graph.users(node) if user in graph.data]
        if len(users) != 1:
            return path, parameters
        [node] = users
        others = [name for name in graph.inputs(node) if name not in graph.data]
        if graph.op(node) in (*_FUSED, "Add", "AddV2", "BiasAdd", "Sub", "Mul", "RealDiv"):
            if len(others) != len(graph.inputs(node)) - 1:
                return path, parameters
            for name in others:
                parameters |= graph.variables(name)
        elif not graph.keeps_values(node):
            return path, parameters
        path.append(node)


def _apply(graph: ModuleGraph, path: list[str], values: Mapping[str, float]) -> tuple[float, float]:
    """Returns s and t of a path for variables of one number each."""
    scale, shift = 1.0, 0.0
    for node in path:
        op, inputs = graph.op(node), graph.inputs(node)
        if graph.keeps_values(node):
            continue
        is_first = inputs[0] in graph.data
        numbers = [graph.number(name, values) for name in inputs if name not in graph.data]
        if op in _FUSED:
            gamma, beta, mean, variance = numbers
            if graph.attribute(node, "is_training").b:
                raise ModuleError(f"{node} normalises by the batch, as in training")
            factor = gamma / math.sqrt(variance + graph.attribute(node, "epsilon").f)
            scale, shift = scale * factor, (shift - mean) * factor + beta
        elif op == "Mul":
            scale, shift = scale * numbers[0], shift * numbers[0]
        elif op == "RealDiv" and is_first:
            scale, shift = scale / numbers[0], shift / numbers[0]
        elif op == "Sub" and is_first:
            shift -= numbers[0]
        elif op == "Sub":
            scale, shift = -scale, numbers[0] - shift
        elif op in ("Add", "AddV2", "BiasAdd"):
            shift += numbers[0]
        else:
            raise ModuleError(f"{node} divides by the data")
    return scale, shift


def _find_roles(
    graph: ModuleGraph, node: str, path: list[str], parameters: list[str]
) -> tuple[dict[str, str], float]:
    """Returns the variable of each role, and the epsilon of a normalisation.

    With s = gamma / sqrt(variance + epsilon) and t = beta - mean * s, 1 more of beta makes t
    greater by 1, of mean by -s; s is in proportion to gamma, and not to the variance.
    """
    base = dict.fromkeys(parameters, 2.0)
    scale, shift = _apply(graph, path, base)
    roles = {}
    for name in parameters:
        new_scale, new_shift = _apply(graph, path, base | {name: 3.0})
        if math.isclose(new_scale, scale):
            changes = {"beta": 1.0, "mean": -scale}
            role = next((r for r, c in changes.items() if math.isclose(new_shift - shift, c)), "")
        else:
            role = "gamma" if math.isclose(new_scale, 1.5 * scale) else "variance"
        if not role or role in roles:
            raise ModuleError(f"what {name} does after {node} is neither a bias nor normalisation")
        roles[role] = name
    epsilon = 0.0
    if "variance" in roles:
        epsilon = max(0.0, ((2.0 if "gamma" in roles else 1.0) / scale) ** 2 - 2.0)

    # The roles must explain s and t for any other values, too.
    values = {name: 0.7 + 0.3 * i for i, name in enumerate(parameters)}
    role_values = {role: values[name] for role, name in roles.items()}
    expected = role_values.get("gamma", 1.0)
    if "variance" in roles:
        expected /= math.sqrt(role_values["variance"] + epsilon)
    offset = role_values.get("beta", 0.0) - role_values.get("mean", 0.0) * expected
    if not np.allclose(_apply(graph, path, values), (expected, offset), rtol=1e-6, atol=1e-9):
        raise ModuleError(f"what follows {node} is neither a bias nor a batch normalisation")
    return roles, epsilon
