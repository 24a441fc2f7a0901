"""Scores of models, each measured once: an interrupted study goes on where it was."""

import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from components.retrieval_evaluator import evaluation
from components.retrieval_evaluator.clips import ClipSource
from components.retrieval_evaluator.text_video_model import TextVideoModel
from models import files


def short_name(described: Any) -> str:
    """Returns a short name for everything that a result depends on.

    Args:
      described: all of it, of JSON's types.
    """
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


class KeptScores:
    """Results as JSON files, by all that decides them."""

    def __init__(self, folder: pathlib.Path):
        """Prepares the folder.

        Args:
          folder: keeps the files; made when the first result is kept.
        """
        self._folder = folder

    def find(self, described: Any) -> dict[str, Any] | None:
        """Returns a result that was kept, or None.

        Args:
          described: what decides it, of JSON's types.
        """
        path = self._path(described)
        return json.loads(path.read_text()) if path.exists() else None

    def get(self, described: Any, measure: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Returns a result, measured unless it was kept.

        Args:
          described: what decides it, of JSON's types.
          measure: measures it.
        """
        kept = self.find(described)
        if kept is not None:
            return kept
        measured = dict(measure())
        self._folder.mkdir(parents=True, exist_ok=True)
        with files.written(self._path(described)) as stream:
            json.dump(measured, stream)
        return measured

    def _path(self, described: Any) -> pathlib.Path:
        return self._folder / f"{short_name(described)}.json"


def text_to_video(
    model_folder: pathlib.Path, clips: ClipSource, clip_set: str
) -> Mapping[str, float]:
    """Returns the text-to-video metrics of an exported model.

    Args:
      model_folder: the exported model.
      clips: the clips to score on.
      clip_set: what they are, in words.
    """
    evaluated = evaluation.evaluate(TextVideoModel(str(model_folder)), clips, clip_set)
    return evaluated.summary()["text_to_video"]
