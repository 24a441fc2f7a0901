"""LSMDC: tab-separated files without a header, one for each part. The whole file is the clip."""

import pathlib
from collections.abc import Iterator

from components.narrated_video_example_gen.annotations.annotation import (
    Annotation,
    one_line,
    whole_video,
)
from components.narrated_video_example_gen.manifest import ManifestError

# Clip id, start and end as aligned by hand, start and end as extracted, sentence. The times are
# those in the film, not in the clip's file.
_NUM_COLUMNS = 6


def read(path: pathlib.Path) -> Iterator[Annotation]:
    """Yields the sentences of a part of LSMDC in the file's order.

    The clip id names the clip's file; a few clips have more than one sentence. Nothing says how
    long a file lasts, nor which part it is: `train=FILE,eval=FILE` does.

    Args:
      path: such as `LSMDC16_annos_training.csv` or `LSMDC16_challenge_1000_publictect.csv`.

    Raises:
      ManifestError: the file cannot be read, or its first line has fewer than six columns.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream):
                # Sentences hold quotation marks that quote nothing, so this is no CSV.
                cells = line.rstrip("\n").split("\t")
                if number == 0 and len(cells) < _NUM_COLUMNS:
                    raise ManifestError(
                        f"{path} has {len(cells)} columns; LSMDC's files have {_NUM_COLUMNS}, "
                        f"separated by tabs: the clip's id, four times and the sentence"
                    )
                if line.strip():
                    sentence = cells[_NUM_COLUMNS - 1] if len(cells) >= _NUM_COLUMNS else ""
                    yield whole_video(cells[0].strip(), one_line(sentence))
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from error
