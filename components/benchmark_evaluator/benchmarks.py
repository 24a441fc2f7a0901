"""The benchmarks by name: what each asks for, how it is read, and which rows the papers report."""

import dataclasses
import math
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
from components.benchmark_evaluator.protocol_names import ProtocolName, protocol_name
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
class KnownSet:
    """A set of items that people publish figures for.

    Attributes:
      name: what it is.
      num_items: how many items it has; None where videos vanish, so that it has no fixed number.
      is_papers: whether the two papers score on it.
      num_classes: how many classes are scored; None where the items tell the set.
      video_ids: the beginning of what `document.ids_digest` says of its videos; empty where the
        number of items must do.
      has_one_caption: whether each clip has one caption alone.
    """

    name: str
    num_items: int | None
    is_papers: bool = False
    num_classes: int | None = None
    video_ids: str = ""
    has_one_caption: bool = False

    def __str__(self) -> str:
        """Returns its size and name, such as "6,766 (all videos of the three splits)"."""
        sizes = [f"{self.num_items:,}"] if self.num_items else []
        sizes += [f"{self.num_classes:,} classes"] if self.num_classes else []
        return f"{' of '.join(sizes)} ({self.name})"


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A benchmark.

    Attributes:
      name: as the command line knows it.
      title: as papers write it.
      task: what is asked for, in words.
      defaults: the papers' settings.
      read: reads the annotations, given where they are and the settings of the protocol.
      rules: says which rows each video needs, or only which videos where the model is trained on.
      score: makes an outcome of the rows, or of the files where the model is trained on.
      needs_text: whether `score` embeds text, and so takes the model as well.
      sets: those that people publish figures for; none for clips of one's own.
    """

    name: str
    title: str
    task: str
    defaults: BenchmarkSettings
    read: Callable[[str, Any], Any]
    rules: Callable[[Any, Any], Mapping[str, Any]]
    score: Callable[..., Any]
    needs_text: bool
    sets: tuple[KnownSet, ...]

    @property
    def is_fine_tuned(self) -> bool:
        """Whether the model is trained on: `score` then takes files and settings, see there."""
        return isinstance(self.defaults.protocol, FineTuningProtocol)

    def fitted(self, settings: BenchmarkSettings) -> BenchmarkSettings:
        """Returns settings whose test sees what it is trained on at the same scale.

        A training cuts its squares out of frames whose shorter side is in the default's proportion
        to them; the test follows where another size of the square is all that was asked for.

        Args:
          settings: as they were asked for.
        """
        frames, usual = settings.frames, self.defaults.frames
        if not self.is_fine_tuned or frames.short_side != usual.short_side:
            return settings
        short_side = math.ceil(frames.image_size * usual.short_side / usual.image_size)
        return settings.replaced({"frames": {"short_side": short_side}})

    def known_set(
        self, num_items: int, num_classes: int | None = None, video_ids: str = ""
    ) -> KnownSet | None:
        """Returns the set that people publish figures for, or None where it is another one.

        Args:
          num_items: of the annotations.
          num_classes: that are scored, or None where there are none.
          video_ids: what `document.ids_digest` says of the annotated videos.
        """
        for known in self.sets:
            if (
                known.num_items in (None, num_items)
                and known.num_classes in (None, num_classes)
                and video_ids.startswith(known.video_ids)
            ):
                return known
        return None

    def protocol(self, settings: BenchmarkSettings, by_features: bool) -> ProtocolName:
        """Returns what the protocol is called, and what it does.

        Args:
          settings: of the evaluation.
          by_features: whether features take the place of videos.
        """
        return protocol_name(settings, by_features)


_EMBEDDING = FrameProtocol()
_RETRIEVAL_SETS = {
    "youcook2": (
        KnownSet(
            "the public CSV's validation clips, without HowTo100M's videos",
            3350,
            is_papers=True,
            video_ids="3fdc75d94614c85a",
        ),
        KnownSet("the validation clips that UniVL scores on", 3369),
        KnownSet("the validation clips that VATT scores on", 3320),
    ),
    # The two tests of 1,000 videos have 296 of them in common.
    "msrvtt": (
        KnownSet(
            "the 1k-A test, JSFusion's",
            1000,
            is_papers=True,
            video_ids="49a09fb68f7ec52b",
            has_one_caption=True,
        ),
        KnownSet(
            "the 1k-B test, Miech's", 1000, video_ids="a0ad82bd7f2c45e3", has_one_caption=True
        ),
        KnownSet("the full test", 2990),
    ),
    "lsmdc": (KnownSet("the public test", 1000, is_papers=True),),
    "csv": (),
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
        _RETRIEVAL_SETS[name],
    )


def _read_crosstask(annotations: str, protocol: LocalizationProtocol) -> Any:
    listed = read_ids(pathlib.Path(protocol.video_list)) if protocol.video_list else ()
    return crosstask.select_test_videos(
        crosstask.read_crosstask(annotations), protocol.test_videos, protocol.seed, listed
    )


def _three_splits(num_videos: int) -> tuple[KnownSet, ...]:
    return (KnownSet("all videos of the three splits", num_videos, is_papers=True),)


def _probe(name: str, title: str, read: Callable[[str], Any], num_videos: int) -> Benchmark:
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
        _three_splits(num_videos),
    )


def _fine_tuning(
    name: str, title: str, read: Callable[[str], Any], sets: tuple[KnownSet, ...]
) -> Benchmark:
    return Benchmark(
        name,
        title,
        "fine-tuning on action recognition",
        # Training cuts its squares of 224 out of frames of 256: the test sees the same scale.
        BenchmarkSettings(FrameProtocol(short_side=256), FineTuningProtocol()),
        lambda annotations, protocol: read(annotations),
        lambda annotated, protocol: {video.video_id: None for video in annotated.videos},
        fine_tuning.score,
        False,
        sets,
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
            (
                KnownSet("CrossTask's test set of one draw", 1850, is_papers=True),
                KnownSet("all annotated videos", 2750),
            ),
        ),
        _probe("hmdb51", "HMDB-51", action_recognition.read_hmdb51, 6766),
        _probe("ucf101", "UCF-101", action_recognition.read_ucf101, 13320),
        _fine_tuning(
            "hmdb51_fine_tuning",
            "HMDB-51",
            action_recognition.read_hmdb51,
            _three_splits(6766),
        ),
        _fine_tuning(
            "ucf101_fine_tuning",
            "UCF-101",
            action_recognition.read_ucf101,
            _three_splits(13320),
        ),
        _fine_tuning(
            "kinetics700",
            "Kinetics-700",
            kinetics.read_kinetics,
            (KnownSet("all of its classes", None, is_papers=True, num_classes=700),),
        ),
        Benchmark(
            "coin",
            "COIN",
            "action segmentation",
            # The paper's clips of 1.5 s have 15 frames, but space-to-depth takes them in pairs: 16
            # around the same centre.
            BenchmarkSettings(
                FrameProtocol(num_frames=16, output="mixed_5c"), SegmentationProtocol()
            ),
            lambda annotations, protocol: coin.read_coin(annotations),
            segmentation.rules,
            segmentation.score,
            False,
            (KnownSet("all videos", 11827, is_papers=True),),
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
            (
                KnownSet(
                    "all segments that the public vocabulary counts",
                    237_788,
                    is_papers=True,
                    num_classes=1000,
                ),
            ),
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
