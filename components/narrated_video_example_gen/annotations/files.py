"""Which files of annotations a setting names."""

import re

from components.narrated_video_example_gen.manifest import ManifestError
from components.narrated_video_example_gen.splits import EVAL_SPLIT, TRAIN_SPLIT

_NAMED_FILE = re.compile(rf"({TRAIN_SPLIT}|{EVAL_SPLIT})=(.*)", re.DOTALL)
_BETWEEN_FILES = re.compile(rf",(?=(?:{TRAIN_SPLIT}|{EVAL_SPLIT})=)")


def annotation_files(annotations: str) -> list[tuple[str | None, str]]:
    """Returns the files and the split that each is for, None where the file itself decides.

    Args:
      annotations: one path, or "train=FILE,eval=FILE" with either or both, in any order; a split
        may have several files.

    Raises:
      ManifestError: a name has no path.
    """
    if not _NAMED_FILE.match(annotations):
        return [(None, annotations)]
    files = []
    for text in _BETWEEN_FILES.split(annotations):
        split, path = _NAMED_FILE.fullmatch(text).groups()
        if not path:
            raise ManifestError(f"the annotations are {annotations!r}: {split}= names no file")
        files.append((split, path))
    return files
