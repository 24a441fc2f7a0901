"""What the benchmarks ask for, whatever file it was read from."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

RATED_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Problem:
    """An annotation that cannot be used.

    Attributes:
      item: which one: the video's id, the file and the entry in it, as far as they are known.
      reason: a short fixed name, such as "no_video_id", "no_text" or "bad_segment".
      message: the same as one line for people.
      loses_item: whether the set has an item less for it. False where the item is there without a
        part of itself, such as one of its segments, or where this would be no further item, such as
        a row that repeats another.
    """

    item: str
    reason: str
    message: str
    loses_item: bool = True


@dataclasses.dataclass(frozen=True)
class CaptionedClip:
    """One candidate of text-to-video retrieval.

    Attributes:
      video_id: identifier of the video; its file has this name.
      start: in seconds.
      end: in seconds; infinite where the clip lasts to the end of the video.
      texts: its captions, one or several.
    """

    video_id: str
    start: float
    end: float
    texts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class RetrievalSet:
    """The candidates of a retrieval benchmark.

    Attributes:
      clips: those that can be used, in the file's order.
      problems: what cannot be used.
    """

    clips: tuple[CaptionedClip, ...]
    problems: tuple[Problem, ...]

    @property
    def num_annotated(self) -> int:
        """How many clips the evaluation part has, usable or not."""
        return _num_annotated(self.clips, self.problems)


@dataclasses.dataclass(frozen=True)
class Segment:
    """A labelled stretch of a video.

    Attributes:
      label: an index; the set says of what.
      start: in seconds.
      end: in seconds, after `start`.
    """

    label: int
    start: float
    end: float


@dataclasses.dataclass(frozen=True)
class StepTask:
    """A task and its steps.

    Attributes:
      task_id: the task's number, as its file spells it.
      name: such as "Make Jello Shots".
      steps: what is done, K steps in the task's canonical order.
    """

    task_id: str
    name: str
    steps: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class StepVideo:
    """A video that shows a task.

    Attributes:
      video_id: its YouTube id. A video may show several tasks: task and id together are unique.
      task_id: the task.
      segments: its annotated steps, in the file's order; a label indexes the task's `steps`, from
        0. Segments may overlap. Empty where nothing usable is annotated.
      is_validation: whether the benchmark lists the video as one for validation.
    """

    video_id: str
    task_id: str
    segments: tuple[Segment, ...]
    is_validation: bool = False


@dataclasses.dataclass(frozen=True)
class StepSet:
    """The annotated tasks of CrossTask and videos of them.

    Attributes:
      tasks: each by its id.
      videos: in the file's order.
      problems: what cannot be used.
    """

    tasks: Mapping[str, StepTask]
    videos: tuple[StepVideo, ...]
    problems: tuple[Problem, ...]

    @property
    def num_annotated(self) -> int:
        """How many videos of `tasks` are listed, as read, or chosen for a test set; usable or not.

        A row that names no video or no known task is not counted.
        """
        return _num_annotated(self.videos, self.problems)


@dataclasses.dataclass(frozen=True)
class LabelledVideo:
    """A video of one class.

    Attributes:
      video_id: the name of its file without the suffix.
      label: index of its class.
      parts: for each of the set's official splits "train", "test", or "" where it is in neither.
    """

    video_id: str
    label: int
    parts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class LabelledSet:
    """The videos of an action recognition benchmark.

    Attributes:
      classes: their names; a label indexes them.
      videos: those that can be used, in the order in which they are first named.
      problems: what cannot be used.
    """

    classes: tuple[str, ...]
    videos: tuple[LabelledVideo, ...]
    problems: tuple[Problem, ...]

    @property
    def num_annotated(self) -> int:
        """How many videos are named, usable or not; a row that names none counts as one."""
        return _num_annotated(self.videos, self.problems)


@dataclasses.dataclass(frozen=True)
class SegmentedVideo:
    """A video of COIN.

    Attributes:
      video_id: its YouTube id.
      part: "train" or "test".
      duration: length of the video in seconds.
      segments: its steps, in the file's order; a label indexes the set's `labels`.
    """

    video_id: str
    part: str
    duration: float
    segments: tuple[Segment, ...]


@dataclasses.dataclass(frozen=True)
class SegmentedSet:
    """The videos of COIN.

    Attributes:
      labels: "background", then the steps in the order of their numbers. Steps of different tasks
        may have the same name.
      videos: those that can be used, in the file's order.
      problems: what cannot be used.
    """

    labels: tuple[str, ...]
    videos: tuple[SegmentedVideo, ...]
    problems: tuple[Problem, ...]

    @property
    def num_annotated(self) -> int:
        """How many videos of both parts the file has, usable or not."""
        return _num_annotated(self.videos, self.problems)


@dataclasses.dataclass(frozen=True)
class RatedSegment:
    """A stretch of `RATED_SECONDS` of which a person said whether it shows a class.

    Attributes:
      video_id: the id that YouTube-8M gives the video, which is not its YouTube id.
      start: in seconds.
      label: index of the class.
      positive: whether it shows the class.
      part: "train" or "test" as the files were named, or "" where they were not.
    """

    video_id: str
    start: float
    label: int
    positive: bool
    part: str

    @property
    def end(self) -> float:
        """Where it ends, in seconds."""
        return self.start + RATED_SECONDS


@dataclasses.dataclass(frozen=True)
class RatedSet:
    """The rated segments of YouTube-8M.

    Attributes:
      classes: YouTube-8M's numbers of the classes; a label indexes them.
      segments: those that can be used, in the files' order.
      problems: what cannot be used.
    """

    classes: tuple[int, ...]
    segments: tuple[RatedSegment, ...]
    problems: tuple[Problem, ...]

    @property
    def num_annotated(self) -> int:
        """How many pairs of a segment and a class are rated, usable or not.

        A record whose lists do not fit together counts as one.
        """
        return _num_annotated(self.segments, self.problems)


def _num_annotated(items: Sequence[Any], problems: Sequence[Problem]) -> int:
    return len(items) + sum(problem.loses_item for problem in problems)
