"""Values that come from files of others."""

import math
from typing import Any


def to_number(value: Any, missing: float = math.nan) -> float:
    """Returns a value of an untrusted document as a float, NaN where it is no number.

    Args:
      value: a number, or a string that holds one.
      missing: what to return for None.
    """
    if value is None:
        return missing
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
