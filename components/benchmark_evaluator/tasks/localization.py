"""Step localisation: CrossTask."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from components.benchmark_evaluator.annotations.items import StepSet, StepTask, StepVideo
from components.benchmark_evaluator.embedding.row_rules import RegularRows
from components.benchmark_evaluator.embedding.rows import NOT_FINITE, Rows
from components.benchmark_evaluator.embedding.run import EmbeddedVideos
from components.benchmark_evaluator.outcome import (
    Failure,
    Items,
    Outcome,
    failures_of,
    reasons_in_words,
)
from components.benchmark_evaluator.protocols import bootstrap, step_localization
from components.benchmark_evaluator.protocols.step_localization import Localized
from components.benchmark_evaluator.settings import LocalizationProtocol
from components.benchmark_evaluator.tasks.located import missing_video
from components.retrieval_evaluator.text_video_model import TextVideoModel


@dataclasses.dataclass(frozen=True)
class _Scoring:
    """A published way of scoring: its cost, its rows, how it localises and how it counts."""

    cost: str
    row_seconds: float
    localize: Callable[..., Localized]
    recall: Callable[[Sequence[Localized]], Mapping[str, float]]


def _scoring(protocol: LocalizationProtocol) -> _Scoring:
    """Returns the scoring that the settings name, with what they change."""
    published = {
        "crosstask": _Scoring(
            "log_softmax",
            1.0,
            functools.partial(step_localization.localize, ends="exclusive"),
            step_localization.pooled_recall,
        ),
        "howto_crosstask": _Scoring(
            "similarity",
            1.0,
            functools.partial(step_localization.localize, ends="inclusive"),
            step_localization.mean_video_recall,
        ),
        "drop_dtw": _Scoring(
            "log_softmax",
            3.2,
            step_localization.localize_occurrences,
            step_localization.micro_recall,
        ),
    }[protocol.scoring]
    return dataclasses.replace(
        published,
        cost=protocol.cost or published.cost,
        row_seconds=protocol.row_seconds or published.row_seconds,
    )


def rules(annotated: StepSet, protocol: LocalizationProtocol) -> dict[str, RegularRows]:
    """Returns which rows each video needs: one for each second, or whatever the scoring takes.

    Args:
      annotated: the videos to score.
      protocol: the settings.
    """
    rule = RegularRows(_scoring(protocol).row_seconds)
    return {video.video_id: rule for video in annotated.videos}


def score(
    annotated: StepSet,
    embedded: EmbeddedVideos,
    model: TextVideoModel,
    protocol: LocalizationProtocol,
) -> Outcome:
    """Localises the steps of each task in its videos, by the names of the steps alone.

    Args:
      annotated: the videos to score.
      embedded: their rows, of the videos that are there.
      model: embeds the names of the steps.
      protocol: the settings.

    Raises:
      ModelError: the model fails.
      ValueError: no video can be scored.
    """
    scoring = _scoring(protocol)
    failures = failures_of(annotated.problems)
    steps = {
        task_id: model.embed_text(task.steps, finite=False)
        for task_id, task in annotated.tasks.items()
        if any(video.task_id == task_id for video in annotated.videos)
    }
    localized: list[Localized] = []
    num_found = 0
    for video in annotated.videos:
        name = f"{video.video_id} of task {video.task_id}"
        if video.video_id not in embedded:
            failures.append(missing_video(name, video.video_id))
            continue
        num_found += 1
        blind = _not_finite(annotated.tasks[video.task_id], steps[video.task_id])
        rows = embedded.rows(video.video_id)
        found = blind or _localize(video, rows, steps[video.task_id], scoring)
        if isinstance(found, Localized):
            localized.append(found)
            found = _cut_off(video, len(rows.values) * scoring.row_seconds)
        if found is not None:
            failures.append(Failure(name, *found))
    if not localized:
        raise ValueError(f"no video was localised ({reasons_in_words(failures)})")
    by_task = scoring.recall(localized)
    recall = step_localization.average_recall(by_task)
    names = {task_id: task.name for task_id, task in annotated.tasks.items()}
    return Outcome(
        headline="average_recall",
        metrics={"average_recall": recall},
        intervals={"average_recall": _interval(localized, scoring.recall)},
        drawn="videos of each task",
        items=Items("videos", annotated.num_annotated, num_found, len(localized), failures),
        details={
            "recall_by_task": {names.get(task, task): value for task, value in by_task.items()},
            "videos_by_task": {
                names[task]: sum(video.task == task for video in localized)
                for task in sorted({video.task for video in localized})
            },
            "num_tasks": len({video.task for video in localized}),
            "tasks_annotated": len(annotated.tasks),
            "cost": scoring.cost,
            "row_seconds": scoring.row_seconds,
        },
    )


def _not_finite(task: StepTask, steps: np.ndarray) -> tuple[str, str] | None:
    """Returns reason and message where a step has no embedding: nothing of its task is scored."""
    is_finite = np.isfinite(steps).all(axis=1)
    names = [name for name, is_good in zip(task.steps, is_finite, strict=True) if not is_good]
    if not names:
        return None
    return NOT_FINITE, f"the model's embedding of {', '.join(map(repr, names))} is not finite"


def _cut_off(video: StepVideo, seconds: float) -> tuple[str, str] | None:
    """Returns reason and message where a video with so many seconds lacks annotated steps."""
    count = sum(segment.start >= seconds for segment in video.segments)
    if not count:
        return None
    return "cut_off", f"the video ends at {seconds:g} s, before {count} of its segments begin"


def _localize(
    video: StepVideo, rows: Rows, steps: np.ndarray, scoring: _Scoring
) -> Localized | tuple[str, str]:
    """Returns the localised video, or reason and message why it cannot be scored."""
    if rows.values is None or rows.problem is not None:
        return rows.problem
    for row in range(len(rows.values)):
        if failure := rows.failure(row):
            return failure
    # In rows, which are seconds in CrossTask's own scoring.
    segments = [
        (segment.label, segment.start / scoring.row_seconds, segment.end / scoring.row_seconds)
        for segment in video.segments
    ]
    scores = rows.values.astype(np.float64) @ steps.T.astype(np.float64)
    try:
        return scoring.localize(video.task_id, scores, segments, cost=scoring.cost)
    except step_localization.TooShortError as error:
        return "too_short", str(error)


def _interval(
    localized: Sequence[Localized], recall: Callable[[Sequence[Localized]], Mapping[str, float]]
) -> tuple[float, float]:
    """Returns the interval of the average recall; each task keeps its number of videos."""
    by_task: dict[str, list[Localized]] = {}
    for video in localized:
        by_task.setdefault(video.task, []).append(video)
    ordered = [video for videos in by_task.values() for video in videos]

    def average(drawn: np.ndarray) -> float:
        recalls = recall([ordered[place] for place in drawn])
        return step_localization.average_recall(recalls) if recalls else np.nan

    return bootstrap.interval(average, [len(videos) for videos in by_task.values()])
