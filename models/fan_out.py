"""Several uses of one tensor, whose gradients are added in one order.

Float sums depend on their order. TensorFlow adds the gradients of all uses of a tensor in one
operation, which begins with whichever of them it may overwrite: with three or more uses the last
bits then depend on which thread was faster, and two trainings of one seed part. (Of two uses the
order makes no difference.)
"""

from typing import Any

from keras import ops, tree


def copies(value: Any, count: int) -> list[Any]:
    """Returns a tensor once for each of its uses.

    Args:
      value: any tensor.
      count: number of uses.

    Returns:
      `count` tensors equal to the value, whose gradients are added in their order.
    """

    @ops.custom_gradient
    def fan_out(value: Any) -> tuple[Any, Any]:
        def gradient(*upstream: Any) -> Any:
            # JAX passes them as one tuple. Stacked, because TensorFlow's optimiser of graphs would
            # turn a chain of additions into the one operation again.
            return ops.sum(ops.stack(tree.flatten(upstream)), axis=0)

        return tuple(ops.copy(value) for _ in range(count)), gradient

    return list(fan_out(value))
