"""Rates of streams of features, as the command line has them."""

import math
from collections.abc import Sequence


def read_rates(texts: Sequence[str], option: str) -> dict[str, float]:
    """Returns the rows a second of each stream that is named.

    Args:
      texts: `STREAM=ROWS_A_SECOND`, each.
      option: that they were given by, for the error.

    Raises:
      ValueError: one is not of that form, or is no rate above 0.
    """
    rates = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            rate = float(value)
        except ValueError:
            rate = 0.0
        if not name or not 0 < rate < math.inf:
            raise ValueError(f"{option} {text!r} is not of the form STREAM=ROWS_A_SECOND")
        rates[name] = rate
    return rates
