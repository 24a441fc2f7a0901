"""A fingerprint of files, without TFX and without reading them."""

import concurrent.futures
import hashlib
from collections.abc import Iterable

from models import files

# Of a file on another file system one waits for an answer; many are asked about at a time.
_QUESTIONS_AT_A_TIME = 32


def files_fingerprint(paths: Iterable[str]) -> str:
    """Returns a hash of files known by path, size and time of last change, unread.

    Args:
      paths: the files, in an order that stays; a missing one counts as such.
    """
    paths = list(paths)
    files.make_known(*paths)
    digest = hashlib.sha256()
    if any(files.is_remote(path) for path in paths):
        with concurrent.futures.ThreadPoolExecutor(_QUESTIONS_AT_A_TIME) as pool:
            lines = list(pool.map(_line, paths))
    else:
        lines = map(_line, paths)
    for line in lines:
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _line(path: str) -> str:
    try:
        size, changed = files.size_and_time(path)
    except OSError:
        return f"{path}\0missing\n"
    return f"{path}\0{size}\0{changed}\n"
