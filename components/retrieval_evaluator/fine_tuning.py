"""What fine-tuning gave: the four rows of the HowTo100M paper's tables (tables 5 to 7)."""

import os
from collections.abc import Mapping
from typing import Any

from components.retrieval_evaluator import evaluation, metrics
from components.retrieval_evaluator.text_video_model import ModelError, TextVideoModel

RANDOM = "random"
TARGET_ONLY = "trained on the target only"
PRETRAINED_ONLY = "pre-trained only"
FINE_TUNED = "pre-trained and fine-tuned"


def compare(
    headline: evaluation.Evaluation,
    pretrained_model: str,
    target_only_model: str | None,
    max_clips: int = 0,
) -> Mapping[str, Any]:
    """Scores guessing and the models before fine-tuning on the clips of the fine-tuned one.

    Args:
      headline: the evaluation of the fine-tuned model.
      pretrained_model: folder of the model that its training started from.
      target_only_model: folder of a model trained on the same data from scratch, or None.
      max_clips: see `evaluation.evaluate`.

    Returns:
      `pretrained_model`, the name of that model without its path, and `fine_tuning`, a list of
      rows: each `name` with the text-to-video metrics, or with `error` where the model cannot be
      scored.
    """
    rows: list[dict[str, Any]] = [
        {"name": RANDOM, **metrics.random_metrics(len(headline.clips))},
    ]
    others = {TARGET_ONLY: target_only_model, PRETRAINED_ONLY: pretrained_model}
    for name, path in others.items():
        if path:
            rows.append({"name": name, **_text_to_video(path, headline, max_clips)})
    rows.append({"name": FINE_TUNED, **headline.summary()["text_to_video"]})
    return {"pretrained_model": model_name(pretrained_model), "fine_tuning": rows}


def model_name(path: str) -> str:
    """Returns the name of a pushed model, which tells nothing of the machine.

    Args:
      path: its folder, such as `<hub>/<publisher>/<model>/<version>`.
    """
    folder, name = os.path.split(path.rstrip("/"))
    return f"{os.path.basename(folder)}, version {name}" if name.isdigit() else name


def _text_to_video(
    path: str, headline: evaluation.Evaluation, max_clips: int
) -> Mapping[str, float | int | str]:
    try:
        scored = evaluation.evaluate(
            TextVideoModel(path), headline.source, headline.clip_set, max_clips
        )
    except ModelError as error:
        return {"error": str(error)}
    return scored.summary()["text_to_video"]
