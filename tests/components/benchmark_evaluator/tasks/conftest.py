"""Rows and sentences whose embeddings are written down."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from components.benchmark_evaluator.embedding.rows import Rows
from models.description import ModelDescription


class WrittenRows:
    """Stands for `EmbeddedVideos`: rows by video id."""

    def __init__(self, rows: Mapping[str, Rows | Sequence]):
        self._rows = rows

    def __contains__(self, video_id: str) -> bool:
        return video_id in self._rows

    def rows(self, video_id: str) -> Rows:
        found = self._rows[video_id]
        return found if isinstance(found, Rows) else Rows(np.array(found, np.float32))


class WrittenTexts:
    """Stands for the text tower of a model: embeddings by sentence, zeros for others."""

    path = "hub/model"

    def __init__(
        self,
        embeddings: Mapping[str, Sequence[float]],
        description: ModelDescription | None = None,
        max_words: int | None = None,
    ):
        self._embeddings = embeddings
        self.description = description
        self.max_words = max_words

    def embed_text(self, texts: Sequence[str], finite: bool = True) -> np.ndarray:
        assert not finite, "an embedding that is not finite must not end an evaluation"
        size = len(next(iter(self._embeddings.values())))
        return np.array([self._embeddings.get(text, [0.0] * size) for text in texts], np.float32)


@pytest.fixture
def written_rows():
    return WrittenRows


@pytest.fixture
def written_texts():
    return WrittenTexts
