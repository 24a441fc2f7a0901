"""Candidates of text-to-video retrieval: YouCook2, MSR-VTT, LSMDC and the project's own CSV."""

import pathlib
from collections.abc import Collection, Sequence

from components.benchmark_evaluator.annotations.items import CaptionedClip, RetrievalSet
from components.benchmark_evaluator.annotations.problem_log import ProblemLog, place
from components.benchmark_evaluator.annotations.text_files import one_path, read_ids
from components.narrated_video_example_gen.annotations import parts
from components.narrated_video_example_gen.annotations.annotated_set import READERS
from components.narrated_video_example_gen.annotations.annotation import (
    Annotation,
    segment_problem,
)
from components.narrated_video_example_gen.manifest import ManifestError

BENCHMARKS = tuple(READERS)
CAPTIONS = ("all", "first")

# The others' reference code takes each row for a clip, also where two rows name the same seconds.
_SEVERAL_CAPTIONS = ("msrvtt", "csv")


def read_retrieval(
    benchmark: str, annotations: str, video_list: str = "", captions: str = "all"
) -> RetrievalSet:
    """Reads the clips that text is to find, and their captions (facts/protocols.md, section 6).

    The evaluation part of a file is its test part; or its validation part where it has no test
    part; or all of it where it says nothing of parts. Thus YouCook2's JSON gives its validation
    segments and MSR-VTT's JSON the 2,990 videos of the full test. A list of videos takes the place
    of that rule: MSR-VTT's JSON with the list of 1k-B gives those 1,000 videos.

    Sentences of the same seconds of the same video are captions of one clip for "msrvtt" and "csv".
    For "youcook2" and "lsmdc" each row is a clip of its own, as in the reference code, which scores
    the same seconds twice where two rows name them: once in YouCook2's validation clips. Repeated
    sentences stay, as the full test of MSR-VTT counts all 20 of a video.

    Args:
      benchmark: one of `BENCHMARKS`: "youcook2" (its JSON, or the CSV of 3,350 validation clips),
        "msrvtt" (its JSON, or the CSV of the 1k-A test with a sentence for each of 1,000 videos),
        "lsmdc" (a tab-separated part, such as the public test's 1,000 clips), or "csv" (video_id,
        start, end, caption and, if need be, split).
      annotations: the file.
      video_list: a file that lists the videos, as `read_ids` reads it, or an empty string.
      captions: which captions a clip keeps: "all", or "first" in the file's order.

    Returns:
      The clips, and the problems "no_video_id", "bad_part", "bad_segment", "no_text", and
      "not_annotated" for a video that is listed, but of which the file says nothing.

    Raises:
      ManifestError: a file cannot be read as one of its format, holds nothing to evaluate on, or
        several files are named.
    """
    if benchmark not in READERS:
        raise ManifestError(f"{benchmark!r} is no retrieval benchmark: {', '.join(BENCHMARKS)}")
    if captions not in CAPTIONS:
        raise ManifestError(f"captions is {captions!r}; it must be {' or '.join(CAPTIONS)}")
    found = list(READERS[benchmark](one_path(annotations, benchmark)))
    log = ProblemLog()
    if video_list:
        listed = _listed(video_list, annotations, found, log)
        asked_for = [one.video_id in listed or not one.video_id for one in found]
    else:
        wanted = (_evaluation_part(annotations, found), None)
        asked_for = [parts.part_of(one.part) in wanted for one in found]
    texts: dict[tuple, list[str]] = {}
    for number, (annotation, is_asked_for) in enumerate(zip(found, asked_for, strict=True), 1):
        if not is_asked_for:
            continue
        item = place(annotations, number, annotation.video_id)
        clip = annotation.video_id, annotation.start, annotation.end
        if benchmark not in _SEVERAL_CAPTIONS:
            clip += (number,)
        if not annotation.video_id:
            # Nobody knows whether a list would have named it.
            log.add(item, "no_video_id", "it names no video", None if video_list else item)
        elif not video_list and parts.part_of(annotation.part) is None:
            message = f"its part {annotation.part!r} is neither training, validation nor test"
            log.add(item, "bad_part", message, clip)
        elif message := segment_problem(annotation.start, annotation.end):
            log.add(item, "bad_segment", message, item)
        elif not annotation.text:
            log.add(item, "no_text", "the sentence is empty", clip)
        else:
            texts.setdefault(clip, []).append(annotation.text)
    clips = (
        CaptionedClip(*clip[:3], tuple(said if captions == "all" else said[:1]))
        for clip, said in texts.items()
    )
    return RetrievalSet(tuple(clips), log.problems(kept=texts))


def _listed(
    video_list: str, annotations: str, found: Sequence[Annotation], log: ProblemLog
) -> Collection[str]:
    """Returns the listed videos, after noting those of which there is no annotation."""
    listed = read_ids(pathlib.Path(video_list))
    named = {annotation.video_id for annotation in found}
    if named.isdisjoint(listed):
        raise ManifestError(f"{annotations} has no video of those that {video_list} lists")
    for video_id in listed:
        if video_id not in named:
            message = f"{video_list} lists it, and {annotations} has no caption of it"
            log.add(video_id, "not_annotated", message, video_id)
    return frozenset(listed)


def _evaluation_part(annotations: str, found: Sequence[Annotation]) -> str:
    there = {parts.part_of(annotation.part) for annotation in found}
    for part in (parts.TEST, parts.VALIDATION, parts.UNNAMED):
        if part in there:
            return part
    raise ManifestError(
        f"{annotations} has nothing to evaluate on: no annotation, or a training part alone; give "
        f"the file of the test or validation part, or a list of videos"
    )
