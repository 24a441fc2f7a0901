"""The benchmarks by name: what each asks for, how it is read, and which rows the papers report."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from components.benchmark_evaluator.annotations import (
    action_recognition,
    coin,
    crosstask,
    kinetics,
)
from components.benchmark_evaluator.annotations import retrieval as retrieval_sets
from components.benchmark_evaluator.annotations.text_files import read_ids
from components.benchmark_evaluator.annotations.youtube8m import read_youtube8m_segments
from components.benchmark_evaluator.embedding.frame_rows import FrameProtocol
from components.benchmark_evaluator.settings import (
    BenchmarkSettings,
    FineTuningProtocol,
    LocalizationProtocol,
    ProbeProtocol,
    RankingProtocol,
    RetrievalProtocol,
    SegmentationProtocol,
)
from components.benchmark_evaluator.tasks import (
    fine_tuning,
    localization,
    probe,
    ranking,
    retrieval,
    segmentation,
)


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes:
      name: as the command line knows it.
      title: as papers write it.
      task: what is asked for, in words.
      defaults: the papers' settings.
      read: reads the annotations, given where they are and the settings of the protocol.
      rules: says which rows each video needs.
      score: makes an outcome of the rows.
      needs_text: whether `score` embeds text, and so takes the model as well.
      sizes: numbers of items that people publish figures for, with what they are; an evaluation of
        another number is of another set.
    """

    name: str
    title: str
    task: str
    defaults: BenchmarkSettings
    read: Callable[[str, Any], Any]
    rules: Callable[[Any, Any], Mapping[str, Any]]
    score: Callable[..., Any]
    needs_text: bool
    sizes: Mapping[int, str]

    @property
    def is_fine_tuned(self) -> bool:
        """Whether the model is trained on: `rules` and `score` are not used then."""
        return isinstance(self.defaults.protocol, FineTuningProtocol)


_EMBEDDING = FrameProtocol()
_RETRIEVAL_SIZES = {
    "youcook2": {
        3350: "the public CSV of validation clips without HowTo100M's videos",
        3492: "the validation segments of the public JSON",
    },
    "msrvtt": {1000: "the 1k-A or 1k-B test", 2990: "the full test"},
    "lsmdc": {1000: "the public test"},
    "csv": {},
}
_TITLES = {"youcook2": "YouCook2", "msrvtt": "MSR-VTT", "lsmdc": "LSMDC", "csv": "own clips"}


def _retrieval(name: str) -> Benchmark:
    def read(annotations: str, protocol: RetrievalProtocol) -> Any:
        return retrieval_sets.read_retrieval(
            name, annotations, protocol.video_list, protocol.captions
        )

    return Benchmark(
        name,
        _TITLES[name],
        "zero-shot text-to-video retrieval",
        BenchmarkSettings(_EMBEDDING, RetrievalProtocol()),
        read,
        retrieval.rules,
        retrieval.score,
        True,
        _RETRIEVAL_SIZES[name],
    )


def _read_crosstask(annotations: str, protocol: LocalizationProtocol) -> Any:
    listed = read_ids(pathlib.Path(protocol.video_list)) if protocol.video_list else ()
    return crosstask.select_test_videos(
        crosstask.read_crosstask(annotations), protocol.test_videos, protocol.seed, listed
    )


def _probe(name: str, title: str, read: Callable[[str], Any], size: int) -> Benchmark:
    return Benchmark(
        name,
        title,
        "linear probe of frozen features",
        BenchmarkSettings(
            FrameProtocol(num_frames=16, frame_rate=None, output="mixed_5c"), ProbeProtocol()
        ),
        lambda annotations, protocol: read(annotations),
        probe.rules,
        probe.score,
        False,
        {size: "all videos of the three splits"},
    )


def _fine_tuning(name: str, title: str, read: Callable[[str], Any], sizes: dict) -> Benchmark:
    return Benchmark(
        name,
        title,
        "fine-tuning on action recognition",
        BenchmarkSettings(_EMBEDDING, FineTuningProtocol()),
        lambda annotations, protocol: read(annotations),
        lambda annotated, protocol: {video.video_id: None for video in annotated.videos},
        fine_tuning.score,
        False,
        sizes,
    )


def _read_youtube8m(annotations: str, protocol: RankingProtocol) -> Any:
    if not protocol.vocabulary:
        raise ValueError(
            "youtube8m_segments needs its list of classes: --set "
            "protocol.vocabulary=segment_label_ids.csv"
        )
    return read_youtube8m_segments(annotations, protocol.vocabulary)


BENCHMARKS: Mapping[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        *map(_retrieval, _TITLES),
        Benchmark(
            "crosstask",
            "CrossTask",
            "zero-shot step localisation",
            BenchmarkSettings(_EMBEDDING, LocalizationProtocol()),
            _read_crosstask,
            localization.rules,
            localization.score,
            True,
            {1850: "CrossTask's test set of one draw", 2750: "all annotated videos"},
        ),
        _probe("hmdb51", "HMDB-51", action_recognition.read_hmdb51, 6766),
        _probe("ucf101", "UCF-101", action_recognition.read_ucf101, 13320),
        _fine_tuning(
            "hmdb51_fine_tuning",
            "HMDB-51",
            action_recognition.read_hmdb51,
            {6766: "all videos of the three splits"},
        ),
        _fine_tuning(
            "ucf101_fine_tuning",
            "UCF-101",
            action_recognition.read_ucf101,
            {13320: "all videos of the three splits"},
        ),
        _fine_tuning("kinetics700", "Kinetics-700", kinetics.read_kinetics, {}),
        Benchmark(
            "coin",
            "COIN",
            "action segmentation",
            BenchmarkSettings(
                FrameProtocol(num_frames=15, output="mixed_5c"), SegmentationProtocol()
            ),
            lambda annotations, protocol: coin.read_coin(annotations),
            segmentation.rules,
            segmentation.score,
            False,
            {11827: "all videos"},
        ),
        Benchmark(
            "youtube8m_segments",
            "YouTube-8M Segments",
            "action localisation",
            BenchmarkSettings(FrameProtocol(output="mixed_5c"), RankingProtocol()),
            _read_youtube8m,
            ranking.rules,
            ranking.score,
            False,
            {},
        ),
    )
}


def find_benchmark(name: str) -> Benchmark:
    """Returns a benchmark.

    Args:
      name: of it.

    Raises:
      ValueError: there is none of this name.
    """
    if name not in BENCHMARKS:
        raise ValueError(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]
