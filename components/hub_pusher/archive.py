"""A folder as the .tar.gz that TF Hub serves, the same bytes for the same files."""

import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

MEDIA_TYPE = "application/gzip"

_BLOCK_BYTES = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS  # zlib writes gzip's header itself then: no name, no time.
# Weights hardly get smaller, so that more than the quickest level only takes longer.
_LEVEL = 1


@dataclass(frozen=True)
class Entry:
    """A file or a folder of an archive.

    Attributes:
      name: its path from the archive's root, with slashes.
      size: in bytes; None for a folder.
      open: gives the content of a file.
    """

    name: str
    size: int | None = None
    open: Callable[[], BinaryIO] | None = None


def chunks(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Gives an archive piece by piece; no more than a piece of it is in memory.

    Time, owner and mode of the files are left out, and the order is that of the names, so that the
    archive tells nothing of the machine and is the same for the same files.

    Args:
      entries: what it holds. TF Hub's client makes no folder by itself: each is an entry too.

    Yields:
      The bytes, in order.

    Raises:
      RuntimeError: a file was changed while it was read.
    """
    gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for entry in sorted(entries, key=lambda entry: entry.name):
        yield gzip.compress(_header(entry))
        if entry.open is None:
            continue
        left = entry.size
        with entry.open() as stream:
            while block := stream.read(_BLOCK_BYTES):
                left -= len(block)
                yield gzip.compress(block)
        if left:
            raise RuntimeError(f"{entry.name} was changed while it was read; read it again")
        yield gzip.compress(bytes(-entry.size % tarfile.BLOCKSIZE))
    yield gzip.compress(bytes(2 * tarfile.BLOCKSIZE))
    yield gzip.flush()


def _header(entry: Entry) -> bytes:
    header = tarfile.TarInfo(entry.name)
    if entry.open is None:
        header.type, header.mode = tarfile.DIRTYPE, 0o755
    else:
        header.size, header.mode = entry.size, 0o644
    return header.tobuf(tarfile.PAX_FORMAT)
