"""What a benchmark's protocol is called and what it does, in one sentence for people."""

from typing import NamedTuple

from components.benchmark_evaluator.settings import (
    BenchmarkSettings,
    FineTuningProtocol,
    LocalizationProtocol,
    ProbeProtocol,
    RankingProtocol,
    RetrievalProtocol,
    SegmentationProtocol,
)

_SCORINGS = {
    "crosstask": "one row for each step, in the task's order, by the dynamic program; recall is "
    "pooled over the videos of a task, then averaged over the tasks",
    "howto_crosstask": "one row for each step, in the task's order, by the dynamic program; the "
    "row that a segment ends in counts; recall is averaged over the videos of a task, then over "
    "the tasks",
    "drop_dtw": "one row for each annotated occurrence, in the video's own order, by the dynamic "
    "program; one recall over all occurrences",
}


class ProtocolName(NamedTuple):
    """A protocol's short name, and what it does as a sentence without its full stop."""

    name: str
    in_words: str


def protocol_name(settings: BenchmarkSettings, by_features: bool) -> ProtocolName:
    """Returns the name of a benchmark's protocol with its settings.

    Args:
      settings: of the evaluation.
      by_features: whether features took the place of videos.

    Raises:
      TypeError: there is no such protocol.
    """
    protocol = settings.protocol
    if isinstance(protocol, RetrievalProtocol):
        seen = "its pooled features" if by_features else _mean_of(settings)
        captions = "all captions" if protocol.captions == "all" else "the first caption"
        return ProtocolName(
            "zero-shot-retrieval",
            f"{captions} of each clip rank all clips by dot product; a clip is {seen}; equal "
            f"scores count by the rule {protocol.ties!r}",
        )
    if isinstance(protocol, LocalizationProtocol):
        drawn = f", seed {protocol.seed}" if protocol.test_videos == "crosstask" else ""
        return ProtocolName(
            f"step-localization-{protocol.scoring}",
            f"{_SCORINGS[protocol.scoring]}; test videos: {protocol.test_videos}{drawn}",
        )
    if isinstance(protocol, ProbeProtocol):
        samples = "all rows" if by_features else f"{protocol.num_windows} windows"
        return ProtocolName(
            f"linear-svm-{protocol.classifier}",
            f"a linear SVM on {samples} of each video, whose decision values are added up; the "
            f"mean of the official splits",
        )
    if isinstance(protocol, SegmentationProtocol):
        return ProtocolName(
            "clip-regression",
            f"a logistic regression labels clips of {protocol.clip_seconds:g} s by their own "
            f"features, the mean of the video's and their place; frames are compared at "
            f"{protocol.label_rate:g} a second, background among them",
        )
    if isinstance(protocol, RankingProtocol):
        seen = "features" if by_features else f"mean of {protocol.num_windows} windows"
        return ProtocolName(
            "youtube8m-challenge-map",
            f"a logistic regression for each class on each segment's {seen}; mean average "
            f"precision over the rated segments among a class's first {protocol.top_n:,}",
        )
    if isinstance(protocol, FineTuningProtocol):
        splits = f"the first {protocol.splits}" if protocol.splits else "all"
        return ProtocolName(
            "fine-tuning",
            f"{'the last layer' if protocol.freeze_tower else 'the whole tower'} trained for "
            f"{protocol.epochs} passes; the mean probability of {protocol.num_windows} windows "
            f"of each test video decides; {splits} of the official splits",
        )
    raise TypeError(f"{type(protocol).__name__} is no protocol of a benchmark")


def _mean_of(settings: BenchmarkSettings) -> str:
    frames = settings.frames
    rate = (
        "of the file's own" if frames.frame_rate is None else f"at {frames.frame_rate:g} a second"
    )
    return (
        f"the mean of {settings.protocol.num_windows} windows of {frames.num_frames} frames {rate}"
    )
