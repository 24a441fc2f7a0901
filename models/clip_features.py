"""The vector of a clip: frozen features over its time, pooled. NumPy alone.

Miech et al., "HowTo100M", section 4: a clip is the temporal maximum of pre-extracted 2D and 3D
features. Which rows belong to a clip, and that each stream is normalised before they are joined, is
the reference code's (facts/protocols.md, section 8).
"""

from collections.abc import Sequence

import numpy as np

# A vector shorter than this stays as it is, as in torch's normalize.
_EPSILON = 1e-12


def l2_normalize(vectors: np.ndarray) -> np.ndarray:
    """Returns the vectors at length 1; zeros stay zeros.

    Args:
      vectors: float [..., D].
    """
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(norms, _EPSILON)


def clip_rows(num_rows: int, rate: float, start: float, end: float) -> slice:
    """Returns the rows that a clip touches, int(start * rate) to int(end * rate) inclusive.

    Args:
      num_rows: rows of the stream, R.
      rate: rows for each second.
      start: start of the clip in seconds.
      end: end of the clip in seconds.

    Raises:
      ValueError: the stream ends before the clip starts.
    """
    first = max(0, int(start * rate))
    stop = min(int(end * rate) + 1, num_rows)
    if stop <= first:
        raise ValueError(
            f"a clip from {start:.1f} to {end:.1f} s has no row among {num_rows} at {rate:g} a "
            f"second"
        )
    return slice(first, stop)


def pool_clip(streams: Sequence[tuple[np.ndarray, float]], start: float, end: float) -> np.ndarray:
    """Returns a clip's vector: each stream's maximum over its rows, at length 1, joined.

    Args:
      streams: for each stream its values, float [R, D_i], and its rows for each second.
      start: start of the clip in seconds.
      end: end of the clip in seconds.

    Returns:
      float32 [sum of D_i], the streams in their order.

    Raises:
      ValueError: a stream ends before the clip starts.
    """
    return np.concatenate(
        [
            l2_normalize(
                values[clip_rows(len(values), rate, start, end)].max(axis=0).astype(np.float32)
            )
            for values, rate in streams
        ]
    )
