"""An annotated set: its files read, its parts made splits, its annotations checked."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from components.narrated_video_example_gen.annotations import (
    lsmdc,
    msrvtt,
    parts,
    segments_csv,
    youcook2,
)
from components.narrated_video_example_gen.annotations.annotation import (
    Annotation,
    segment_problem,
)
from components.narrated_video_example_gen.annotations.files import annotation_files
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.ledger import MISSING_FILE, Entry
from components.narrated_video_example_gen.manifest import ManifestError, VideoRow, fetched
from components.narrated_video_example_gen.splits import EVAL_SPLIT, TRAIN_SPLIT
from components.narrated_video_example_gen.subtitles.caption import Caption

READERS: Mapping[str, Callable[[pathlib.Path], Iterable[Annotation]]] = {
    "csv": segments_csv.read,
    "youcook2": youcook2.read,
    "msrvtt": msrvtt.read,
    "lsmdc": lsmdc.read,
}

_PART_OF_SPLIT = {TRAIN_SPLIT: parts.TRAIN, EVAL_SPLIT: parts.TEST}
_IN_WORDS = {parts.TRAIN: "training", parts.UNNAMED: "unnamed"}


@dataclasses.dataclass(frozen=True)
class AnnotatedVideo:
    """A video of the set.

    Attributes:
      path: the file that annotates it.
      captions: its annotations that can be used, in time order; an infinite end is the video's.
      split: "train" or "eval", or None where its hash decides.
      duration: length in seconds, or None.
      task: what it is about, or an empty string.
    """

    path: str
    captions: tuple[Caption, ...]
    split: str | None
    duration: float | None
    task: str


@dataclasses.dataclass(frozen=True)
class AnnotatedSet:
    """The videos of a set that are asked for.

    Attributes:
      videos: each by its id.
      other_parts: for each video that is not asked for the part of the set that it is in.
      entries: what the ledger says of annotations that cannot be used.
    """

    videos: Mapping[str, AnnotatedVideo]
    other_parts: Mapping[str, str]
    entries: Sequence[Entry]

    def rows(self) -> list[VideoRow]:
        """Returns a row without a file for each video, for someone who has features alone."""
        return [VideoRow(name, "", listed_in=video.path) for name, video in self.videos.items()]

    def join(
        self, rows: Iterable[VideoRow], entries: Iterable[Entry]
    ) -> tuple[list[VideoRow], list[Entry]]:
        """Returns the annotated ones among the videos that are there, with their captions.

        Args:
          rows: the videos that are there.
          entries: what the ledger says of videos that are not.

        Returns:
          The rows with captions, split, and what the annotations know of duration and task, if the
          row does not know it; and an entry for each other row, each annotated video that is not
          there, each annotation that cannot be used, and each of `entries`.
        """
        entries = [self._as_absent(entry) for entry in entries]
        known = {entry.video_id for entry in entries if entry.clip_index is None}
        entries += self.entries
        kept = []
        for row in rows:
            known.add(row.video_id)
            video = self.videos.get(row.video_id)
            if video is not None and video.captions:
                kept.append(
                    dataclasses.replace(
                        row,
                        captions=video.captions,
                        split=video.split or row.split,
                        duration=row.duration or video.duration,
                        task=row.task or video.task,
                    )
                )
            else:
                entries.append(
                    Entry(row.video_id, row.source, None, "filter", *self._why_not(row.video_id))
                )
        for video_id, video in self.videos.items():
            if video_id in known:
                continue
            if video.captions:
                problem = "annotations", MISSING_FILE, "annotated, but there is no such video"
            else:
                problem = "filter", *self._why_not(video_id)
            entries.append(Entry(video_id, video.path, None, *problem))
        return kept, entries

    def _as_absent(self, entry: Entry) -> Entry:
        """Returns what a missing file means for the set: a video less, or nothing at all."""
        if entry.reason != MISSING_FILE:
            return entry
        if entry.video_id in self.videos:
            return dataclasses.replace(entry, stage="annotations")
        reason, message = self._why_not(entry.video_id)
        return dataclasses.replace(entry, stage="filter", reason=reason, message=message)

    def _why_not(self, video_id: str) -> tuple[str, str]:
        """Returns why a video of which there is no caption is left out, as reason and message."""
        if video_id in self.other_parts:
            return "other_part", f"it is in the set's {self.other_parts[video_id]} part"
        if video_id in self.videos:
            return "not_annotated", "none of its annotations can be used"
        return "not_annotated", "there is no annotation of this video"


def _read(annotation_format: str, path: str) -> Iterator[Annotation]:
    with fetched(path) as local:
        yield from READERS[annotation_format](local)


def read_annotated_set(config: IngestConfig) -> AnnotatedSet:
    """Reads the annotations that the settings name.

    The evaluation part of a set is its files named `eval=`; else its test part, or its validation
    part where it has no test part; or all of it where the files say nothing of parts. The training
    part is the files named `train=` without the videos of the evaluation part, or the set's own
    training part. A validation part beside a test part is neither. With `annotation_splits` "own"
    the hash divides the videos whose part is not known, as it does narrated ones.

    Args:
      config: the settings; `annotations` is not empty.

    Raises:
      ManifestError: a file cannot be read as one of its format, or the evaluation part alone is
        asked for and there is none.
    """
    only_evaluation = config.annotation_splits == EVAL_SPLIT
    videos: dict[str, _Video] = {}
    entries: list[Entry] = []
    # The files of the eval split come first, so that what is in them is known when the others come.
    files = sorted(annotation_files(config.annotations), key=lambda file: file[0] != EVAL_SPLIT)
    for split, path in files:
        if only_evaluation and split == TRAIN_SPLIT:
            continue
        for number, annotation in enumerate(_read(config.annotation_format, path)):
            part = _PART_OF_SPLIT.get(split) or parts.part_of(annotation.part)
            problem = _problem(annotation, part)
            if part is not None and annotation.video_id:
                video = videos.setdefault(annotation.video_id, _Video(path, part, annotation))
                if video.part != part:
                    message = f"the video is in the set's {_name(video.part)} part"
                    problem = "other_part", message
                elif problem is None:
                    video.captions.append(
                        Caption(annotation.start, annotation.end, annotation.text)
                    )
            if problem is not None:
                entries.append(Entry(annotation.video_id, path, number, "annotations", *problem))
    there = {video.part for video in videos.values()}
    evaluation_part = next(
        (part for part in (parts.TEST, parts.VALIDATION) if part in there), parts.UNNAMED
    )
    if only_evaluation and evaluation_part not in there:
        raise ManifestError(
            f"{config.annotations} has nothing to evaluate on: no annotation, or a training part "
            f"alone, which ingest.annotation_splits=own takes"
        )
    if only_evaluation:
        split_of_part = {evaluation_part: EVAL_SPLIT}
    else:
        split_of_part = {
            evaluation_part: EVAL_SPLIT,
            parts.TRAIN: TRAIN_SPLIT,
            parts.UNNAMED: None,
        }
    return AnnotatedSet(
        {
            name: video.annotated(split_of_part[video.part])
            for name, video in videos.items()
            if video.part in split_of_part
        },
        {
            name: _name(video.part)
            for name, video in videos.items()
            if video.part not in split_of_part
        },
        entries,
    )


def _name(part: str) -> str:
    return _IN_WORDS.get(part, part)


class _Video:
    """A video of which annotations are being read."""

    def __init__(self, path: str, part: str, first: Annotation):
        self.path = path
        self.part = part
        self.duration = first.duration
        self.task = first.task
        self.captions: list[Caption] = []

    def annotated(self, split: str | None) -> AnnotatedVideo:
        captions = sorted(self.captions, key=lambda caption: (caption.start, caption.end))
        return AnnotatedVideo(self.path, tuple(captions), split, self.duration, self.task)


def _problem(annotation: Annotation, part: str | None) -> tuple[str, str] | None:
    """Returns why an annotation cannot be used, as reason and message."""
    if not annotation.video_id:
        message = "it names no video"
    elif part is None:
        message = f"its part {annotation.part!r} is neither training, validation nor test"
    elif not annotation.text:
        message = "the sentence is empty"
    elif not (message := segment_problem(annotation.start, annotation.end)):
        return None
    return "bad_annotation", message
