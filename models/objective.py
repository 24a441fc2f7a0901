"""Which loss a text-video model minimises, with its settings (`models.losses` has the maths)."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from models import losses


def _attention_nce(objective: "Objective", scores: losses.Scores, embeddings: Mapping) -> Any:
    attention = losses.own_scores(embeddings["video_attention"], embeddings["text_attention"])
    return losses.attention_nce(scores, attention)


_LOSSES: dict[str, Callable[["Objective", losses.Scores, Mapping], Any]] = {
    "mil_nce": lambda objective, scores, _: losses.mil_nce(scores, objective.positives),
    "max_nce": lambda objective, scores, _: losses.max_nce(scores),
    "attention_nce": _attention_nce,
    "concatenation_nce": lambda objective, scores, _: losses.nce(scores),
    "nce": lambda objective, scores, _: losses.nce(scores),
    "max_margin": lambda objective, scores, _: losses.max_margin(scores, objective.margin),
    "binary": lambda objective, scores, _: losses.binary_classification(scores),
}
LOSSES = tuple(_LOSSES)


@dataclasses.dataclass(frozen=True)
class Objective:
    """A loss and its settings, by the names of the training configuration.

    Attributes:
      loss: one of `LOSSES`: "mil_nce", "max_nce" and "attention_nce" take the K candidates of a
        clip; "concatenation_nce" takes them joined into one narration, and "nce", "max_margin" and
        "binary" take one alone, so that K is 1 for these four.
      negatives: which pairs are negatives, one of `losses.NEGATIVES` (see `losses.score_pairs`).
      num_negatives: negatives of each clip; None takes all of the batch.
      positives: how often the denominator of "mil_nce" counts the positives, one of
        `losses.POSITIVES`.
      margin: of "max_margin".

    Raises:
      ValueError: a name or number is not possible, or goes with another loss.
    """

    loss: str = "mil_nce"
    negatives: str = "symmetric"
    num_negatives: int | None = None
    positives: str = "once"
    margin: float = 0.1

    def __post_init__(self):
        for name, choices in (
            ("loss", LOSSES),
            ("negatives", losses.NEGATIVES),
            ("positives", losses.POSITIVES),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(choices)}"
                )
        losses.check_num_negatives(self.negatives, self.num_negatives)
        if self.positives == "twice" and (self.loss, self.negatives) != ("mil_nce", "symmetric"):
            raise ValueError(
                "positives='twice' is the reference code's form of loss='mil_nce' with "
                "negatives='symmetric'; take positives='once' with all others"
            )
        if not self.margin >= 0:
            raise ValueError(f"margin is {self.margin}; it must be at least 0")

    @property
    def uses_attention(self) -> bool:
        """Whether the loss needs the attention embeddings beside those of the joint space."""
        return self.loss == "attention_nce"

    @property
    def joins_candidates(self) -> bool:
        """Whether the candidates of a clip are to be joined into one narration beforehand."""
        return self.loss == "concatenation_nce"

    def per_clip(
        self,
        embeddings: Mapping[str, Any],
        all_video: Any = None,
        all_text: Any = None,
        *,
        offset: Any = 0,
    ) -> Any:
        """Computes the loss of each clip.

        Where the batch is spread over replicas, each one passes its own part as `embeddings`, and
        the whole batch as `all_video` and `all_text`.

        Args:
          embeddings: "video" [b, E] of the clips and "text" [b*K, E] of their candidates, clip by
            clip; where `uses_attention`, also "video_attention" [b, E] and "text_attention"
            [b*K, E].
          all_video: [B, E], the clips of the whole batch; None if `embeddings` are the whole batch.
          all_text: [B*K, E], the candidates of the whole batch in the same order; None likewise.
          offset: position of the first local clip in `all_video`; an int or a scalar tensor.

        Returns:
          float32 [b].

        Raises:
          ValueError: the batch is one clip, K is not 1 where it must be, there are fewer negatives
            than asked for, or only one of `all_video` and `all_text` is given.
        """
        scores = losses.score_pairs(
            embeddings["video"],
            embeddings["text"],
            all_video,
            all_text,
            offset=offset,
            negatives=self.negatives,
            num_negatives=self.num_negatives,
        )
        return _LOSSES[self.loss](self, scores, embeddings)
