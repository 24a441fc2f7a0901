"""Kinetics: a class for each clip of about 10 seconds, one split.

A clip has an id made of its YouTube id and its seconds, `<youtube id>_<start>_<end>` with six
digits each, as the usual crawlers name the files.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterator

from components.benchmark_evaluator.annotations.items import LabelledSet
from components.benchmark_evaluator.annotations.labelled import LabelledRow, labelled_set
from components.benchmark_evaluator.annotations.problem_log import ProblemLog, place
from components.narrated_video_example_gen.annotations.annotation import seconds, segment_problem
from components.narrated_video_example_gen.annotations.files import annotation_files
from components.narrated_video_example_gen.annotations.parts import TEST, TRAIN
from components.narrated_video_example_gen.manifest import (
    ManifestError,
    find_video_files,
    read_csv,
)
from components.narrated_video_example_gen.splits import EVAL_SPLIT

COLUMNS = ("youtube_id", "time_start", "time_end")

_FILE_NAME = re.compile(r"(?P<youtube_id>.+)_\d{6}_\d{6}")


@dataclasses.dataclass(frozen=True)
class KineticsClip:
    """What a file of Kinetics says of a clip; nothing is checked yet.

    Attributes:
      item: where it says so, for people.
      youtube_id: the video that the clip is of, or an empty string.
      video_id: the clip's id, or an empty string where nothing says which seconds it shows.
      class_name: its class, or an empty string.
      message: why the clip has no id, or an empty string.
    """

    item: str
    youtube_id: str
    video_id: str
    class_name: str
    message: str = ""


def read_kinetics(annotations: str) -> LabelledSet:
    """Reads the training and the evaluation part of a Kinetics, such as Kinetics-700.

    Args:
      annotations: "train=A,eval=B", each a public CSV with the columns label and `COLUMNS`, or a
        folder of clips `<class>/<youtube id>_<start>_<end>.mp4`. The public list of test clips
        without labels can be read, but none of it used. A clip in both is for evaluation.

    Returns:
      The clips with one split, those for evaluation first. Problems are those of `labelled_set`
      and "bad_segment"; an evaluation clip of a class without training clips is "unknown_class".

    Raises:
      ManifestError: a file cannot be read, is of another format, or is named without its part.
    """
    log = ProblemLog()
    return labelled_set(_rows(annotations, log), 1, log)


def _rows(annotations: str, log: ProblemLog) -> Iterator[LabelledRow]:
    files = annotation_files(annotations)
    for split, path in sorted(files, key=lambda file: file[0] != EVAL_SPLIT):
        if split is None:
            raise ManifestError(
                f"{path} is named without its part; give Kinetics as train=FILE,eval=FILE"
            )
        for clip in read_clips(pathlib.Path(path)):
            if clip.youtube_id and not clip.video_id:
                log.add(clip.item, "bad_segment", clip.message, clip.item)
            else:
                part = TEST if split == EVAL_SPLIT else TRAIN
                yield LabelledRow(clip.item, clip.video_id, clip.class_name, 0, part)


def read_clips(path: pathlib.Path) -> Iterator[KineticsClip]:
    """Yields the clips of one part of Kinetics.

    Args:
      path: a CSV or a folder, as for `read_kinetics`.

    Raises:
      ManifestError: the file cannot be read, or lacks a column.
    """
    return _folder_clips(path) if path.is_dir() else _csv_clips(path)


def _csv_clips(path: pathlib.Path) -> Iterator[KineticsClip]:
    for number, values in enumerate(read_csv(path, COLUMNS), 1):
        youtube_id = values["youtube_id"]
        start, end = seconds(values["time_start"]), seconds(values["time_end"])
        message = segment_problem(start, end)
        if not message and not (start.is_integer() and end.is_integer()):
            message = f"{start:g} to {end:g} are no whole seconds, as clips are named by"
        video_id = "" if message or not youtube_id else f"{youtube_id}_{start:06.0f}_{end:06.0f}"
        item = place(path, number, youtube_id)
        yield KineticsClip(item, youtube_id, video_id, values.get("label", ""), message)


def _folder_clips(folder: pathlib.Path) -> Iterator[KineticsClip]:
    files = [pathlib.Path(path) for path in find_video_files(folder)]
    if not files:
        raise ManifestError(f"{folder} holds no videos; give a folder of Kinetics' clips, or a CSV")
    for file in files:
        class_name = file.parent.name if file.parent != folder else ""
        name = _FILE_NAME.fullmatch(file.stem)
        if name:
            yield KineticsClip(str(file), name["youtube_id"], file.stem, class_name)
        else:
            message = "its name does not say which seconds of which video it shows"
            yield KineticsClip(str(file), file.stem, "", class_name, message)
