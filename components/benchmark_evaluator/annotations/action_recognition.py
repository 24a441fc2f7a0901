"""HMDB51 and UCF101: a class for each video, and three official splits.

Nothing but the name of a video's file tells which one it is, so an id is that name without its
suffix, unique in either set. HMDB51's names hold characters such as `[`, `]`, `#`, `!` and `;`:
compare them, never look for them with a pattern.
"""

import pathlib
from collections.abc import Iterator

from components.benchmark_evaluator.annotations.items import LabelledSet
from components.benchmark_evaluator.annotations.labelled import LabelledRow, labelled_set
from components.benchmark_evaluator.annotations.problem_log import ProblemLog, place
from components.benchmark_evaluator.annotations.text_files import one_path, read_lines
from components.narrated_video_example_gen.annotations.parts import TEST, TRAIN
from components.narrated_video_example_gen.manifest import ManifestError, read_csv

NUM_SPLITS = 3
HMDB51_COLUMNS = ("video_id", "label", "split1", "split2", "split3")
UCF101_CLASSES = "classInd.txt"

_HMDB51_PARTS = {"0": "", "1": TRAIN, "2": TEST}


def read_hmdb51(path: str) -> LabelledSet:
    """Reads the classes and the three splits of HMDB51 (facts/protocols.md, section 7).

    Args:
      path: the official folder of files `<class>_test_split<k>.txt`, or MIL-NCE's CSV with
        `HMDB51_COLUMNS`. In either 1 is training, 2 is test, and 0 is neither.

    Returns:
      The videos; the classes are sorted by name. Problems are those of `labelled_set`.

    Raises:
      ManifestError: a file cannot be read, is missing or is neither, or several are named.
    """
    return labelled_set(hmdb51_rows(one_path(path, "HMDB51")), NUM_SPLITS, ProblemLog())


def read_ucf101(folder: str) -> LabelledSet:
    """Reads the classes and the three splits of UCF101 (facts/protocols.md, section 7).

    Args:
      folder: the official one with `classInd.txt`, `trainlist0<k>.txt` and `testlist0<k>.txt`.

    Returns:
      The videos; the classes are in the order of their numbers. Problems are those of
      `labelled_set`.

    Raises:
      ManifestError: it is no folder, a file of it cannot be read, is missing or is of another
        format, or several folders are named.
    """
    root = one_path(folder, "UCF101")
    numbers = _ucf101_numbers(root)
    classes = sorted(numbers, key=lambda name: int(numbers[name]))
    return labelled_set(ucf101_rows(root), NUM_SPLITS, ProblemLog(), classes)


def hmdb51_rows(path: pathlib.Path) -> Iterator[LabelledRow]:
    """Yields what HMDB51's files say.

    Args:
      path: as for `read_hmdb51`.

    Raises:
      ManifestError: a file cannot be read, is missing, or is none of HMDB51's.
    """
    return _hmdb51_folder_rows(path) if path.is_dir() else _hmdb51_csv_rows(path)


def _hmdb51_csv_rows(path: pathlib.Path) -> Iterator[LabelledRow]:
    for number, values in enumerate(read_csv(path, HMDB51_COLUMNS), 1):
        item = place(path, number, values["video_id"])
        class_name = values["label"].removesuffix("_test")
        for split in range(NUM_SPLITS):
            part = _HMDB51_PARTS.get(values[f"split{split + 1}"])
            yield LabelledRow(item, _stem(values["video_id"]), class_name, split, part)


def _hmdb51_folder_rows(folder: pathlib.Path) -> Iterator[LabelledRow]:
    first_split = "_test_split1.txt"
    classes = [path.name.removesuffix(first_split) for path in folder.glob(f"*{first_split}")]
    if not classes:
        raise ManifestError(
            f"{folder} has no file *{first_split}; give HMDB51's folder of split files, or a CSV "
            f"with {','.join(HMDB51_COLUMNS)}"
        )
    for class_name in sorted(classes):
        for split in range(NUM_SPLITS):
            path = folder / f"{class_name}_test_split{split + 1}.txt"
            for number, line in enumerate(filter(None, read_lines(path)), 1):
                name, part = [*line.rsplit(maxsplit=1), ""][:2]
                item = place(path, number, name)
                yield LabelledRow(item, _stem(name), class_name, split, _HMDB51_PARTS.get(part))


def ucf101_rows(folder: pathlib.Path) -> Iterator[LabelledRow]:
    """Yields what UCF101's lists say.

    Args:
      folder: as for `read_ucf101`.

    Raises:
      ManifestError: it is no folder, a file of it cannot be read or is missing, or the list of
        classes is none.
    """
    numbers = _ucf101_numbers(folder)
    for split in range(NUM_SPLITS):
        for part in (TRAIN, TEST):
            path = folder / f"{part}list{split + 1:02d}.txt"
            for line_number, line in enumerate(filter(None, read_lines(path)), 1):
                name, _, number = line.partition(" ")
                class_name, _, file = name.rpartition("/")
                if class_name in numbers and number.strip() not in ("", numbers[class_name]):
                    # The folder and the number name two classes: that is a class of its own.
                    class_name = f"{class_name} {number}"
                item = place(path, line_number, name)
                yield LabelledRow(item, _stem(file), class_name, split, part)


def _ucf101_numbers(folder: pathlib.Path) -> dict[str, str]:
    """Returns the number of each class, as digits."""
    if not folder.is_dir():
        raise ManifestError(
            f"{folder} is no folder; give UCF101's with {UCF101_CLASSES} and its lists of videos"
        )
    path = folder / UCF101_CLASSES
    numbers = {}
    for line in filter(None, read_lines(path)):
        number, _, class_name = line.partition(" ")
        if not number.isdecimal() or not class_name:
            raise ManifestError(
                f"{path} has the line {line[:60]!r}; each line has a class's number and its name"
            )
        numbers[class_name.strip()] = number
    return numbers


def _stem(name: str) -> str:
    return pathlib.PurePosixPath(name).stem
