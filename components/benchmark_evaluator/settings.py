"""The settings of each benchmark; the defaults are those of the papers and their code."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from components.benchmark_evaluator.annotations.crosstask import VARIANTS as TEST_SETS
from components.benchmark_evaluator.annotations.retrieval import CAPTIONS
from components.benchmark_evaluator.embedding.frame_rows import FrameProtocol
from components.benchmark_evaluator.fine_tuning.config import FineTuningConfig
from components.benchmark_evaluator.protocols import linear_probe, segment_ranking
from components.benchmark_evaluator.protocols.softmax_regression import RegressionConfig
from components.benchmark_evaluator.protocols.ties import TIE_RULES


def _check_choice(name: str, value: str, choices) -> None:
    if value not in choices:
        raise ValueError(f"protocol.{name} is {value!r}; it must be one of {', '.join(choices)}")


def _check_finite(protocol: "Protocol") -> None:
    """Refuses NaN, which no comparison finds, and infinity."""
    for name, value in vars(protocol).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"protocol.{name} is {value}; it must be a finite number")


@dataclasses.dataclass(frozen=True)
class RetrievalProtocol:
    """Zero-shot text-to-video retrieval (facts/protocols.md, section 6).

    Attributes:
      num_windows: windows of a clip, whose mean embedding is the clip's; the MIL-NCE code takes 4,
        its README's figures 10. Not used where features take the place of videos.
      max_words: words of a caption that are kept; 0 for as many as the model keeps; a larger
        number is refused.
      captions: of a clip with several captions "all" are queries, or the "first" alone.
      video_list: a file that lists the videos of the split, such as MSR-VTT's 1k-B; or empty.
      ties: the rule for equal scores that the headline follows; all rules are in the result.
    """

    num_windows: int = 4
    max_words: int = 0
    captions: str = "all"
    video_list: str = ""
    ties: str = "mean"

    def __post_init__(self):
        _check_choice("captions", self.captions, CAPTIONS)
        _check_choice("ties", self.ties, TIE_RULES)
        if self.num_windows < 1 or self.max_words < 0:
            raise ValueError("protocol.num_windows must be at least 1, max_words at least 0")


@dataclasses.dataclass(frozen=True)
class LocalizationProtocol:
    """CrossTask's step localisation (facts/protocols.md, section 9).

    Attributes:
      scoring: whose way of scoring: "crosstask", "howto_crosstask", or "drop_dtw".
      cost: what the dynamic program minimises: "log_softmax" or "similarity"; empty for that of
        the scoring.
      row_seconds: a score is made for each stretch of this length; 0 for that of the scoring.
      test_videos: which videos are scored, see `annotations.crosstask.select_test_videos`.
      seed: of the draw of the test videos.
      video_list: a file that lists the test videos, for `test_videos` "list".
    """

    scoring: str = "crosstask"
    cost: str = ""
    row_seconds: float = 0.0
    test_videos: str = "crosstask"
    seed: int = 0
    video_list: str = ""

    def __post_init__(self):
        _check_finite(self)
        _check_choice("scoring", self.scoring, ("crosstask", "howto_crosstask", "drop_dtw"))
        _check_choice("cost", self.cost, ("", "log_softmax", "similarity"))
        _check_choice("test_videos", self.test_videos, TEST_SETS)
        if (self.test_videos == "list") != bool(self.video_list):
            raise ValueError("protocol.test_videos=list and protocol.video_list go together")
        if self.row_seconds < 0:
            raise ValueError(f"protocol.row_seconds is {self.row_seconds:g}; it must be at least 0")


@dataclasses.dataclass(frozen=True)
class ProbeProtocol:
    """A linear SVM on frozen features (facts/protocols.md, section 7).

    Attributes:
      num_windows: windows of a video, spread over the file; of features each row is one.
      classifier: "mil-nce", "mmv-hmdb51" or "mmv-ucf101", see `linear_probe.PROTOCOLS`.
      regularization: C of the SVM; 0 for that of the classifier.
    """

    num_windows: int = 10
    classifier: str = "mil-nce"
    regularization: float = 0.0

    def __post_init__(self):
        _check_finite(self)
        _check_choice("classifier", self.classifier, linear_probe.PROTOCOLS)
        if self.num_windows < 1 or self.regularization < 0:
            raise ValueError("protocol.num_windows must be at least 1, regularization at least 0")


@dataclasses.dataclass(frozen=True)
class SegmentationProtocol:
    """COIN's action segmentation (MIL-NCE paper, section 4.4; facts/protocols.md, section 10).

    Attributes:
      clip_seconds: length of the clips that a video is cut into.
      position_size: entries of a clip's place in the video; the paper does not tell.
      label_rate: frames a second whose labels are compared.
      epochs: passes of the logistic regression over the training videos.
      learning_rate: of the logistic regression.
      weight_decay: of the logistic regression.
      seed: of the logistic regression.
    """

    clip_seconds: float = 1.5
    position_size: int = 64
    label_rate: float = 10.0
    epochs: int = RegressionConfig.epochs
    learning_rate: float = RegressionConfig.learning_rate
    weight_decay: float = RegressionConfig.weight_decay
    seed: int = 0

    def __post_init__(self):
        _check_finite(self)
        if min(self.clip_seconds, self.label_rate, self.learning_rate) <= 0 or self.epochs < 1:
            raise ValueError(
                "protocol.clip_seconds, label_rate, learning_rate and epochs must be above 0"
            )
        if self.weight_decay < 0:
            raise ValueError(
                f"protocol.weight_decay is {self.weight_decay:g}; it must be at least 0"
            )
        if self.seed < 0:
            raise ValueError(f"protocol.seed is {self.seed}; it must be at least 0")
        if self.position_size < 0 or self.position_size % 2:
            raise ValueError(
                f"protocol.position_size is {self.position_size}; it must be even, or 0"
            )
        if self.clip_seconds * self.label_rate < 1:
            raise ValueError(
                f"a clip of {self.clip_seconds:g} s has no frame at {self.label_rate:g} a second: "
                f"protocol.clip_seconds times label_rate must be at least 1"
            )


@dataclasses.dataclass(frozen=True)
class RankingProtocol:
    """YouTube-8M Segments (facts/protocols.md, section 11).

    Attributes:
      vocabulary: `segment_label_ids.csv`, the classes.
      top_n: greatest length of a class's list.
      num_windows: windows of a segment of 5 s, whose mean feature is the segment's; not used where
        features take the place of videos.
      regularization: C of each class's logistic regression.
    """

    vocabulary: str = ""
    top_n: int = segment_ranking.TOP_N
    num_windows: int = 2
    regularization: float = 1.0

    def __post_init__(self):
        _check_finite(self)
        if min(self.top_n, self.num_windows) < 1 or not self.regularization > 0:
            raise ValueError(
                "protocol.top_n and num_windows must be at least 1, regularization above 0"
            )


@dataclasses.dataclass(frozen=True)
class FineTuningProtocol(FineTuningConfig):
    """Fine-tuning on action recognition: the settings of a training, and of its test.

    Attributes:
      num_windows: windows of a test video, spread over it, whose probabilities are averaged.
      splits: how many of the official splits are trained on, the first ones; 0 for all.
    """

    num_windows: int = 10
    splits: int = 0

    def __post_init__(self):
        _check_finite(self)
        super().__post_init__()
        if self.num_windows < 1 or self.splits < 0:
            raise ValueError("protocol.num_windows must be at least 1, splits at least 0")


Protocol = (
    RetrievalProtocol
    | LocalizationProtocol
    | ProbeProtocol
    | SegmentationProtocol
    | RankingProtocol
    | FineTuningProtocol
)


@dataclasses.dataclass(frozen=True)
class BenchmarkSettings:
    """All settings of an evaluation; each is written into its result.

    Attributes:
      frames: what of a video the tower sees.
      protocol: how its answers are scored.
    """

    frames: FrameProtocol
    protocol: Protocol

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Returns the settings by section."""
        return dataclasses.asdict(self)

    def replaced(self, values: Mapping[str, Mapping[str, Any]]) -> "BenchmarkSettings":
        """Returns the settings with some values changed.

        Args:
          values: by section, as `as_dict` returns them, all or some.

        Raises:
          ValueError: there is no such section or setting, or a value does not fit.
        """
        try:
            return dataclasses.replace(
                self,
                **{
                    section: dataclasses.replace(getattr(self, section), **changed)
                    for section, changed in values.items()
                },
            )
        except (AttributeError, TypeError) as error:
            raise ValueError(f"benchmark settings do not fit: {error}") from error
