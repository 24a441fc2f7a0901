"""Fine-tuning of a pushed video tower: HMDB-51, UCF-101 and Kinetics-700."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Mapping, Sequence

import apache_beam as beam
import numpy as np

from components.benchmark_evaluator.annotations.items import LabelledSet, LabelledVideo
from components.benchmark_evaluator.annotations.parts import TEST, TRAIN
from components.benchmark_evaluator.embedding.frame_rows import FrameRows
from components.benchmark_evaluator.embedding.row_rules import SpreadRows
from components.benchmark_evaluator.embedding.run import VideoJob, embed_videos
from components.benchmark_evaluator.fine_tuning.config import FineTuningConfig
from components.benchmark_evaluator.fine_tuning.labelled_clips import unreadable
from components.benchmark_evaluator.fine_tuning.training import train_classifier
from components.benchmark_evaluator.outcome import Failure, Items, Outcome, failures_of
from components.benchmark_evaluator.protocols import bootstrap
from components.benchmark_evaluator.settings import BenchmarkSettings
from components.benchmark_evaluator.tasks.located import missing_video

_CLASSIFIERS = "classifiers"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a fine-tuning runs.

    Attributes:
      model: folder of the pushed model to start from.
      store: folder that keeps classifiers, checkpoints and logits.
      make_pipeline: makes the Beam pipeline that classifies.
      threads: threads that decode, of the training and of each worker.
      progress: is told now and then how many test videos of a split are done, or None.
      say: gets a line after each pass of a training.
    """

    model: str
    store: str
    make_pipeline: Callable[[], beam.Pipeline]
    threads: int
    progress: Callable[[int, int], None] | None
    say: Callable[[str], None]


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
      ValueError: the model has no tower to train, or a split lacks training or test videos.
    """
    failures = failures_of(annotated.problems)
    there = [video for video in annotated.videos if video.video_id in files]
    failures += [
        missing_video(video.video_id, video.video_id)
        for video in annotated.videos
        if video.video_id not in files
    ]
    num_splits = len(annotated.videos[0].parts) if annotated.videos else 0
    lost: dict[str, Failure] = {}
    right: list[np.ndarray] = []
    splits = []
    for split in range(min(num_splits, settings.protocol.splits or num_splits)):
        train, test = (
            [video for video in there if video.parts[split] == part] for part in (TRAIN, TEST)
        )
        classifier = _train(train, len(annotated.classes), files, settings, place, lost)
        found = _classify(test, classifier, files, settings, place, lost)
        if not found:
            raise ValueError(f"split {split + 1} has no test video that can be classified")
        right.append(np.array(found))
        splits.append(
            {
                "top_1": float(np.mean(found)),
                "num_train": sum(video.video_id not in lost for video in train),
                "num_test": len(found),
            }
        )
    if not splits:
        raise ValueError("there are no videos to train on")
    failures += lost.values()
    joined = np.concatenate(right)
    offsets = np.cumsum([0, *map(len, right)])

    def mean_accuracy(drawn: np.ndarray) -> float:
        values = joined[drawn]
        return float(np.mean([values[a:b].mean() for a, b in itertools.pairwise(offsets)]))

    return Outcome(
        headline="top_1",
        metrics={
            "top_1": float(np.mean([of_split["top_1"] for of_split in splits])),
            **{f"top_1_split_{number}": of["top_1"] for number, of in enumerate(splits, 1)},
        },
        intervals={"top_1": bootstrap.interval(mean_accuracy, list(map(len, right)))},
        drawn="test videos of each split",
        items=Items(
            "videos", annotated.num_annotated, len(there), len(there) - len(lost), failures
        ),
        details={
            "splits": splits,
            "num_splits": num_splits,
            "chance": 1 / len(annotated.classes),
        },
    )


def _train(
    videos: Sequence[LabelledVideo],
    num_classes: int,
    files: Mapping[str, tuple[str, ...]],
    settings: BenchmarkSettings,
    place: Place,
    lost: dict[str, Failure],
) -> str:
    """Returns the folder of the classifier of some training videos; `lost` gets the broken ones."""
    good = []
    for video in videos:
        (path,) = files[video.video_id]
        if problem := unreadable(path):
            lost[video.video_id] = Failure(video.video_id, *problem)
        else:
            good.append((path, video.label))
    frames, protocol = settings.frames, settings.protocol
    names = [field.name for field in dataclasses.fields(FineTuningConfig)]
    return train_classifier(
        place.model,
        good,
        num_classes,
        FineTuningConfig(**{name: getattr(protocol, name) for name in names}),
        num_frames=frames.num_frames,
        frame_rate=frames.frame_rate,
        image_size=frames.image_size,
        work=os.path.join(place.store, _CLASSIFIERS),
        workers=place.threads,
        say=place.say,
    )


def _classify(
    videos: Sequence[LabelledVideo],
    classifier: str,
    files: Mapping[str, tuple[str, ...]],
    settings: BenchmarkSettings,
    place: Place,
    lost: dict[str, Failure],
) -> list[bool]:
    """Returns for each test video that can be read whether its class is found."""
    rule = SpreadRows(settings.protocol.num_windows)
    frames = dataclasses.replace(settings.frames, output="logits")
    embedded = embed_videos(
        [VideoJob(video.video_id, files[video.video_id], rule) for video in videos],
        FrameRows(classifier, frames, place.threads),
        place.store,
        place.make_pipeline,
        place.progress,
    )
    found = []
    for video in videos:
        rows = embedded.rows(video.video_id)
        values = rows.values
        if values is not None:
            values = values[np.isfinite(values).all(axis=1)]
        if values is None or not len(values):
            lost[video.video_id] = Failure(video.video_id, *rows.failure(0))
        else:
            found.append(bool(_probabilities(values).mean(axis=0).argmax() == video.label))
    return found


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax of each row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
