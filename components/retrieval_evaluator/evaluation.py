"""Scores a model on clips, beside random guessing and the last pushed model."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.retrieval_evaluator import metrics
from components.retrieval_evaluator.blessing import Baseline, Decision
from components.retrieval_evaluator.clips import Clip, ClipSource
from components.retrieval_evaluator.known_words import known_texts
from components.retrieval_evaluator.text_video_model import ModelError, TextVideoModel
from models import hub_folder


class TooFewClipsError(ValueError):
    """There are fewer than two clips, among which nothing can be found."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A model's retrieval on one set of clips.

    Attributes:
      clip_set: what the clips are, in words.
      source: where they come from.
      clips: the clips scored, N of them.
      text_embeddings: float32 [N, D], of each clip's own caption.
      video_embeddings: float32 [N, D].
      text_ranks: the rank of each caption's own clip.
      video_ranks: the rank of each clip's own caption.
      num_expected: how many clips the files hold.
      num_unknown_captions: captions of which the model knows no word, so that they find at random.
    """

    clip_set: str
    source: ClipSource
    clips: Sequence[Clip]
    text_embeddings: np.ndarray
    video_embeddings: np.ndarray
    text_ranks: metrics.QueryRanks
    video_ranks: metrics.QueryRanks
    num_expected: int
    num_unknown_captions: int

    def summary(self) -> dict[str, Any]:
        """Returns the metrics as they are written to metrics.json."""
        return {
            "text_to_video": metrics.summarize_ranks(self.text_ranks),
            "video_to_text": metrics.summarize_ranks(self.video_ranks),
            "random": metrics.random_metrics(len(self.clips)),
            "clip_set": self.clip_set,
            "num_expected": self.num_expected,
            "num_scored": len(self.clips),
            "num_distinct_captions": len({clip.caption for clip in self.clips}),
            "num_unknown_captions": self.num_unknown_captions,
        }


def evaluate(
    model: TextVideoModel, source: ClipSource, clip_set: str, max_clips: int = 0
) -> Evaluation:
    """Embeds clips and their captions and ranks both ways, by the dot product.

    Args:
      model: the model.
      source: the clips, and how they are embedded.
      clip_set: what the clips are, in words.
      max_clips: score at most this many clips, the first as stored; 0 scores all.

    Raises:
      ModelError: the model fails.
      TooFewClipsError: there are fewer than two clips.
      ValueError: a file is damaged.
    """
    embedded = source.embed(model, max_clips)
    if len(embedded.clips) < 2:
        raise TooFewClipsError(
            f"retrieval needs at least 2 clips, but there are {len(embedded.clips)} to score among "
            f"the {clip_set}; add videos, or keep a larger share of them out of training"
        )
    text = model.embed_text([clip.caption for clip in embedded.clips])
    return Evaluation(
        clip_set=clip_set,
        source=source,
        clips=embedded.clips,
        text_embeddings=text,
        video_embeddings=embedded.embeddings,
        text_ranks=metrics.embedding_ranks(text, embedded.embeddings),
        video_ranks=metrics.embedding_ranks(embedded.embeddings, text),
        num_expected=embedded.num_expected,
        num_unknown_captions=int((~known_texts(text, model.embed_text([""])[0])).sum()),
    )


def newest_version(hub_directory: str) -> str | None:
    """Returns the highest whole version of a model in a hub folder, or None.

    Args:
      hub_directory: `<hub>/<publisher>/<model>`; need not exist.
    """
    if not hub_directory or not tf.io.gfile.isdir(hub_directory):
        return None
    version = hub_folder.newest(
        tf.io.gfile.listdir(hub_directory),
        lambda name: tf.io.gfile.exists(
            os.path.join(hub_directory, name, hub_folder.SAVED_MODEL_FILE)
        ),
    )
    return os.path.join(hub_directory, version) if version else None


def score_baseline(path: str, source: ClipSource, max_clips: int = 0) -> Baseline:
    """Scores a pushed model on the clips and by the protocol of the new one.

    Args:
      path: the folder of the pushed version.
      source: the clips, and how they are embedded.
      max_clips: see `evaluate`.
    """
    try:
        pushed = evaluate(TextVideoModel(path), source, "clips of the new model", max_clips)
    except ModelError as error:
        return Baseline(path, error=str(error))
    summary = pushed.summary()
    return Baseline(path, summary["text_to_video"], summary["video_to_text"])


def protocol_in_words(source: ClipSource) -> str:
    """Returns how a clip is embedded and scored, as one sentence.

    Args:
      source: the clips, and how they are embedded.
    """
    return (
        f"{source.in_words()}; each query has one rank, ties by their mean rank; the right clip is "
        "the one that the caption belongs to, even where another clip has the same caption."
    )


def metrics_document(
    headline: Evaluation,
    eval_split: Evaluation | None,
    baseline: Baseline | None,
    decision: Decision,
    fine_tuning: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """Returns the content of metrics.json.

    Args:
      headline: the evaluation that the blessing rests on.
      eval_split: the evaluation on the eval split, where the headline is on annotated clips.
      baseline: the last blessed model, if there is one.
      decision: the verdict.
      fine_tuning: what `fine_tuning.compare` returns, where training started from a pushed model.
    """
    return {
        **headline.summary(),
        "protocol": {
            **headline.source.protocol(),
            "ties": "mean rank",
            "in_words": protocol_in_words(headline.source),
        },
        "blessed": decision.blessed,
        "blessing_reason": decision.reason,
        "baseline": dataclasses.asdict(baseline) if baseline else None,
        "eval_split": eval_split.summary() if eval_split else None,
        **(fine_tuning or {}),
    }
