"""Rows from features that exist already: one .npy for each video and stream."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.benchmark_evaluator.embedding.model_fingerprint import model_fingerprint
from components.benchmark_evaluator.embedding.row_rules import RowRule
from components.benchmark_evaluator.embedding.rows import NOT_FINITE, Rows
from components.feature_extractor import feature_folder
from components.retrieval_evaluator.text_video_model import TextVideoModel
from models import clip_features

_BATCH = 256


@dataclasses.dataclass(frozen=True)
class FeatureRows:
    """Rows of videos whose frames a frozen network has seen before.

    Attributes:
      rates: rows a second of each stream.
      model_path: a SavedModel with the signature `video` that takes features: a row is then the
        embedding of the stretch's vector, which is pooled as in training
        (`models.clip_features.pool_clip`). Empty: a row is the mean of the stream's rows, and each
        of them where the rule names no stretches.
      sizes: values of a row of each stream; a file with rows of another size has failed. None
        accepts any, as does an empty tuple for all streams.
    """

    rates: tuple[float, ...]
    model_path: str = ""
    sizes: tuple[int | None, ...] = ()

    def described(self) -> dict[str, Any]:
        """Returns the settings that decide what a row is."""
        model = model_fingerprint(self.model_path) if self.model_path else ""
        return {"rates": self.rates, "model": model, "sizes": self.sizes}

    def rows(self, paths: Sequence[str], rule: RowRule) -> Rows:
        """Returns the rows of a video, see `rows.RowSource`."""
        try:
            values = [
                feature_folder.read_features(path, size)
                for path, size in zip(paths, self.sizes or [None] * len(paths), strict=True)
            ]
        except feature_folder.FeatureFileError as error:
            # A broken file must not be taken for a broken model.
            reason = error.reason if error.reason != NOT_FINITE else "features_not_finite"
            return Rows(None, (reason, error.message))
        streams = list(zip(values, self.rates, strict=True))
        duration = _duration(streams)
        stretches = rule.stretches(duration) if duration else []
        if stretches is None and not self.model_path:
            shortest = min(map(len, values))
            joined = np.concatenate([rows[:shortest] for rows in values], axis=1)
            return Rows(joined.astype(np.float32))
        if not stretches:
            return Rows(None, ("no_rows", "the features have no rows"))
        vectors = [self._vector(streams, start, end) for start, end in stretches]
        found = [place for place, vector in enumerate(vectors) if vector is not None]
        if not found:
            return Rows(None, ("no_rows", "the features end before what is asked for"))
        rows = np.stack([vectors[place] for place in found])
        if self.model_path:
            model = _model(self.model_path, model_fingerprint(self.model_path))
            rows = np.concatenate(
                [
                    model.embed_features(rows[start : start + _BATCH], finite=False)
                    for start in range(0, len(rows), _BATCH)
                ]
            )
        values = np.full([len(vectors), rows.shape[1]], np.nan, np.float32)
        values[found] = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, np.inf)
        # The last row of a stream may have been rounded away.
        return Rows(values, cut_off=rule.cut_off(duration, 1 / min(self.rates)))

    def _vector(
        self, streams: Sequence[tuple[np.ndarray, float]], start: float, end: float
    ) -> np.ndarray | None:
        """Returns what stands for a stretch, float32 [D], or None where a stream ends before it."""
        try:
            if self.model_path:
                return clip_features.pool_clip(streams, start, end)
            before = math.nextafter(end, start)
            # A row that begins where the stretch ends is not a part of it.
            means = [
                values[clip_features.clip_rows(len(values), rate, start, before)].mean(
                    axis=0, dtype=np.float32
                )
                for values, rate in streams
            ]
        except ValueError:
            return None
        return np.concatenate(means)


def _duration(streams: Sequence[tuple[np.ndarray, float]]) -> float:
    """Returns how long a video lasts in seconds, as far as its streams tell.

    Each stream may have rounded its last row up or down, so streams that differ by no more than
    their rows end together, with the shortest: all its seconds then have a row of each stream.
    """
    ends = [len(values) / rate for values, rate in streams]
    rounding = sum(1 / rate for _, rate in streams)
    return min(ends) if max(ends) - min(ends) <= rounding else max(ends)


@functools.lru_cache(maxsize=1)
def _model(path: str, fingerprint: str) -> TextVideoModel:
    """Returns the model, loaded once in each process as long as its files are the same."""
    return TextVideoModel(path)
