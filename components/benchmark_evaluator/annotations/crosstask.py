"""CrossTask: the release folder, and which of its videos are the test set."""

import itertools
import pathlib
from collections.abc import Iterator, Sequence

from components.benchmark_evaluator.annotations.items import (
    Problem,
    Segment,
    StepSet,
    StepTask,
    StepVideo,
)
from components.benchmark_evaluator.annotations.problem_log import ProblemLog, place
from components.benchmark_evaluator.annotations.text_files import one_path, read_lines
from components.narrated_video_example_gen.annotations.annotation import seconds, segment_problem
from components.narrated_video_example_gen.manifest import ManifestError
from components.narrated_video_example_gen.splits import hash_fraction

PRIMARY_TASKS, RELATED_TASKS = "tasks_primary.txt", "tasks_related.txt"
VIDEOS, VALIDATION_VIDEOS = "videos.csv", "videos_val.csv"
ANNOTATIONS = "annotations"
VARIANTS = ("all_annotated", "crosstask", "validation", "list")
TRAINING_VIDEOS_PER_TASK = 30


def read_crosstask(folder: str) -> StepSet:
    """Reads the primary tasks of CrossTask and their videos (facts/protocols.md, section 9).

    Nothing of the related tasks is annotated; they and their videos are left out.

    Args:
      folder: the release as unpacked: the lists of tasks and of videos, and the folder of
        annotations with a file `<task>_<video>.csv` for each video: step from 1, start, end.

    Returns:
      Every listed video of a primary task, in the lists' order, without segments where nothing
      usable is annotated: `select_test_videos` makes that a problem if it chooses the video.
      Problems: "no_video_id", "unknown_task", "duplicate", "bad_file", "unknown_step",
      "bad_segment", and "not_listed" for annotations of a video that is in no list.

    Raises:
      ManifestError: a list or the folder of annotations is missing, or is none of CrossTask's, or
        several folders are named.
    """
    root = one_path(folder, "CrossTask")
    tasks = read_tasks(root / PRIMARY_TASKS)
    related = read_tasks(root / RELATED_TASKS)
    if not (root / ANNOTATIONS).is_dir():
        raise ManifestError(f"{root} has no folder {ANNOTATIONS}; give CrossTask's release folder")
    files = {path.stem: path for path in sorted((root / ANNOTATIONS).glob("*.csv"))}
    log = ProblemLog()
    listed: dict[tuple[str, str], str] = {}
    for list_name in (VIDEOS, VALIDATION_VIDEOS):
        for number, (task_id, video_id) in enumerate(listed_videos(root / list_name), 1):
            item = place(root / list_name, number, video_id)
            if not video_id:
                log.add(item, "no_video_id", "it names no video")
            elif task_id not in tasks:
                if task_id not in related:
                    log.add(item, "unknown_task", f"the task {task_id!r} is in no list of tasks")
            elif listed.get((task_id, video_id)) == list_name:
                log.add(item, "duplicate", f"{video_id} is listed twice for task {task_id}")
            else:
                listed[task_id, video_id] = list_name
    videos = []
    for (task_id, video_id), list_name in listed.items():
        path = files.pop(f"{task_id}_{video_id}", None)
        segments = _segments(path, tasks[task_id], video_id, log) if path else ()
        videos.append(StepVideo(video_id, task_id, segments, list_name == VALIDATION_VIDEOS))
    for path in files.values():
        log.add(str(path), "not_listed", f"{VIDEOS} lists no such video of a primary task")
    return StepSet(tasks, tuple(videos), log.problems(kept=()))


def select_test_videos(
    step_set: StepSet,
    variant: str = "crosstask",
    seed: int = 0,
    video_ids: Sequence[str] = (),
) -> StepSet:
    """Returns the part of the set that is scored (facts/protocols.md, section 9).

    CrossTask draws its training videos anew in each run, so its test set is no fixed list. Here a
    seed fixes the draw: a task's training videos are those whose hash with the seed is smallest,
    whatever their order.

    Args:
      step_set: the set as `read_crosstask` returns it.
      variant: "all_annotated" takes every video; "crosstask" the benchmark's: without the
        validation videos and 30 training videos of each task (a task of 30 or fewer has no test
        video); "validation" the validation videos; "list" those named in `video_ids`.
      seed: of the draw for "crosstask".
      video_ids: the ids for "list"; a video that shows several tasks is taken for each.

    Returns:
      The chosen videos, in the set's order. Problems are those of the set and, for each chosen
      video that cannot be scored, "no_annotation", or "unknown_video" where the set has none.

    Raises:
      ValueError: there is no such variant.
    """
    if variant == "all_annotated":
        chosen = step_set.videos
    elif variant == "crosstask":
        training = _training_videos(step_set, seed)
        chosen = [v for v in step_set.videos if not v.is_validation and v not in training]
    elif variant == "validation":
        chosen = [video for video in step_set.videos if video.is_validation]
    elif variant == "list":
        wanted = frozenset(video_ids)
        chosen = [video for video in step_set.videos if video.video_id in wanted]
    else:
        raise ValueError(f"{variant!r} is no test set of CrossTask: {', '.join(VARIANTS)}")
    problems = [
        Problem(
            f"{video.video_id} of task {video.task_id}",
            "no_annotation",
            f"the folder {ANNOTATIONS} has no usable row of it",
        )
        for video in chosen
        if not video.segments
    ]
    if variant == "list":
        known = {video.video_id for video in step_set.videos}
        for video_id in dict.fromkeys(video_ids):
            if video_id not in known:
                message = f"{VIDEOS} lists no such video of a primary task"
                problems.append(Problem(video_id, "unknown_video", message))
    return StepSet(
        step_set.tasks,
        tuple(video for video in chosen if video.segments),
        (*step_set.problems, *problems),
    )


def _training_videos(step_set: StepSet, seed: int) -> set[StepVideo]:
    candidates: dict[str, list[StepVideo]] = {}
    for video in step_set.videos:
        if not video.is_validation:
            candidates.setdefault(video.task_id, []).append(video)
    drawn = set()
    for videos in candidates.values():
        videos.sort(key=lambda video: hash_fraction(f"{seed} {video.video_id}"))
        drawn.update(videos[:TRAINING_VIDEOS_PER_TASK])
    return drawn


def read_tasks(path: pathlib.Path) -> dict[str, StepTask]:
    """Returns the tasks of a list of CrossTask's, each by its id, in the file's order.

    Args:
      path: a file with five lines for each task and an empty line between two: id, name, address of
        the wikiHow page, number of steps, and the steps between commas.

    Raises:
      ManifestError: the file cannot be read, or is no such list.
    """
    tasks = {}
    for has_text, lines in itertools.groupby(read_lines(path), key=bool):
        if not has_text:
            continue
        task_id, *rest = lines
        steps = tuple(step.strip() for step in rest[-1].split(",")) if rest else ()
        if len(rest) != 4 or rest[2] != str(len(steps)) or not all(steps) or task_id in tasks:
            raise ManifestError(
                f"{path} has no proper task at the line {task_id[:60]!r}; each task of CrossTask's "
                f"lists has an id of its own, a name, an address, the number of steps and the steps"
            )
        tasks[task_id] = StepTask(task_id, rest[0], steps)
    if not tasks:
        raise ManifestError(f"{path} is empty; give CrossTask's release folder")
    return tasks


def listed_videos(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Yields task and video of each row of `videos.csv` or `videos_val.csv`, unchecked.

    Args:
      path: the file: task id, YouTube id and address, without a header.

    Raises:
      ManifestError: the file cannot be read.
    """
    for line in read_lines(path):
        if line:
            task_id, _, rest = line.partition(",")
            yield task_id.strip(), rest.partition(",")[0].strip()


def _segments(
    path: pathlib.Path, task: StepTask, video_id: str, log: ProblemLog
) -> tuple[Segment, ...]:
    segments = []
    try:
        for number, line in enumerate(filter(None, read_lines(path)), 1):
            item = place(path, number, video_id)
            step, start, end = map(seconds, [*line.split(","), "", "", ""][:3])
            if not (step.is_integer() and 1 <= step <= len(task.steps)):
                message = f"task {task.task_id} has the steps 1 to {len(task.steps)}, not {step:g}"
                log.add(item, "unknown_step", message)
            elif message := segment_problem(start, end):
                log.add(item, "bad_segment", message)
            else:
                segments.append(Segment(int(step) - 1, start, end))
    except ManifestError as error:
        log.add(f"{video_id} in {path}", "bad_file", str(error))
    return tuple(segments)
