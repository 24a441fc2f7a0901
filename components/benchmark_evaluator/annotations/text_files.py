"""Text files with an entry on each line."""

import pathlib
from collections.abc import Iterator

from components.narrated_video_example_gen.annotations.files import annotation_files
from components.narrated_video_example_gen.manifest import ManifestError, read_csv

ID_COLUMN = "video_id"


def one_path(annotations: str, benchmark: str) -> pathlib.Path:
    """Returns the one file or folder of a benchmark whose parts are not files of their own.

    Args:
      annotations: the path, as people give it.
      benchmark: its name, for people.

    Raises:
      ManifestError: files are named by parts, as "train=A,eval=B".
    """
    ((part, path), *others) = annotation_files(annotations)
    if part is not None or others:
        raise ManifestError(
            f"the annotations of {benchmark} are one file or folder, not {annotations!r}"
        )
    return pathlib.Path(path)


def read_lines(path: pathlib.Path) -> Iterator[str]:
    """Yields the lines of a text file, stripped.

    Args:
      path: the file, in UTF-8.

    Raises:
      ManifestError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for line in stream:
                yield line.strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from error


def read_ids(path: pathlib.Path) -> tuple[str, ...]:
    """Returns the ids of a list of videos, each once, in the file's order.

    Args:
      path: a text file with an id on each line, such as `ce_test_list_miech.txt`, or a CSV with a
        column `video_id`. Empty lines and space around an id do not matter.

    Raises:
      ManifestError: the file cannot be read, or is no such list.
    """
    lines = [line for line in read_lines(path) if line]
    columns = [name.strip(' "').lower() for name in lines[0].split(",")] if lines else []
    if ID_COLUMN in columns:
        return tuple(dict.fromkeys(row[ID_COLUMN] for row in read_csv(path) if row[ID_COLUMN]))
    for line in lines:
        if "," in line or len(line.split()) > 1:
            raise ManifestError(
                f"{path} has the line {line[:60]!r}, which is no video's id; give a text file with "
                f"an id on each line, or a CSV with a column {ID_COLUMN}"
            )
    return tuple(dict.fromkeys(lines))
