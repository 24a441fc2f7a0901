"""What a MIL-NCE training run can be told."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The two towers.

    Attributes:
      width: multiple of the reference's channel counts; 1.0 is S3D as published.
      stem: "space_to_depth", as in the released weights, or "conv".
      embedding_size: size of the joint embedding, D.
      text_hidden_size: units of the text tower's first dense layer.
      max_words: words of a caption that are kept, L; the rest is cut off.
    """

    width: float = 1.0
    stem: str = "space_to_depth"
    embedding_size: int = 512
    text_hidden_size: int = 2048
    max_words: int = 16


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """One training run; the defaults are the MIL-NCE paper's, for one replica's share of its batch.

    Attributes:
      steps: number of optimiser steps.
      batch_size: clips in a batch, B.
      num_candidates: captions in a clip's positive bag, K; 1 is plain NCE.
      positives: how often the loss's denominator counts the positives: "once" as the paper defines
        it, "twice" as the reference code does.
      num_frames: frames of a clip, T.
      frame_rate: frames per second of a clip; T / frame_rate is its length (3.2 s in the paper).
      image_size: height and width of the random crop, in pixels.
      learning_rate: peak learning rate of Adam.
      warmup_steps: steps of linear warm-up from 0.
      decay_at: fractions of `steps` at which the learning rate is multiplied by `decay_factor`.
      decay_factor: the factor of each step of the decay.
      mixed_bfloat16: whether the towers compute in bfloat16 (the loss stays in float32).
      steps_per_epoch: steps between checkpoints, and between two lines of the training log.
      validation_batches: batches of the eval split scored at each epoch; 0 turns it off.
      shuffle_buffer: undecoded clips held for shuffling.
      seed: of the weights and of the input's random choices.
    """

    steps: int = 500_000
    batch_size: int = 128
    num_candidates: int = 5
    positives: str = "once"
    num_frames: int = 32
    frame_rate: float = 10.0
    image_size: int = 200
    learning_rate: float = 1e-3
    warmup_steps: int = 5_000
    decay_at: tuple[float, ...] = (0.5, 0.8)
    decay_factor: float = 0.1
    mixed_bfloat16: bool = False
    steps_per_epoch: int = 1_000
    validation_batches: int = 10
    shuffle_buffer: int = 4_096
    seed: int = 1

    def __post_init__(self):
        object.__setattr__(self, "decay_at", tuple(self.decay_at))
        for name in ("steps", "batch_size", "num_candidates", "num_frames", "image_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"training.{name} is {getattr(self, name)}; it must be at least 1")
        if self.positives not in ("once", "twice"):
            raise ValueError(
                f"training.positives is {self.positives!r}; it must be 'once' or 'twice'"
            )
        if self.batch_size < 2:
            raise ValueError("training.batch_size is 1; the loss needs a second clip for negatives")
