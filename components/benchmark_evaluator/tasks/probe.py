"""Linear probes: HMDB-51 and UCF-101."""

import dataclasses

import numpy as np

from components.benchmark_evaluator.annotations.items import LabelledSet, LabelledVideo
from components.benchmark_evaluator.embedding.row_rules import SpreadRows
from components.benchmark_evaluator.embedding.run import EmbeddedVideos
from components.benchmark_evaluator.outcome import Failure, Items, Outcome, failures_of
from components.benchmark_evaluator.protocols import linear_probe
from components.benchmark_evaluator.settings import ProbeProtocol
from components.benchmark_evaluator.tasks import official_splits
from components.benchmark_evaluator.tasks.located import missing_video, whole_rows
from components.narrated_video_example_gen.annotations.parts import TEST, TRAIN


def rules(annotated: LabelledSet, protocol: ProbeProtocol) -> dict[str, SpreadRows]:
    """Returns which rows each video needs: one for each of its windows.

    Args:
      annotated: the videos.
      protocol: the settings.

    Raises:
      ValueError: a split has no test video, or fewer than two classes to learn.
    """
    official_splits.check_splits(
        annotated.videos, _num_splits(annotated), failures_of(annotated.problems)
    )
    rule = SpreadRows(protocol.num_windows)
    return {video.video_id: rule for video in annotated.videos}


def score(annotated: LabelledSet, embedded: EmbeddedVideos, protocol: ProbeProtocol) -> Outcome:
    """Trains an SVM on each official split and lets it classify the split's test videos.

    Args:
      annotated: the videos.
      embedded: their features, of the videos that are there.
      protocol: the settings.

    Raises:
      ValueError: a split has no test video, or fewer than two classes to learn.
    """
    failures = failures_of(annotated.problems)
    features: dict[str, np.ndarray] = {}
    num_found = 0
    for video in annotated.videos:
        if video.video_id not in embedded:
            failures.append(missing_video(video.video_id, video.video_id))
            continue
        num_found += 1
        whole, failure = whole_rows(embedded.rows(video.video_id))
        if failure:
            failures.append(Failure(video.video_id, *failure))
        if whole is not None:
            features[video.video_id] = whole
    config = linear_probe.PROTOCOLS[protocol.classifier]
    if protocol.regularization:
        config = dataclasses.replace(config, regularization=protocol.regularization)
    there = [video for video in annotated.videos if video.video_id in features]
    tests: list[list[LabelledVideo]] = []
    right: list[np.ndarray] = []
    splits = []
    for split in range(_num_splits(annotated)):
        train, test = (official_splits.split_part(there, split, part) for part in (TRAIN, TEST))
        probed = linear_probe.probe(
            [features[video.video_id] for video in train],
            np.array([video.label for video in train]),
            [features[video.video_id] for video in test],
            config,
        )
        labels = np.array([video.label for video in test])
        tests.append(test)
        right.append(probed.predictions == labels)
        splits.append(
            {
                "top_1": linear_probe.accuracy(probed.predictions, labels),
                "num_train": len(train),
                "num_test": len(test),
                "num_classes": len({video.label for video in train}),
                "converged": probed.converged,
            }
        )
    if not splits:
        raise ValueError("there are no videos to probe")
    figures = official_splits.split_figures(tests, right)
    return Outcome(
        headline="top_1",
        metrics=figures.metrics,
        intervals=figures.intervals,
        drawn=figures.drawn,
        items=Items("videos", annotated.num_annotated, num_found, len(features), failures),
        details={
            "splits": splits,
            "classifier": dataclasses.asdict(config),
            "chance": 1 / len(annotated.classes),
        },
    )


def _num_splits(annotated: LabelledSet) -> int:
    return len(annotated.videos[0].parts) if annotated.videos else 0
