"""Segments ranked for each class: YouTube-8M Segments."""

import numpy as np

from components.benchmark_evaluator.annotations.items import RatedSegment, RatedSet
from components.benchmark_evaluator.annotations.parts import TEST, TRAIN
from components.benchmark_evaluator.embedding.row_rules import ClipRows
from components.benchmark_evaluator.embedding.run import EmbeddedVideos
from components.benchmark_evaluator.outcome import Failure, Items, Outcome, failures_of
from components.benchmark_evaluator.protocols import (
    bootstrap,
    rated_regression,
    segment_ranking,
)
from components.benchmark_evaluator.settings import RankingProtocol
from components.benchmark_evaluator.tasks.located import missing_video


def rules(annotated: RatedSet, protocol: RankingProtocol) -> dict[str, ClipRows]:
    """Returns which rows each video needs: one for each of its rated segments, in order of time.

    Args:
      annotated: the rated segments.
      protocol: the settings.
    """
    return {
        video_id: ClipRows(tuple(stretches), protocol.num_windows)
        for video_id, stretches in _stretches(annotated).items()
    }


def score(annotated: RatedSet, embedded: EmbeddedVideos, protocol: RankingProtocol) -> Outcome:
    """Learns each class from the training part and ranks the segments of the test part.

    Args:
      annotated: the rated segments.
      embedded: their features, of the videos that are there.
      protocol: the settings.

    Raises:
      ValueError: a part has no segment that can be used.
    """
    failures = failures_of(annotated.problems)
    stretches = _stretches(annotated)
    features: dict[tuple[str, float], np.ndarray] = {}
    for video_id, of_video in stretches.items():
        if video_id not in embedded:
            continue
        rows = embedded.rows(video_id)
        for row, (start, _) in enumerate(of_video):
            if rows.failure(row) is None:
                features[video_id, start] = rows.values[row]
    num_found = 0
    parts: dict[str, list[RatedSegment]] = {TRAIN: [], TEST: []}
    for segment in annotated.segments:
        name = f"{segment.video_id}:{segment.start:g} class {annotated.classes[segment.label]}"
        is_there = segment.video_id in embedded
        num_found += is_there
        if (segment.video_id, segment.start) in features:
            parts[segment.part or TEST].append(segment)
        elif not is_there:
            failures.append(missing_video(name, segment.video_id))
        else:
            row = stretches[segment.video_id].index((segment.start, segment.end))
            failures.append(Failure(name, *embedded.rows(segment.video_id).failure(row)))
    if not parts[TRAIN] or not parts[TEST]:
        raise ValueError(
            f"{len(parts[TRAIN])} rated segments to learn from and {len(parts[TEST])} to rank: "
            f"give both parts, as train=FILES,eval=FILES"
        )
    seen, rated = _rated(parts[TRAIN], len(annotated.classes))
    ranked, truth = _rated(parts[TEST], len(annotated.classes))
    scores = rated_regression.class_scores(
        np.stack([features[key] for key in seen]),
        rated,
        np.stack([features[key] for key in ranked]),
        protocol.regularization,
    )
    names = [f"{video_id}:{start:g}" for video_id, start in ranked]
    precisions = segment_ranking.average_precisions(
        names,
        scores,
        {
            label: {names[place]: positive for place, positive in of_class.items()}
            for label, of_class in truth.items()
        },
        protocol.top_n,
    )
    if not precisions:
        raise ValueError("no class has a positive segment to find")
    values = np.array(list(precisions.values()))
    untaught = [label for label in precisions if len(set(rated[label].values())) < 2]
    return Outcome(
        headline="mAP",
        metrics={"mAP": float(values.mean())},
        intervals={"mAP": bootstrap.interval(lambda drawn: values[drawn].mean(), len(values))},
        drawn="classes",
        items=Items(
            "rated segments",
            annotated.num_annotated,
            num_found,
            sum(map(len, parts.values())),
            failures,
        ),
        details={
            "num_train": len(parts[TRAIN]),
            "num_test": len(parts[TEST]),
            "num_classes": len(annotated.classes),
            "num_classes_scored": len(precisions),
            "num_classes_without_training": len(untaught),
            "average_precision_by_class": {
                str(annotated.classes[label]): value for label, value in precisions.items()
            },
        },
    )


def _stretches(annotated: RatedSet) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, set[tuple[float, float]]] = {}
    for segment in annotated.segments:
        found.setdefault(segment.video_id, set()).add((segment.start, segment.end))
    return {video_id: sorted(stretches) for video_id, stretches in found.items()}


def _rated(
    segments: list[RatedSegment], num_classes: int
) -> tuple[list[tuple[str, float]], dict[int, dict[int, bool]]]:
    """Returns the distinct segments, and for each class which of them were rated, and how."""
    places: dict[tuple[str, float], int] = {}
    rated: dict[int, dict[int, bool]] = {label: {} for label in range(num_classes)}
    for segment in segments:
        place = places.setdefault((segment.video_id, segment.start), len(places))
        rated[segment.label][place] = segment.positive
    return list(places), rated
