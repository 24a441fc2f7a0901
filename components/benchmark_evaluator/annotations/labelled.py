"""Sets of videos with a class each: their rows, from whatever file, made one set."""

import dataclasses
from collections.abc import Iterable, Sequence

from components.benchmark_evaluator.annotations.items import LabelledSet, LabelledVideo
from components.benchmark_evaluator.annotations.problem_log import ProblemLog
from components.narrated_video_example_gen.annotations.parts import TRAIN


@dataclasses.dataclass(frozen=True)
class LabelledRow:
    """What a file says of a video for one split; nothing is checked yet.

    Attributes:
      item: where it says so, for people.
      video_id: the name of the video's file without the suffix; empty where none is known.
      class_name: its class, or an empty string.
      split: index of the official split.
      part: "train", "test", "" for neither, or None where the file says nothing sensible.
    """

    item: str
    video_id: str
    class_name: str
    split: int
    part: str | None


def labelled_set(
    rows: Iterable[LabelledRow],
    num_splits: int,
    log: ProblemLog,
    classes: Sequence[str] | None = None,
) -> LabelledSet:
    """Returns the videos of the rows.

    A row that contradicts an earlier one, or repeats it, is a problem; the earlier one holds.

    Args:
      rows: what the files say. A video has a row for each split; a split without one has "".
      num_splits: how many official splits there are.
      log: problems found so far.
      classes: the classes in the order of their labels, or None for those that have a training
        video (all, if no video is for training), sorted.

    Returns:
      The set, with the problems "no_video_id", "no_label", "bad_part", "duplicate" and
      "unknown_class" after those of the log.
    """
    unknown = "there is no such class to learn as {!r}"
    found: dict[str, _Video] = {}
    for row in rows:
        video = found.get(row.video_id)
        if not row.video_id:
            log.add(row.item, "no_video_id", "it names no video", row.item)
        elif not row.class_name:
            log.add(row.item, "no_label", "it names no class", row.video_id)
        elif classes is not None and row.class_name not in classes:
            log.add(row.item, "unknown_class", unknown.format(row.class_name), row.video_id)
        elif row.part is None:
            message = f"it does not say which part of split {row.split + 1} the video is in"
            log.add(row.item, "bad_part", message, row.video_id)
        elif video and (video.class_name != row.class_name or video.parts[row.split] is not None):
            log.add(row.item, "duplicate", f"the video is already known from {video.item}")
        else:
            if video is None:
                video = found[row.video_id] = _Video(row.item, row.class_name, [None] * num_splits)
            video.parts[row.split] = row.part
    if classes is None:
        trained = {video.class_name for video in found.values() if TRAIN in video.parts}
        classes = sorted(trained or {video.class_name for video in found.values()})
    labels = {name: label for label, name in enumerate(classes)}
    videos = {}
    for video_id, video in found.items():
        if video.class_name in labels:
            parts = tuple(part or "" for part in video.parts)
            videos[video_id] = LabelledVideo(video_id, labels[video.class_name], parts)
        else:
            log.add(video.item, "unknown_class", unknown.format(video.class_name), video_id)
    return LabelledSet(tuple(classes), tuple(videos.values()), log.problems(kept=videos))


@dataclasses.dataclass
class _Video:
    """A video of which rows are being read: where the first is, and a part for each split."""

    item: str
    class_name: str
    parts: list[str | None]
