"""Scores embeddings that anybody made: two .npy files whose rows belong together."""

from typing import Any

import numpy as np

from components.retrieval_evaluator import metrics

_NAMED_ROWS = 20


def score_files(video_path: str, text_path: str) -> dict[str, Any]:
    """Returns the retrieval metrics of embeddings, in the form of metrics.json.

    Row i of one file belongs to row i of the other; a score is the dot product. A pair with a value
    that is not finite is left out, counted and named.

    Args:
      video_path: a .npy file, float [N, D].
      text_path: a .npy file, float [N, D].

    Raises:
      ValueError: a file is none, the shapes do not fit, or fewer than two pairs are left.
    """
    video, text = _read(video_path), _read(text_path)
    if video.shape != text.shape:
        raise ValueError(
            f"{video_path} holds {_shape(video)} and {text_path} {_shape(text)}; row i of one "
            "belongs to row i of the other, so both must have the same shape"
        )
    finite = np.isfinite(video).all(axis=1) & np.isfinite(text).all(axis=1)
    if finite.sum() < 2:
        raise ValueError(
            f"retrieval needs at least 2 pairs of embeddings, but {int(finite.sum())} of "
            f"{len(video)} are finite"
        )
    left_out = np.flatnonzero(~finite)
    video, text = video[finite], text[finite]
    return {
        "text_to_video": metrics.summarize_ranks(metrics.embedding_ranks(text, video)),
        "video_to_text": metrics.summarize_ranks(metrics.embedding_ranks(video, text)),
        "random": metrics.random_metrics(len(video)),
        "num_expected": len(finite),
        "num_scored": len(video),
        "num_not_finite": len(left_out),
        "first_not_finite": left_out[:_NAMED_ROWS].tolist(),
        "protocol": {
            "score": "dot product",
            "ties": "mean rank",
            "in_words": "Row i of the texts is to find row i of the videos, by the dot product of "
            "the embeddings as they are; each query has one rank, ties by their mean rank.",
        },
    }


def _read(path: str) -> np.ndarray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    # NumPy meets any bytes that people have; it names no fixed set of errors.
    except Exception as error:
        raise ValueError(f"{path} is no .npy file that can be read: {error}") from error
    is_matrix = isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] > 0
    if not is_matrix or values.dtype.kind not in "fiu":
        raise ValueError(f"{path} holds no matrix of real numbers; it must be [rows, dimensions]")
    return values


def _shape(values: np.ndarray) -> str:
    return " x ".join(map(str, values.shape))
