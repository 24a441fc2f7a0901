"""Official splits of action recognition: checked before hours of work, and their figures."""

import re
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from components.benchmark_evaluator.annotations.items import LabelledVideo
from components.benchmark_evaluator.outcome import Failure, reasons_in_words
from components.benchmark_evaluator.protocols import bootstrap
from components.narrated_video_example_gen.annotations.parts import TEST, TRAIN

# UCF101 cut each group's clips out of one video; a group's number is that of its class.
_UCF101_NAME = re.compile(r"v_.+_(g\d{2})_c\d{2}")


class SplitFigures(NamedTuple):
    """The figures of a task on all its splits, as an `Outcome` holds them.

    Attributes:
      metrics: `top_1`, the mean of the splits, and `top_1_split_1`, ...
      intervals: of `top_1`.
      drawn: what the bootstrap draws.
    """

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    drawn: str


def split_part(videos: Sequence[LabelledVideo], split: int, part: str) -> list[LabelledVideo]:
    """Returns the videos of one part of a split.

    Args:
      videos: all of them.
      split: its index.
      part: "train" or "test".
    """
    return [video for video in videos if video.parts[split] == part]


def check_splits(
    videos: Sequence[LabelledVideo], num_splits: int, failures: Sequence[Failure]
) -> None:
    """Refuses splits on which nothing can be learned or tested.

    Args:
      videos: those that are there.
      num_splits: how many of the official splits are used, the first ones.
      failures: what was lost, for the message.

    Raises:
      ValueError: a split has no test video, or fewer than two classes to learn.
    """
    for split in range(num_splits):
        classes = {video.label for video in split_part(videos, split, TRAIN)}
        num_test = len(split_part(videos, split, TEST))
        if not num_test or len(classes) < 2:
            raise ValueError(
                f"split {split + 1} has {num_test} test videos and {len(classes)} classes to learn "
                f"({reasons_in_words(failures)}); it needs at least one video and two classes"
            )


def split_figures(
    tests: Sequence[Sequence[LabelledVideo]], right: Sequence[Sequence[bool]]
) -> SplitFigures:
    """Returns the figures of what was found of the test videos.

    The interval draws UCF101's source groups, and of other sets the distinct test videos, once for
    all splits: the splits share their videos.

    Args:
      tests: for each split the test videos that were classified, at least one.
      right: for each split whether the class of each of them was found.
    """
    groups = [[_source(video) for video in of_split] for of_split in tests]
    by_split = [float(np.mean(found)) for found in right]
    has_groups = any(not isinstance(group, str) for of_split in groups for group in of_split)
    return SplitFigures(
        {
            "top_1": float(np.mean(by_split)),
            **{f"top_1_split_{number}": value for number, value in enumerate(by_split, 1)},
        },
        {"top_1": bootstrap.interval(*bootstrap.split_accuracies(groups, right))},
        f"{'source groups of the' if has_groups else 'distinct'} test videos, once for all splits",
    )


def _source(video: LabelledVideo) -> Hashable:
    """Returns what a video has in common with those of the same source."""
    name = _UCF101_NAME.fullmatch(video.video_id)
    return (video.label, name[1]) if name else video.video_id
