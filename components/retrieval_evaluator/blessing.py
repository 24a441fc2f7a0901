"""Whether a model may be pushed."""

import dataclasses
from collections.abc import Mapping

from components.retrieval_evaluator.config import EvaluatorConfig


@dataclasses.dataclass(frozen=True)
class Baseline:
    """The last blessed model, scored on the same clips by the same protocol.

    Attributes:
      path: the folder of the pushed version.
      text_to_video: its metrics, or None if it could not be scored.
      video_to_text: the same in the other direction.
      error: why it could not be scored, or an empty string.
    """

    path: str
    text_to_video: Mapping[str, float] | None = None
    video_to_text: Mapping[str, float] | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Decision:
    """The verdict.

    Attributes:
      blessed: whether the model may be pushed.
      reason: one sentence for people.
    """

    blessed: bool
    reason: str


def decide(
    text_to_video: Mapping[str, float],
    random: Mapping[str, float],
    baseline: Baseline | None,
    config: EvaluatorConfig,
) -> Decision:
    """Blesses a model that beats random by the margin and is no worse than the last blessed one.

    A last blessed model that cannot be scored blocks the blessing: nothing shows then that the new
    one is no worse. Moving its folder away, or an empty `hub_directory`, lifts the block.

    Args:
      text_to_video: metrics of the new model.
      random: metrics of random guessing among as many candidates.
      baseline: the last blessed model, if there is one.
      config: recall, margin and tolerance.
    """
    name = config.recall_name
    recall, chance = text_to_video[name], random[name]
    has_bar = config.min_recall_margin > -1.0
    if chance >= 1.0 and has_bar:
        return Decision(
            False,
            f"Not blessed: with {text_to_video['num_candidates']} clips {name} is 100 % even for "
            "guessing, so it tells nothing; evaluate on more clips or set recall_name to R@1.",
        )
    needed = min(1.0, chance * (1.0 + config.min_recall_margin))
    measured = f"text-to-video {name} {recall:.1%}"
    if recall < needed or (recall <= chance and has_bar):
        return Decision(
            False,
            f"Not blessed: {measured} does not reach {needed:.1%}, the bar set over guessing "
            f"({chance:.1%}).",
        )
    if baseline is None:
        return Decision(
            True,
            f"Blessed: {measured} reaches {needed:.1%}, the bar set over guessing ({chance:.1%}), "
            "and no earlier model was pushed.",
        )
    if baseline.text_to_video is None:
        return Decision(
            False,
            f"Not blessed: {measured} passes the bar over guessing, but the last pushed model "
            f"{baseline.path} could not be scored ({baseline.error}), so nothing shows that the "
            "new one is no worse; move that folder away to push without the comparison.",
        )
    before = baseline.text_to_video[name]
    if recall < before - config.max_regression:
        return Decision(
            False,
            f"Not blessed: {measured} is worse than {before:.1%} of the last pushed model "
            f"{baseline.path}.",
        )
    return Decision(
        True,
        f"Blessed: {measured} reaches {needed:.1%}, the bar set over guessing ({chance:.1%}), and "
        f"is no worse than {before:.1%} of the last pushed model {baseline.path}.",
    )
