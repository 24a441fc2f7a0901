"""How a fine-tuning is done."""

import dataclasses

_SEEDS = 2**32  # NumPy's global generator takes no larger ones.


@dataclasses.dataclass(frozen=True)
class FineTuningConfig:
    """How a classifier is trained; the papers do not tell.

    Attributes:
      epochs: passes over the training videos.
      batch_size: clips of a step.
      learning_rate: of SGD with momentum 0.9; it falls to 0 by a cosine.
      weight_decay: of all weights.
      dropout: share of the pooled features that a step leaves out.
      freeze_tower: whether only the last layer is trained.
      seed: of the last layer's start, the order and the windows.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 0.01
    weight_decay: float = 1e-5
    dropout: float = 0.5
    freeze_tower: bool = False
    seed: int = 0

    def __post_init__(self):
        if min(self.epochs, self.batch_size) < 1 or not self.learning_rate > 0:
            raise ValueError(
                "protocol.epochs and batch_size must be at least 1, learning_rate above 0"
            )
        if not 0 <= self.dropout < 1 or self.weight_decay < 0:
            raise ValueError("protocol.dropout must be in [0, 1), weight_decay at least 0")
        if not 0 <= self.seed < _SEEDS:
            raise ValueError(f"protocol.seed is {self.seed}; it must be from 0 to {_SEEDS - 1}")
