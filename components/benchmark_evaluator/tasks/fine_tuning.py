"""Fine-tuning of a pushed video tower: HMDB-51, UCF-101 and Kinetics-700."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence

import apache_beam as beam
import numpy as np

from components.benchmark_evaluator.annotations.items import LabelledSet, LabelledVideo
from components.benchmark_evaluator.embedding.frame_rows import FrameRows
from components.benchmark_evaluator.embedding.row_rules import SpreadRows
from components.benchmark_evaluator.embedding.run import VideoJob, embed_videos
from components.benchmark_evaluator.fine_tuning.config import FineTuningConfig
from components.benchmark_evaluator.fine_tuning.readable_videos import find_unreadable
from components.benchmark_evaluator.fine_tuning.training import train_classifier
from components.benchmark_evaluator.outcome import (
    Failure,
    Items,
    Outcome,
    failures_of,
    reasons_in_words,
)
from components.benchmark_evaluator.settings import BenchmarkSettings
from components.benchmark_evaluator.tasks import official_splits
from components.benchmark_evaluator.tasks.located import missing_video, whole_rows
from components.narrated_video_example_gen.annotations.parts import TEST, TRAIN

_CLASSIFIERS, _READABLE = "classifiers", "readable.txt"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a fine-tuning runs.

    Attributes:
      model: folder of the pushed model to start from.
      store: folder that keeps which videos can be read, classifiers, checkpoints and logits.
      make_pipeline: makes the Beam pipeline that classifies.
      threads: threads of each worker's decoder.
      progress: is told now and then how many of all videos were looked at, and then how many test
        videos of a split are done; or None.
      say: gets a line after each pass of a training.
    """

    model: str
    store: str
    make_pipeline: Callable[[], beam.Pipeline]
    threads: int
    progress: Callable[[int, int], None] | None
    say: Callable[[str], None]


class _Lost:
    """What is wrong with videos, each named once however many splits meet it.

    Attributes:
      failures: the failure of each video of which something is missing.
      unused: the videos that were no sample and could not be classified.
    """

    def __init__(self):
        self.failures: dict[str, Failure] = {}
        self.unused: set[str] = set()

    def add(self, video_id: str, problem: tuple[str, str], is_used: bool = False) -> None:
        """Notes what is wrong with a video."""
        self.failures.setdefault(video_id, Failure(video_id, *problem))
        if not is_used:
            self.unused.add(video_id)


def score(
    annotated: LabelledSet,
    files: Mapping[str, tuple[str, ...]],
    settings: BenchmarkSettings,
    place: Place,
) -> Outcome:
    """Trains a classifier on each official split and lets it classify the split's test videos.

    Args:
      annotated: the videos.
      files: the file of each video that is there.
      settings: how.
      place: where.

    Raises:
      ModelError: the classifier fails.
      ValueError: the model has no tower to train, or a split lacks training or test videos, which
        is found before the first training.
    """
    failures = failures_of(annotated.problems)
    there = [video for video in annotated.videos if video.video_id in files]
    failures += [
        missing_video(video.video_id, video.video_id)
        for video in annotated.videos
        if video.video_id not in files
    ]
    num_splits = len(annotated.videos[0].parts) if annotated.videos else 0
    num_trained = min(num_splits, settings.protocol.splits or num_splits)
    if not num_trained:
        raise ValueError("there are no videos to train on")
    lost = _Lost()
    readable = _readable(there, num_trained, files, place, lost)
    official_splits.check_splits(readable, num_trained, [*failures, *lost.failures.values()])
    tests: list[list[LabelledVideo]] = []
    right: list[list[bool]] = []
    splits = []
    for split in range(num_trained):
        train, test = (official_splits.split_part(readable, split, part) for part in (TRAIN, TEST))
        classifier = _train(train, len(annotated.classes), files, settings, place)
        classified, found = _classify(test, classifier, files, settings, place, lost)
        if not found:
            reasons = reasons_in_words(list(lost.failures.values()))
            raise ValueError(
                f"split {split + 1} has no test video that can be classified ({reasons})"
            )
        tests.append(classified)
        right.append(found)
        splits.append(
            {"top_1": float(np.mean(found)), "num_train": len(train), "num_test": len(found)}
        )
    failures += lost.failures.values()
    figures = official_splits.split_figures(tests, right)
    return Outcome(
        headline="top_1",
        metrics=figures.metrics,
        intervals=figures.intervals,
        drawn=figures.drawn,
        items=Items(
            "videos", annotated.num_annotated, len(there), len(there) - len(lost.unused), failures
        ),
        details={
            "splits": splits,
            "num_splits": num_splits,
            "chance": 1 / len(annotated.classes),
        },
    )


def _readable(
    videos: Sequence[LabelledVideo],
    num_splits: int,
    files: Mapping[str, tuple[str, ...]],
    place: Place,
    lost: _Lost,
) -> list[LabelledVideo]:
    """Returns the videos of the first splits whose files can be read; `lost` gets the others."""
    paths = {
        video.video_id: files[video.video_id][0]
        for video in videos
        if any(video.parts[:num_splits])
    }
    kept_in = os.path.join(place.store, _READABLE)
    problems = find_unreadable(list(paths.values()), kept_in, progress=place.progress)
    for video_id, path in paths.items():
        if path in problems:
            lost.add(video_id, problems[path])
    return [
        video for video in videos if video.video_id in paths and video.video_id not in lost.unused
    ]


def _train(
    videos: Sequence[LabelledVideo],
    num_classes: int,
    files: Mapping[str, tuple[str, ...]],
    settings: BenchmarkSettings,
    place: Place,
) -> str:
    """Returns the folder of the classifier of some training videos."""
    frames, protocol = settings.frames, settings.protocol
    names = [field.name for field in dataclasses.fields(FineTuningConfig)]
    return train_classifier(
        place.model,
        [(files[video.video_id][0], video.label) for video in videos],
        num_classes,
        FineTuningConfig(**{name: getattr(protocol, name) for name in names}),
        num_frames=frames.num_frames,
        frame_rate=frames.frame_rate,
        image_size=frames.image_size,
        work=os.path.join(place.store, _CLASSIFIERS),
        say=place.say,
    )


def _classify(
    videos: Sequence[LabelledVideo],
    classifier: str,
    files: Mapping[str, tuple[str, ...]],
    settings: BenchmarkSettings,
    place: Place,
    lost: _Lost,
) -> tuple[list[LabelledVideo], list[bool]]:
    """Returns the test videos that can be classified, and of each whether its class is found.

    One that lacks some of its windows is what there is of it, and named.
    """
    rule = SpreadRows(settings.protocol.num_windows)
    frames = dataclasses.replace(settings.frames, output="logits")
    embedded = embed_videos(
        [VideoJob(video.video_id, files[video.video_id], rule) for video in videos],
        FrameRows(classifier, frames, place.threads),
        place.store,
        place.make_pipeline,
        place.progress,
    )
    classified, found = [], []
    for video in videos:
        logits, problem = whole_rows(embedded.rows(video.video_id))
        if problem:
            lost.add(video.video_id, problem, is_used=logits is not None)
        if logits is not None:
            classified.append(video)
            found.append(bool(_probabilities(logits).mean(axis=0).argmax() == video.label))
    return classified, found


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax of each row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
