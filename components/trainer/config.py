"""What a training run can be told: of MIL-NCE, and of the gated model of HowTo100M."""

import dataclasses
from collections.abc import Sequence
from typing import Any

BACKBONES = ("s3d", "i3d")
TEXT_MODELS = ("max_pool", "lstm", "gru", "transformer", "netvlad")
SINGLE_CANDIDATE_LOSSES = ("nce", "max_margin", "binary")
LOSSES = (
    "mil_nce",
    "max_nce",
    "attention_nce",
    "concatenation_nce",
    *SINGLE_CANDIDATE_LOSSES,
)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The two towers of MIL-NCE.

    Attributes:
      backbone: the video tower: "s3d" or "i3d".
      width: multiple of the reference's channel counts; 1.0 is the tower as published.
      stem: of an S3D: "space_to_depth", as in the released weights, or "conv".
      embedding_size: size of the joint embedding, D.
      text_model: how the text tower makes one vector of a caption's words: "max_pool", the paper's,
        "lstm", "gru", "transformer" or "netvlad" (table 2f).
      text_hidden_size: units of the layer before the text tower's last one.
      max_words: words of a caption that are kept, L; the rest is cut off.
    """

    backbone: str = "s3d"
    width: float = 1.0
    stem: str = "space_to_depth"
    embedding_size: int = 512
    text_model: str = "max_pool"
    text_hidden_size: int = 2048
    max_words: int = 16

    def __post_init__(self):
        _check_choice(self, "model", "backbone", BACKBONES)
        _check_choice(self, "model", "text_model", TEXT_MODELS)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """One training run; the defaults are the MIL-NCE paper's, for one replica's share of its batch.

    Attributes:
      steps: number of optimiser steps.
      batch_size: clips in a batch, B.
      num_candidates: captions in a clip's positive bag, K; 1 is plain NCE.
      loss: what is minimised (table 2, a and d): "mil_nce", over all candidates; "max_nce", the NCE
        of the best candidate; "attention_nce", of their average by cross-modal attention;
        "concatenation_nce", of the candidates joined into one narration; or with one candidate
        alone "nce", "max_margin" or "binary" (see `models.losses`).
      positives: how often the denominator of "mil_nce" counts the positives: "once" as the paper
        defines it, "twice" as the reference code does.
      negatives: which pairs are negatives (table 2e): "symmetric", the clip with the captions of
        other clips and its captions with other clips; "captions", the former alone, (y|x);
        "videos", the latter alone, (x|y).
      num_negatives: negatives of each clip (table 2b: 64 to 512); None takes all of the batch.
      margin: of "max_margin".
      num_frames: frames of a clip, T.
      frame_rate: frames per second of a clip; T / frame_rate is its length (3.2 s in the paper).
      image_size: height and width of the random crop, in pixels.
      learning_rate: peak learning rate of Adam.
      warmup_steps: steps of linear warm-up from 0.
      decay_at: fractions of `steps` at which the learning rate is multiplied by `decay_factor`.
      decay_factor: the factor of each step of the decay.
      mixed_bfloat16: whether the towers compute in bfloat16 (the loss stays in float32).
      strategy: where it trains: "one_device"; "mirrored", all GPUs of this machine; "multi_worker",
        the machines that TF_CONFIG names; "tpu", the TPU that TPU_NAME names. The batch is spread
        over all replicas, and the negatives of a clip come from all of it.
      synchronized_batch_norm: whether batch normalisation takes its statistics from all replicas.
      micro_batch_size: clips of each replica whose towers are computed at once, or None for all of
        them. Fewer need less memory; the negatives still come from the whole batch.
      cache_frames: whether all clips' decoded frames are kept in memory, for sets that fit.
      steps_per_epoch: steps between checkpoints, and between two lines of the training log.
      validation_batches: batches of the eval split scored at each epoch; 0 turns it off.
      shuffle_buffer: undecoded clips held for shuffling.
      train_fraction: share of the clips that is trained on.
      seed: of the weights and of the input's random choices.
    """

    steps: int = 500_000
    batch_size: int = 128
    num_candidates: int = 5
    loss: str = "mil_nce"
    positives: str = "once"
    negatives: str = "symmetric"
    num_negatives: int | None = None
    margin: float = 0.1
    num_frames: int = 32
    frame_rate: float = 10.0
    image_size: int = 200
    learning_rate: float = 1e-3
    warmup_steps: int = 5_000
    decay_at: tuple[float, ...] = (0.5, 0.8)
    decay_factor: float = 0.1
    mixed_bfloat16: bool = False
    strategy: str = "one_device"
    synchronized_batch_norm: bool = False
    micro_batch_size: int | None = None
    cache_frames: bool = False
    steps_per_epoch: int = 1_000
    validation_batches: int = 10
    shuffle_buffer: int = 4_096
    train_fraction: float = 1.0
    seed: int = 1

    def __post_init__(self):
        object.__setattr__(self, "decay_at", tuple(self.decay_at))
        _check_at_least(
            self, 1, "steps", "batch_size", "num_candidates", "num_frames", "image_size"
        )
        for name, choices in (
            ("loss", LOSSES),
            ("positives", ("once", "twice")),
            ("negatives", ("symmetric", "captions", "videos")),
            ("strategy", ("one_device", "mirrored", "multi_worker", "tpu")),
        ):
            _check_choice(self, "training", name, choices)
        if self.positives == "twice" and (self.loss, self.negatives) != ("mil_nce", "symmetric"):
            raise ValueError(
                "training.positives=twice is the reference's form of training.loss=mil_nce with "
                "training.negatives=symmetric; take once with all others"
            )
        _check_at_least(self, 0, "margin")
        if self.batch_size < 2:
            raise ValueError("training.batch_size is 1; the loss needs a second clip for negatives")
        if self.loss in SINGLE_CANDIDATE_LOSSES and self.num_candidates != 1:
            raise ValueError(
                f"training.loss={self.loss} takes one candidate, but training.num_candidates is "
                f"{self.num_candidates}; set it to 1, or take another loss"
            )
        self._check_num_negatives()
        if self.micro_batch_size is not None:
            _check_at_least(self, 1, "micro_batch_size")
        _check_fraction(self)

    def _check_num_negatives(self) -> None:
        if self.num_negatives is None:
            return
        _check_at_least(self, 1, "num_negatives")
        candidates = 1 if self.loss == "concatenation_nce" else self.num_candidates
        sides = 2 if self.negatives == "symmetric" else 1
        available = sides * (self.batch_size - 1) * candidates
        if self.num_negatives % sides:
            raise ValueError(
                f"training.num_negatives is {self.num_negatives}; symmetric negatives need an even "
                f"number, half of them captions and half of them clips"
            )
        if self.num_negatives > available:
            raise ValueError(
                f"training.num_negatives is {self.num_negatives}, but a batch of {self.batch_size} "
                f"clips has {available}; enlarge training.batch_size"
            )


@dataclasses.dataclass(frozen=True)
class GatedModelConfig:
    """The gated model of HowTo100M; the defaults are the paper's.

    Attributes:
      embedding_size: size of the joint embedding, d.
      caption_size: units of the layer on each word of a caption.
      max_words: words of a caption that are kept, L; the rest is cut off.
    """

    embedding_size: int = 4096
    caption_size: int = 4096
    max_words: int = 20


@dataclasses.dataclass(frozen=True)
class GatedTrainingConfig:
    """One training run of the gated model.

    The defaults are those of the paper and of the reference code's README: 15 epochs, Adam at 1e-4,
    a tenth less after each epoch, 32 videos with 64 pairs each (facts/protocols.md, section 8).

    Attributes:
      steps: number of optimiser steps.
      videos_per_batch: distinct videos in a batch, V.
      pairs_per_video: pairs of a clip and its caption from each of them, P. 1 is for sets whose
        clips are annotated one by one: all other pairs of the batch are then negatives.
      margin: by how much the loss wants a pair to score above its negatives.
      negatives: which pairs are a pair's negatives: "sampled", as in the paper, all others of its
        video and as many of other videos, drawn at random; "reference", as in its code, all pairs
        of the batch, itself among them, with weights; "other_videos", as many as in the paper, all
        of other videos (table 3's "no intra-negative").
      hard_negative_rate: share of the same video in the weights of "reference".
      min_words: a caption grows by its neighbours to this many words.
      min_seconds: and to this many seconds.
      growing_order: "time" joins the texts of a grown caption in their order in time, "reference"
        in that in which they were taken, as the reference code does.
      learning_rate: of Adam, at the start.
      decay: what the learning rate is multiplied by after each epoch.
      steps_per_epoch: steps of an epoch: between checkpoints, between two lines of the training
        log, and until the learning rate decays.
      mixed_bfloat16: whether matrix products are computed in bfloat16 (the loss stays in float32).
      validation_batches: batches of the eval split scored at each epoch; 0 turns it off.
      shuffle_buffer: videos held for shuffling, with all of their features.
      train_fraction: share of the captions that is trained on.
      max_search_rank: train only on videos of this or a better rank among the search results of
        their task; None takes all (figure 3).
      seed: of the weights and of the input's random choices.
    """

    steps: int = 15_000
    videos_per_batch: int = 32
    pairs_per_video: int = 64
    margin: float = 0.1
    negatives: str = "sampled"
    hard_negative_rate: float = 0.5
    min_words: int = 0
    min_seconds: float = 5.0
    growing_order: str = "time"
    learning_rate: float = 1e-4
    decay: float = 0.9
    steps_per_epoch: int = 1_000
    mixed_bfloat16: bool = False
    validation_batches: int = 4
    shuffle_buffer: int = 1_024
    train_fraction: float = 1.0
    max_search_rank: int | None = None
    seed: int = 1

    def __post_init__(self):
        _check_at_least(self, 1, "steps", "pairs_per_video", "steps_per_epoch", "shuffle_buffer")
        _check_at_least(self, 0, "margin", "min_words", "min_seconds", "learning_rate")
        _check_at_least(self, 0, "validation_batches", "seed")
        if self.videos_per_batch < 2:
            raise ValueError(
                f"training.videos_per_batch is {self.videos_per_batch}; the loss needs a second "
                f"video for negatives"
            )
        _check_choice(self, "training", "negatives", ("sampled", "reference", "other_videos"))
        _check_choice(self, "training", "growing_order", ("time", "reference"))
        if not 0 <= self.hard_negative_rate <= 1:
            raise ValueError(
                f"training.hard_negative_rate is {self.hard_negative_rate}; it must lie in [0, 1]"
            )
        if not 0 < self.decay <= 1:
            raise ValueError(f"training.decay is {self.decay}; it must lie in (0, 1]")
        _check_fraction(self)
        if self.max_search_rank is not None:
            _check_at_least(self, 1, "max_search_rank")


def _check_choice(config: Any, section: str, name: str, choices: Sequence[str]) -> None:
    value = getattr(config, name)
    if value not in choices:
        raise ValueError(f"{section}.{name} is {value!r}; it must be one of {', '.join(choices)}")


def _check_at_least(config: Any, least: int, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not value >= least:
            raise ValueError(f"training.{name} is {value}; it must be at least {least}")


def _check_fraction(config: Any) -> None:
    if not 0 < config.train_fraction <= 1:
        raise ValueError(
            f"training.train_fraction is {config.train_fraction}; it must lie in (0, 1]"
        )
