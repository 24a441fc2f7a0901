"""What the evaluation can be told."""

import dataclasses

from components.retrieval_evaluator import metrics


@dataclasses.dataclass(frozen=True)
class EvaluatorConfig:
    """How a model is scored and when it is blessed; the defaults are for the full-size model.

    A clip of frames is embedded as in the MIL-NCE reference code: the mean of the raw embeddings of
    `num_windows` evenly spaced windows, each cut to its central square and scaled. A clip of frozen
    features is one pooled vector, to which the first five settings do not apply.

    Attributes:
      num_frames: frames in a window, T.
      frame_rate: frames per second of a window; T / frame_rate is its length (3.2 s in the paper).
      image_size: height and width of the frames, in pixels.
      num_windows: windows of a clip; the reference code uses 4, its published results 10.
      batch_size: windows embedded at once.
      max_clips: score at most this many clips, the first as stored; 0 scores all. The metrics tell
        the number expected beside the number scored.
      recall_name: the text-to-video recall that decides about the blessing.
      min_recall_margin: margin over random guessing, as a share of it: 1.0 asks for at least twice
        the random recall (never more than 1). For R@10, whose random count of hits is about 10
        whatever the number of clips, twice is some three standard deviations. -1.0 takes the bar
        away, for a folder too small to tell.
      max_regression: how far the recall may fall below the last pushed model's and still be
        blessed.
      hub_directory: `<hub>/<publisher>/<model>`, whose highest numbered subfolder is the last
        blessed model; empty to compare with none. What lies there is no part of the cache key.
      pretrained_model: folder of the pushed model that training started from, for the fine-tuning
        table; empty where it started from scratch.
    """

    num_frames: int = 32
    frame_rate: float = 10.0
    image_size: int = 224
    num_windows: int = 4
    batch_size: int = 16
    max_clips: int = 0
    recall_name: str = "R@10"
    min_recall_margin: float = 1.0
    max_regression: float = 0.0
    hub_directory: str = ""
    pretrained_model: str = ""

    def __post_init__(self):
        for name in ("num_frames", "frame_rate", "image_size", "num_windows", "batch_size"):
            if getattr(self, name) <= 0:
                raise ValueError(f"evaluation.{name} is {getattr(self, name)}; it must be above 0")
        if self.min_recall_margin < -1:
            raise ValueError(
                f"evaluation.min_recall_margin is {self.min_recall_margin}; it must be at least -1"
            )
        for name in ("max_clips", "max_regression"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"evaluation.{name} is {getattr(self, name)}; it must be 0 or more"
                )
        if self.recall_name not in metrics.RECALL_NAMES:
            raise ValueError(
                f"evaluation.recall_name is {self.recall_name!r}; it must be one of "
                f"{', '.join(metrics.RECALL_NAMES)}"
            )
