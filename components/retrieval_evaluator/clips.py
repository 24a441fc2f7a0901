"""Clips with their video embeddings, wherever these come from."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from components.retrieval_evaluator.text_video_model import TextVideoModel


@dataclasses.dataclass(frozen=True)
class Clip:
    """What is known of a clip besides what it shows; times are in seconds of the video."""

    video_id: str
    caption: str
    caption_start: float
    caption_end: float
    clip_start: float
    clip_end: float
    task: str


@dataclasses.dataclass(frozen=True)
class EmbeddedClips:
    """Clips and their video embeddings.

    Attributes:
      clips: the clips as stored, N of them.
      embeddings: float32 [N, D]; [0, 0] without clips.
      num_expected: how many clips the files hold, N or more.
    """

    clips: Sequence[Clip]
    embeddings: np.ndarray
    num_expected: int


class ClipSource(Protocol):
    """Files of clips, and the way from what they hold to a video embedding."""

    def embed(self, model: TextVideoModel, max_clips: int = 0) -> EmbeddedClips:
        """Embeds the clips in their stored order; memory holds one batch of what they show.

        Args:
          model: the model.
          max_clips: embed no more than this many clips; 0 embeds all.

        Raises:
          ModelError: the model fails, or takes something else than this source gives.
          ValueError: a file is damaged.
        """

    def protocol(self) -> Mapping[str, Any]:
        """Returns how a clip is embedded and scored, by setting, for metrics.json."""

    def in_words(self) -> str:
        """Returns the same as a sentence without its full stop."""


def join_embeddings(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the rows of all blocks, float32 [N, D]; [0, 0] without blocks.

    Args:
      blocks: each float32 [n, D].
    """
    return np.concatenate(blocks) if blocks else np.zeros([0, 0], np.float32)
