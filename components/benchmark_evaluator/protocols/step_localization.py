"""CrossTask's step localisation: the dynamic program and the recalls that were published with it.

A video shows the steps of a task; a model scores each step at each second. The dynamic program
picks one second for each step, in the task's order; the recall tells how many of them lie in what
people annotated (facts/protocols.md, section 9).
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np


class TooShortError(ValueError):
    """A video has fewer seconds than its task has steps, so that no assignment exists."""


@dataclasses.dataclass(frozen=True)
class Localized:
    """One video whose steps were localised.

    Attributes:
      task: the video's task.
      hits: bool [K], whether the chosen second of each step lies in the truth.
      present: bool [K], whether the video shows the step at all, as far as it has scores.
    """

    task: str
    hits: np.ndarray
    present: np.ndarray


def step_costs(scores: np.ndarray, cost: str = "log_softmax") -> np.ndarray:
    """Returns what the dynamic program minimises.

    Args:
      scores: [T, K], how well each second goes with each step.
      cost: "log_softmax", minus the log-softmax over the steps of each second (CrossTask's code,
        MMPT), or "similarity", minus the score itself (the code of others for the HowTo100M model).

    Returns:
      float64 [T, K].

    Raises:
      ValueError: a score is not finite, the shape is none, or the cost has another name.
    """
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(f"scores must be [seconds, steps], not of shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} of the scores are not finite")
    if cost == "similarity":
        return -scores
    if cost != "log_softmax":
        raise ValueError(f"there is no cost {cost!r}; there are log_softmax and similarity")
    shifted = scores - scores.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1, keepdims=True)) - shifted


def assign_steps(costs: np.ndarray) -> np.ndarray:
    """Returns the second of each step in the cheapest assignment that keeps the steps' order.

    The dynamic program of CrossTask's `dp.pyx` with one second for each step: 2K + 1 states,
    background and steps in turn. Background costs nothing and may last; a step lasts one second and
    follows the background before it or the previous step at once. Ties are decided as there: a path
    rather stays, then comes from the state before, then from the one before that; it rather ends in
    the last step than in the background after it.

    Args:
      costs: [T, K], of each step at each second; finite.

    Returns:
      int64 [K], rising strictly.

    Raises:
      TooShortError: T < K.
      ValueError: a cost is not finite or there are no steps.
    """
    costs = np.asarray(costs, np.float64)
    if costs.ndim != 2 or costs.shape[1] == 0:
        raise ValueError(f"costs must be [seconds, steps], not of shape {costs.shape}")
    num_seconds, num_steps = costs.shape
    if num_seconds < num_steps:
        raise TooShortError(
            f"{num_seconds} seconds cannot show {num_steps} steps of one second each"
        )
    if not np.isfinite(costs).all():
        raise ValueError(f"{int((~np.isfinite(costs)).sum())} of the costs are not finite")
    # Before the first second a path is in the first background.
    total = np.full(2 * num_steps + 1, math.inf)
    total[0] = 0.0
    came_from = np.empty([num_seconds, 2 * num_steps + 1], np.int8)
    for second in range(num_seconds):
        total, came_from[second] = _advance(total, costs[second])
    state = 2 * num_steps if total[-1] < total[-2] else 2 * num_steps - 1
    chosen = np.empty(num_steps, np.int64)
    for second in range(num_seconds - 1, -1, -1):
        if state % 2:
            chosen[state // 2] = second
        state -= came_from[second, state]
    return chosen


def _advance(total: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the least cost of each state a second later, and how many states it came from."""
    background, steps = total[::2], total[1::2]
    moved = np.empty_like(total)
    back = np.empty(len(total), np.int8)

    moved[0], back[0] = background[0], 0
    stays = background[1:] <= steps
    moved[2::2] = np.where(stays, background[1:], steps)
    back[2::2] = np.where(stays, 0, 1)

    previous = np.concatenate([[math.inf], steps[:-1]])
    from_background = background[:-1] <= previous
    moved[1::2] = np.where(from_background, background[:-1], previous) + costs
    back[1::2] = np.where(from_background, 1, 2)
    return moved, back


def step_truth(
    segments: Iterable[tuple[int, float, float]], num_seconds: int, num_steps: int, ends: str
) -> np.ndarray:
    """Returns at which seconds a video shows each step.

    Args:
      segments: step from 0, start and end in seconds, as annotated.
      num_seconds: rows of the model's scores, T.
      num_steps: steps of the task, K.
      ends: "exclusive", the rows floor(start) to ceil(end) - 1 (CrossTask's code); "inclusive", to
        ceil(end) (the code of others for the HowTo100M model).

    Returns:
      bool [T, K]; what lies behind the last row is lost.

    Raises:
      ValueError: `ends` has another name.
    """
    if ends not in ("exclusive", "inclusive"):
        raise ValueError(f"there are no ends {ends!r}; there are exclusive and inclusive")
    truth = np.zeros([num_seconds, num_steps], bool)
    for step, start, end in segments:
        stop = math.ceil(end) + (ends == "inclusive")
        truth[math.floor(start) : stop, step] = True
    return truth


def localize(
    task: str,
    scores: np.ndarray,
    segments: Sequence[tuple[int, float, float]],
    cost: str = "log_softmax",
    ends: str = "exclusive",
) -> Localized:
    """Localises the steps of one video and compares with what was annotated.

    A step that is annotated only behind the last second is none that the video shows: CrossTask's
    code and that of others cut the truth to the scores before they count its steps.

    Args:
      task: the video's task.
      scores: [T, K], how well each second goes with each step of the task.
      segments: step from 0, start and end in seconds, as annotated.
      cost: see `step_costs`.
      ends: see `step_truth`.

    Raises:
      TooShortError: the video has fewer seconds than the task has steps.
      ValueError: a score is not finite.
    """
    chosen = assign_steps(step_costs(scores, cost))
    num_seconds, num_steps = np.shape(scores)
    truth = step_truth(segments, num_seconds, num_steps, ends)
    return Localized(task, truth[chosen, np.arange(num_steps)], truth.any(axis=0))


def localize_occurrences(
    task: str,
    scores: np.ndarray,
    segments: Sequence[tuple[int, float, float]],
    cost: str = "log_softmax",
) -> Localized:
    """Localises each annotated occurrence of a step, in the order of the video itself (Drop-DTW).

    It is told what the video shows and in which order, repeats among it, so it is easier than
    CrossTask's own protocol. An occurrence is hit when the centre of its row lies in its segment.

    Args:
      task: the video's task.
      scores: [T, K], how well each row goes with each step of the task.
      segments: step from 0, start and end in rows: row t shows the stretch from t to t + 1.
      cost: see `step_costs`.

    Returns:
      `hits` and `present` have an entry for each occurrence, in the order of their starts.

    Raises:
      TooShortError: the video has fewer rows than occurrences.
      ValueError: a score is not finite, or nothing is annotated.
    """
    ordered = sorted(segments, key=lambda segment: (segment[1], segment[2]))
    costs = step_costs(scores, cost)[:, [step for step, _, _ in ordered]]
    centres = assign_steps(costs) + 0.5
    hits = np.array(
        [start <= centre <= end for centre, (_, start, end) in zip(centres, ordered, strict=True)]
    )
    return Localized(task, hits, np.ones(len(ordered), bool))


def pooled_recall(videos: Sequence[Localized]) -> dict[str, float]:
    """Returns the recall of each task, pooled over its videos: CrossTask's own.

    Hits of all videos by distinct steps that the videos show.

    Args:
      videos: the videos that were localised.
    """
    hits: dict[str, int] = {}
    steps: dict[str, int] = {}
    for video in videos:
        hits[video.task] = hits.get(video.task, 0) + int(video.hits.sum())
        steps[video.task] = steps.get(video.task, 0) + int(video.present.sum())
    return {task: hits[task] / steps[task] for task in sorted(hits) if steps[task]}


def mean_video_recall(videos: Sequence[Localized]) -> dict[str, float]:
    """Returns for each task the mean of its videos' recalls (howto_crosstask, unofficial).

    Args:
      videos: the videos that were localised.
    """
    recalls: dict[str, list[float]] = {}
    for video in videos:
        # The code adds 1e-5, so that a video that shows no step counts 0.
        recall = float(video.hits.sum() / (video.present.sum() + 1e-5))
        recalls.setdefault(video.task, []).append(recall)
    return {task: float(np.mean(recalls[task])) for task in sorted(recalls)}


def micro_recall(videos: Sequence[Localized]) -> dict[str, float]:
    """Returns one recall over all videos, whatever their task (Drop-DTW).

    Args:
      videos: the videos that were localised.
    """
    steps = sum(int(video.present.sum()) for video in videos)
    hits = sum(int(video.hits.sum()) for video in videos)
    return {"all": hits / steps} if steps else {}


def average_recall(by_task: Mapping[str, float]) -> float:
    """Returns the mean over the tasks, each counting the same.

    Args:
      by_task: the recall of each task.

    Raises:
      ValueError: there are no tasks.
    """
    if not by_task:
        raise ValueError("no task has a recall: no video was localised")
    return float(np.mean(list(by_task.values())))
