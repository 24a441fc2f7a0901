"""Linear probes: HMDB-51 and UCF-101."""

import dataclasses
import itertools

import numpy as np

from components.benchmark_evaluator.annotations.items import LabelledSet
from components.benchmark_evaluator.annotations.parts import TEST, TRAIN
from components.benchmark_evaluator.embedding.row_rules import SpreadRows
from components.benchmark_evaluator.embedding.run import EmbeddedVideos
from components.benchmark_evaluator.outcome import Failure, Items, Outcome, failures_of
from components.benchmark_evaluator.protocols import bootstrap, linear_probe
from components.benchmark_evaluator.settings import ProbeProtocol
from components.benchmark_evaluator.tasks.located import missing_video


def rules(annotated: LabelledSet, protocol: ProbeProtocol) -> dict[str, SpreadRows]:
    """Returns which rows each video needs: one for each of its windows.

    Args:
      annotated: the videos.
      protocol: the settings.
    """
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
        rows = embedded.rows(video.video_id)
        num_rows = 0 if rows.values is None else len(rows.values)
        lost = [rows.failure(row) for row in range(max(1, num_rows))]
        if failure := rows.problem or next(filter(None, lost), None):
            failures.append(Failure(video.video_id, *failure))
        whole = [row for row, failure in enumerate(lost) if failure is None]
        # A video that lacks some of its windows is what there is of it.
        if whole:
            features[video.video_id] = rows.values[whole]
    config = linear_probe.PROTOCOLS[protocol.classifier]
    if protocol.regularization:
        config = dataclasses.replace(config, regularization=protocol.regularization)
    right: list[np.ndarray] = []
    splits = []
    for split in range(len(annotated.videos[0].parts) if annotated.videos else 0):
        train, test = (
            [v for v in annotated.videos if v.parts[split] == part and v.video_id in features]
            for part in (TRAIN, TEST)
        )
        probed = linear_probe.probe(
            [features[video.video_id] for video in train],
            np.array([video.label for video in train]),
            [features[video.video_id] for video in test],
            config,
        )
        labels = np.array([video.label for video in test])
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
    offsets = np.cumsum([0, *map(len, right)])

    def mean_accuracy(drawn: np.ndarray) -> float:
        joined = np.concatenate(right)[drawn]
        return float(np.mean([joined[a:b].mean() for a, b in itertools.pairwise(offsets)]))

    accuracy = float(np.mean([split["top_1"] for split in splits]))
    return Outcome(
        headline="top_1",
        metrics={
            "top_1": accuracy,
            **{f"top_1_split_{i}": s["top_1"] for i, s in enumerate(splits, 1)},
        },
        intervals={"top_1": bootstrap.interval(mean_accuracy, list(map(len, right)))},
        drawn="test videos of each split",
        items=Items("videos", annotated.num_annotated, num_found, len(features), failures),
        details={
            "splits": splits,
            "classifier": dataclasses.asdict(config),
            "chance": 1 / len(annotated.classes),
        },
    )
