"""YouTube-8M Segments: rated stretches of 5 seconds.

The ids in these files are YouTube-8M's own, such as "Hs00": nothing in the files leads from them to
a video on YouTube, and the videos are not distributed.
"""

import glob
import math
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.benchmark_evaluator.annotations.items import RatedSegment, RatedSet
from components.benchmark_evaluator.annotations.problem_log import ProblemLog, place
from components.narrated_video_example_gen.annotations.files import annotation_files
from components.narrated_video_example_gen.annotations.parts import TEST, TRAIN, UNNAMED
from components.narrated_video_example_gen.manifest import ManifestError, read_csv
from components.narrated_video_example_gen.splits import EVAL_SPLIT, TRAIN_SPLIT

if TYPE_CHECKING:
    import tensorflow as tf

CLASS_COLUMN = "index"

_PARTS = {TRAIN_SPLIT: TRAIN, EVAL_SPLIT: TEST, None: UNNAMED}


def read_youtube8m_segments(files: str, vocabulary: str) -> RatedSet:
    """Reads which segments were rated for which classes (facts/protocols.md, section 11).

    Whatever is not rated is not there: neither positive nor negative.

    Args:
      files: segment-labelled TFRecords, as a path or a pattern such as "validate*.tfrecord", or
        "train=PATTERN,eval=PATTERN" where they are divided.
      vocabulary: `segment_label_ids.csv`, or another CSV with the column Index: the classes.

    Returns:
      The rated pairs of a segment and a class; a score above 0 makes it positive. Problems:
      "no_video_id", "bad_record" where the lists of a record differ in length, "unknown_class",
      "bad_segment", "no_label" where the score is no number, and "duplicate".

    Raises:
      ManifestError: a file cannot be read or is of another format, or no segment is rated.
    """
    classes = _read_classes(pathlib.Path(vocabulary))
    labels = {number: label for label, number in enumerate(classes)}
    log = ProblemLog()
    segments: dict[tuple, RatedSegment] = {}
    for part, item, video_id, record in _records(files):
        context = record.context.feature
        numbers = context["segment_labels"].int64_list.value
        starts = context["segment_start_times"].int64_list.value
        scores = context["segment_scores"].float_list.value
        if not len(numbers) == len(starts) == len(scores):
            lengths = f"{len(numbers)} labels, {len(starts)} start times and {len(scores)} scores"
            log.add(item, "bad_record", f"it has {lengths}", item)
            continue
        for entry, (number, start, score) in enumerate(zip(numbers, starts, scores, strict=True)):
            rated = f"{item}, segment {entry + 1}"
            pair = video_id, start, number
            if not video_id:
                log.add(rated, "no_video_id", "the record names no video", rated)
            elif number not in labels:
                log.add(rated, "unknown_class", f"{vocabulary} has no class {number}", pair)
            elif start < 0:
                log.add(rated, "bad_segment", f"it starts at {start} s", pair)
            elif math.isnan(score):
                log.add(rated, "no_label", "the score is no number", pair)
            elif pair in segments:
                log.add(rated, "duplicate", f"class {number} is already rated at {start} s")
            else:
                segments[pair] = RatedSegment(
                    video_id, float(start), labels[number], score > 0, part
                )
    problems = log.problems(kept=segments)
    if not segments and not problems:
        raise ManifestError(
            f"{files} has no rated segment; give the files of YouTube-8M Segments, whose records "
            f"have segment_labels, segment_start_times and segment_scores"
        )
    return RatedSet(classes, tuple(segments.values()), problems)


def youtube8m_video_ids(files: str) -> Iterator[str]:
    """Yields YouTube-8M's id of each video, empty where a record has none.

    Args:
      files: as for `read_youtube8m_segments`.

    Raises:
      ManifestError: a file cannot be read, or is of another format.
    """
    for _, _, video_id, _ in _records(files):
        yield video_id


def _video_id(record: "tf.train.SequenceExample") -> str:
    values = record.context.feature["id"].bytes_list.value
    return values[0].decode(errors="replace") if values else ""


def _read_classes(path: pathlib.Path) -> tuple[int, ...]:
    numbers = [row[CLASS_COLUMN] for row in read_csv(path, (CLASS_COLUMN,))]
    wrong = [number for number in numbers if not number.isdecimal()]
    if wrong or not numbers or len(set(numbers)) < len(numbers):
        what = f"the class {wrong[0]!r}" if wrong else "no class, or one twice"
        raise ManifestError(f"{path} has {what}; give YouTube-8M's segment_label_ids.csv")
    return tuple(map(int, numbers))


def _records(files: str) -> Iterator[tuple[str, str, str, "tf.train.SequenceExample"]]:
    """Yields for each record the part of its file, where it is, its video's id, and all of it."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    for split, pattern in annotation_files(files):
        paths = [pattern] if os.path.isfile(pattern) else sorted(glob.glob(pattern))
        if not paths:
            raise ManifestError(f"there is no file {pattern}")
        for path in paths:
            try:
                dataset = tf.data.TFRecordDataset(path).as_numpy_iterator()
                for number, serialized in enumerate(dataset, 1):
                    record = tf.train.SequenceExample.FromString(serialized)
                    video_id = _video_id(record)
                    yield _PARTS[split], place(path, number, video_id), video_id, record
            except (tf.errors.OpError, DecodeError) as error:
                reason = " ".join(str(error).split())[:200]
                raise ManifestError(
                    f"{path} is no TFRecord file of sequence examples: {reason}"
                ) from error
