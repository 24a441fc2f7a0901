"""Random starts of layers that are told the same initialiser."""

from typing import Any

import keras


def own_copy(initializer: Any) -> keras.initializers.Initializer:
    """Returns an initialiser of the same kind for one weight alone.

    A Keras initialiser draws the same numbers each time it is called: layers that share one object
    start with equal weights where their shapes are equal.

    Args:
      initializer: a Keras initialiser or its name; the copies of one with a seed share the seed.
    """
    return keras.initializers.get(initializer).clone()
