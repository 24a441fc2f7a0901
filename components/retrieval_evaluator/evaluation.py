"""Scores a model on clip records, beside random guessing and the last pushed model."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.retrieval_evaluator import embedding, metrics
from components.retrieval_evaluator.blessing import Baseline, Decision
from components.retrieval_evaluator.config import EvaluatorConfig
from components.retrieval_evaluator.known_words import known_texts


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A model's retrieval on one set of clips.

    Attributes:
      clip_set: what the clips are, in words.
      files: the TFRecord shards that hold them.
      clips: the clips scored, N of them.
      text_embeddings: float32 [N, D], of each clip's own caption.
      video_embeddings: float32 [N, D].
      text_ranks: the rank of each caption's own clip.
      video_ranks: the rank of each clip's own caption.
      num_expected: how many clips the files hold.
      num_unknown_captions: captions of which the model knows no word, so that they find at random.
    """

    clip_set: str
    files: Sequence[str]
    clips: Sequence[embedding.Clip]
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
    model: embedding.TextVideoModel,
    files: Sequence[str],
    clip_set: str,
    config: EvaluatorConfig,
) -> Evaluation:
    """Embeds clips and their captions and ranks both ways, by the dot product.

    Args:
      model: the model.
      files: TFRecord shards of clip records.
      clip_set: what the clips are, in words.
      config: the protocol.

    Raises:
      embedding.ModelError: the model fails.
      ValueError: there are fewer than two clips, or a file is damaged.
    """
    embedded = embedding.embed_clips(
        model,
        files,
        num_frames=config.num_frames,
        frame_rate=config.frame_rate,
        image_size=config.image_size,
        num_windows=config.num_windows,
        batch_size=config.batch_size,
        max_clips=config.max_clips,
    )
    if len(embedded.clips) < 2:
        raise ValueError(
            f"retrieval needs at least 2 clips, but there are {len(embedded.clips)} to score among "
            f"the {clip_set}; add videos, or keep a larger share of them out of training"
        )
    text = model.embed_text([clip.caption for clip in embedded.clips])
    return Evaluation(
        clip_set=clip_set,
        files=files,
        clips=embedded.clips,
        text_embeddings=text,
        video_embeddings=embedded.embeddings,
        text_ranks=metrics.embedding_ranks(text, embedded.embeddings),
        video_ranks=metrics.embedding_ranks(embedded.embeddings, text),
        num_expected=embedded.num_expected,
        num_unknown_captions=int((~known_texts(text, model.embed_text([""])[0])).sum()),
    )


def newest_version(hub_directory: str) -> str | None:
    """Returns the highest numbered folder of a model in a hub folder, or None.

    Args:
      hub_directory: `<hub>/<publisher>/<model>`; need not exist.
    """
    if not hub_directory or not tf.io.gfile.isdir(hub_directory):
        return None
    names = (name.rstrip("/") for name in tf.io.gfile.listdir(hub_directory))
    versions = [name for name in names if name.isascii() and name.isdigit()]
    return os.path.join(hub_directory, max(versions, key=int)) if versions else None


def score_baseline(path: str, files: Sequence[str], config: EvaluatorConfig) -> Baseline:
    """Scores a pushed model on the clips and by the protocol of the new one.

    Args:
      path: the folder of the pushed version.
      files: TFRecord shards of clip records.
      config: the protocol.
    """
    try:
        pushed = evaluate(embedding.TextVideoModel(path), files, "clips of the new model", config)
    except embedding.ModelError as error:
        return Baseline(path, error=str(error))
    summary = pushed.summary()
    return Baseline(path, summary["text_to_video"], summary["video_to_text"])


def protocol_in_words(config: EvaluatorConfig) -> str:
    """Returns how a clip is embedded and scored, as one sentence.

    Args:
      config: the protocol.
    """
    seconds = config.num_frames / config.frame_rate
    return (
        f"Each clip is the mean of the raw embeddings of {config.num_windows} evenly spaced "
        f"windows of {config.num_frames} frames at {config.frame_rate:g} frames a second "
        f"({seconds:g} s), central square, {config.image_size} x {config.image_size} pixels; the "
        "score is the dot product with the caption's embedding; each query has one rank, ties by "
        "their mean rank; the right clip is the one that the caption belongs to, even where "
        "another clip has the same caption."
    )


def metrics_document(
    headline: Evaluation,
    eval_split: Evaluation | None,
    baseline: Baseline | None,
    decision: Decision,
    config: EvaluatorConfig,
) -> Mapping[str, Any]:
    """Returns the content of metrics.json.

    Args:
      headline: the evaluation that the blessing rests on.
      eval_split: the evaluation on the eval split, where the headline is on annotated clips.
      baseline: the last blessed model, if there is one.
      decision: the verdict.
      config: the protocol.
    """
    return {
        **headline.summary(),
        "protocol": {
            "num_frames": config.num_frames,
            "frame_rate": config.frame_rate,
            "image_size": config.image_size,
            "num_windows": config.num_windows,
            "score": "dot product of raw embeddings, windows averaged",
            "ties": "mean rank",
            "in_words": protocol_in_words(config),
        },
        "blessed": decision.blessed,
        "blessing_reason": decision.reason,
        "baseline": dataclasses.asdict(baseline) if baseline else None,
        "eval_split": eval_split.summary() if eval_split else None,
    }
