"""Segments ranked for each class: YouTube-8M Segments."""

from collections.abc import Mapping, Sequence

import numpy as np

from components.benchmark_evaluator.annotations.items import RatedSegment, RatedSet
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
from components.narrated_video_example_gen.annotations.parts import TEST, TRAIN


def rules(annotated: RatedSet, protocol: RankingProtocol) -> dict[str, ClipRows]:
    """Returns which rows each video needs: one for each of its rated segments, in order of time.

    Args:
      annotated: the rated segments.
      protocol: the settings.

    Raises:
      ValueError: a part has no segment.
    """
    if annotated.segments:
        _check_parts(_parts(annotated.segments))
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
    features: dict[tuple[str, float], np.ndarray] = {}
    problems: dict[tuple[str, float], tuple[str, str]] = {}
    for video_id, of_video in _stretches(annotated).items():
        if video_id not in embedded:
            continue
        rows = embedded.rows(video_id)
        for row, (start, _) in enumerate(of_video):
            problem = rows.failure(row)
            if problem is None:
                features[video_id, start] = rows.values[row]
                problem = rows.remark(row)
            if problem is not None:
                problems[video_id, start] = problem
    num_found = 0
    for segment in annotated.segments:
        name = f"{segment.video_id}:{segment.start:g} class {annotated.classes[segment.label]}"
        if segment.video_id not in embedded:
            failures.append(missing_video(name, segment.video_id))
            continue
        num_found += 1
        if problem := problems.get((segment.video_id, segment.start)):
            failures.append(Failure(name, *problem))
    parts = _parts([one for one in annotated.segments if (one.video_id, one.start) in features])
    _check_parts(parts)
    seen, rated = _rated(parts[TRAIN], len(annotated.classes))
    ranked, _ = _rated(parts[TEST], len(annotated.classes))
    scores = rated_regression.class_scores(
        np.stack([features[key] for key in seen]),
        rated,
        np.stack([features[key] for key in ranked]),
        protocol.regularization,
    )
    # All that was rated is the truth, also where there are no features: a lost positive is missed.
    keys, truth = _rated(_parts(annotated.segments)[TEST], len(annotated.classes))
    videos = {video_id: place for place, video_id in enumerate(dict(keys))}
    classes = segment_ranking.ranked_classes(
        [_name(key) for key in ranked],
        scores,
        {
            label: {_name(keys[place]): positive for place, positive in of_class.items()}
            for label, of_class in truth.items()
        },
        {_name(key): videos[key[0]] for key in keys},
        protocol.top_n,
    )
    if not classes:
        raise ValueError("no class has a positive segment to find")

    def mean_precision(drawn: np.ndarray) -> float:
        copies = np.bincount(drawn, minlength=len(videos))
        precisions = np.array([ranking.average_precision(copies) for ranking in classes.values()])
        there = precisions[~np.isnan(precisions)]
        return float(there.mean()) if len(there) else np.nan

    precisions = {label: ranking.average_precision() for label, ranking in classes.items()}
    untaught = [label for label in precisions if len(set(rated[label].values())) < 2]
    return Outcome(
        headline="mAP",
        metrics={"mAP": float(np.mean(list(precisions.values())))},
        intervals={"mAP": bootstrap.interval(mean_precision, len(videos))},
        drawn="test videos",
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
            "num_positives_not_listed": sum(len(ranking.lost) for ranking in classes.values()),
            "average_precision_by_class": {
                str(annotated.classes[label]): value for label, value in precisions.items()
            },
        },
    )


def _parts(segments: Sequence[RatedSegment]) -> dict[str, list[RatedSegment]]:
    """Returns what is to be learned from and what is to be ranked, as files without a part are."""
    parts: dict[str, list[RatedSegment]] = {TRAIN: [], TEST: []}
    for segment in segments:
        parts[segment.part or TEST].append(segment)
    return parts


def _check_parts(parts: Mapping[str, Sequence[RatedSegment]]) -> None:
    if not parts[TRAIN] or not parts[TEST]:
        raise ValueError(
            f"{len(parts[TRAIN])} rated segments to learn from and {len(parts[TEST])} to rank: "
            f"give both parts, as train=FILES,eval=FILES"
        )


def _name(key: tuple[str, float]) -> str:
    """Returns a segment's name as the challenge spells it."""
    video_id, start = key
    return f"{video_id}:{start:g}"


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
