"""Where the videos of the ablations are: the sample, made where it is missing, or one's own."""

import dataclasses
import os
import pathlib
import shlex
from collections.abc import Callable

from pipeline.sample_data import generate
from pipeline.sample_data.config import SampleConfig


@dataclasses.dataclass(frozen=True)
class Videos:
    """Videos to train and to score on.

    Attributes:
      narrated: folder of narrated videos, or a manifest CSV, to train on.
      test: folder or manifest of annotated videos to score on; empty to score on the eval split of
        the narrated ones.
      test_annotations: CSV with `video_id,start,end,caption` of the annotated videos, or empty.
    """

    narrated: str
    test: str = ""
    test_annotations: str = ""

    def __post_init__(self):
        if bool(self.test) != bool(self.test_annotations):
            raise ValueError("test videos and test annotations must be given together")

    def absolute(self) -> "Videos":
        """Returns the same with absolute paths."""
        return Videos(*(os.path.abspath(path) if path else "" for path in self._paths()))

    def options(self) -> str:
        """Returns them as options of `howto100m run`."""
        names = ("--videos", "--test-videos", "--test-annotations")
        given = [pair for pair in zip(names, self._paths(), strict=True) if pair[1]]
        return " ".join(f"{name} {shlex.quote(path)}" for name, path in given)

    def _paths(self) -> tuple[str, str, str]:
        return self.narrated, self.test, self.test_annotations


def sample_videos(
    folder: pathlib.Path, workers: int, progress: Callable[[int, int], None] | None = None
) -> Videos:
    """Returns the videos of a folder that `howto100m sample-data` wrote; makes it where missing.

    A sample of any size is taken as it is.

    Args:
      folder: the folder.
      workers: processes that make videos; 0 for one for each core.
      progress: called with the number of videos made and the number of all videos.

    Raises:
      SampleDataError: the folder holds something that is not a sample.
    """
    # The annotations are written after all videos.
    if not (folder / generate.ANNOTATIONS).is_file():
        generate.write_sample_data(folder, SampleConfig(), workers or None, progress)
    return Videos(
        *(str(folder / name) for name in (generate.VIDEOS, generate.TEST_VIDEOS)),
        str(folder / generate.ANNOTATIONS),
    )
