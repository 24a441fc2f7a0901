"""Reads vectors out of a word2vec file of any size: those of some words, or all that fit a rule.

gensim's own reader keeps every vector of the file (3.6 GB for GoogleNews); this one streams the
file and keeps only those that are asked for. Formats: word2vec text and binary, as written by the
original C program and gensim, and GloVe's text, which is the same without the first line; each
gzipped or not.
"""

import gzip
import itertools
import pathlib
import re
import zlib
from collections.abc import Callable, Collection, Iterator
from typing import BinaryIO

import numpy as np

_GZIP_MAGIC = b"\x1f\x8b"
_HEADER = re.compile(rb"\s*(\d+)\s+(\d+)\s*")
# Every pickle of protocol 2 or later starts with this byte and its protocol's number.
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_FOREIGN = {
    b"\xba\x16\x4f\x2f": "a fastText model; its .vec file can be read",
    b"\x93NUMPY": "a NumPy array without words",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"BZh": "a bzip2 archive; unpack it or compress it with gzip",
    b"\xfd7zXZ": "an xz archive; unpack it or compress it with gzip",
    b"\x89HDF": "an HDF5 file",
}
_LONGEST_LINE = 1 << 20
_LONGEST_WORD = 1 << 12
_LARGEST_SIZE = 1 << 16
_BLOCK = 1 << 22


class WordVectorsError(ValueError):
    """A file of word vectors cannot be used; the message says why and what to do."""


def read_vectors(path: pathlib.Path, words: Collection[str]) -> dict[str, np.ndarray]:
    """Returns the vectors of those of the words that the file has.

    A word that the file has in this very spelling gets that vector. Files such as GoogleNews keep
    capitals, whereas captions are lower-cased: any other word gets the vector of the first entry
    that lower-cases to it ("iPhone" for "iphone"), the most frequent one in the usual order.

    Args:
      path: the file.
      words: the lower-cased words needed.

    Returns:
      For each word found a float32 vector [D], in the order of `words`.

    Raises:
      WordVectorsError: the file is missing, truncated, malformed or of another format (a pickled
        gensim model is refused unopened, as unpickling it could run any program), or has none of
        the words.
    """
    wanted = {word.encode(): word for word in words}
    exact: dict[str, np.ndarray] = {}
    other_case: dict[str, np.ndarray] = {}
    for entry, vector in _entries(path):
        if entry in wanted:
            exact.setdefault(wanted[entry], vector())
            continue
        lowered = entry.decode("utf-8", errors="replace").lower()
        if lowered.encode() in wanted and lowered not in other_case:
            other_case[lowered] = vector()
    found = {}
    for word in words:
        vector = exact.get(word, other_case.get(word))
        if vector is None:
            continue
        if not np.isfinite(vector).all():
            raise WordVectorsError(f"{path}: the vector of {word!r} is not finite")
        found[word] = vector
    if not found:
        raise WordVectorsError(
            f"{path} has none of the {len(wanted)} words needed; are its words of another language?"
        )
    return found


def read_vocabulary(
    path: pathlib.Path, fits: Callable[[str], bool], limit: int | None = None
) -> tuple[list[str], np.ndarray]:
    """Returns the words of a file that fit a rule, and their vectors, with their capitals.

    Of equal words the first counts, as in gensim. Words that are not UTF-8 are left out.

    Args:
      path: the file.
      fits: says of a word whether to keep it.
      limit: the number of words to stop after, or None for all; the usual files begin with the
        most frequent words.

    Returns:
      The V words in the file's order, and their vectors with the padding's zeros as row 0, float32
      [V + 1, D]. While the file is read nothing larger is held.

    Raises:
      WordVectorsError: as `read_vectors`, or no word fits.
      ValueError: `limit` is not positive.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"the limit is {limit} words; give at least 1, or None for all")
    words: dict[str, None] = {}
    rows = bytearray()
    for entry, vector in _entries(path):
        try:
            word = entry.decode()
        except UnicodeDecodeError:
            continue
        if word in words or not fits(word):
            continue
        row = vector()
        if not np.isfinite(row).all():
            raise WordVectorsError(f"{path}: the vector of {word!r} is not finite")
        words[word] = None
        rows += row.tobytes() if rows else bytes(row.nbytes) + row.tobytes()
        if len(words) == limit:
            break
    if not words:
        raise WordVectorsError(f"{path} has no word that can be used")
    return list(words), np.frombuffer(rows, np.float32).reshape(len(words) + 1, -1)


_Entry = tuple[bytes, Callable[[], np.ndarray]]


def _entries(path: pathlib.Path) -> Iterator[_Entry]:
    """Yields each word's bytes and a function that makes its vector."""
    try:
        with _open(path) as stream:
            start = stream.readline(_LONGEST_LINE)
            second = stream.readline(_LONGEST_LINE)
    except (OSError, EOFError, zlib.error) as error:
        raise WordVectorsError(f"{path} cannot be read: {error}") from error
    _refuse_foreign(path, start)
    header = _HEADER.fullmatch(start)
    count, size = (int(number) for number in header.groups()) if header else (None, None)
    with _open(path) as stream:
        try:
            if header:
                if not (count and 0 < size <= _LARGEST_SIZE):
                    raise WordVectorsError(
                        f"{path} announces {count} words of {size} numbers, which cannot be"
                    )
                stream.readline()
                is_text = _text_fields(second, size) is not None
                entries = _text_entries if is_text else _binary_entries
                yield from entries(path, stream, count, size)
            else:
                size = len(start.split()) - 1
                if size < 2 or _text_fields(start, size) is None:
                    raise WordVectorsError(
                        f"{path} is not a word2vec file: its first line is neither the numbers of "
                        "words and dimensions nor a word with its vector"
                    )
                yield from _text_entries(path, stream, None, size)
        except (OSError, EOFError, zlib.error) as error:
            raise WordVectorsError(f"{path} cannot be read to its end: {error}") from error


def _open(path: pathlib.Path) -> BinaryIO:
    with open(path, "rb") as file:
        is_gzipped = file.read(2) == _GZIP_MAGIC
    return gzip.open(path, "rb") if is_gzipped else open(path, "rb")


def _refuse_foreign(path: pathlib.Path, start: bytes) -> None:
    if not start:
        raise WordVectorsError(f"{path} is empty")
    if _PICKLE.match(start):
        raise WordVectorsError(
            f"{path} is a pickled gensim file, which could run any program when opened; where you "
            "trust it, load it with gensim, call save_word2vec_format, and give that file"
        )
    for magic, kind in _FOREIGN.items():
        if start.startswith(magic):
            raise WordVectorsError(f"{path} is {kind}; a word2vec file is needed")


def _text_fields(line: bytes, size: int) -> list[bytes] | None:
    """Returns a line's word and `size` numbers, or None where they are not there.

    The word is what stands before the last `size` fields: some of GloVe's contain spaces.
    """
    fields = line.rstrip().rsplit(None, size)
    if len(fields) != size + 1:
        return None
    try:
        for field in fields[1:]:
            float(field)
    except ValueError:
        return None
    return fields


def _text_entries(
    path: pathlib.Path, stream: BinaryIO, count: int | None, size: int
) -> Iterator[_Entry]:
    lines = iter(lambda: stream.readline(_LONGEST_LINE), b"")
    read = 0
    for line in itertools.islice(lines, count):
        fields = line.rstrip().rsplit(None, size)
        if len(fields) != size + 1:
            raise WordVectorsError(
                f"{path}: word {read + 1} has {max(len(fields) - 1, 0)} numbers instead of {size}; "
                "the file is truncated or malformed"
            )

        def vector(fields: list[bytes] = fields, position: int = read + 1) -> np.ndarray:
            try:
                return np.array([float(field) for field in fields[1:]], np.float32)
            except ValueError as error:
                raise WordVectorsError(f"{path}: word {position}: {error}") from error

        yield fields[0].lstrip(), vector
        read += 1
    _check_count(path, read, count)


def _binary_entries(
    path: pathlib.Path, stream: BinaryIO, count: int, size: int
) -> Iterator[_Entry]:
    data, position = b"", 0
    for read in range(count):
        # A word, a space, and the numbers; the C program also ends each entry with a newline.
        while True:
            space = data.find(b" ", position, position + _LONGEST_WORD)
            end = space + 1 + 4 * size
            if space >= 0 and end <= len(data):
                break
            if space < 0 and len(data) - position >= _LONGEST_WORD:
                raise WordVectorsError(
                    f"{path}: no space ends word {read + 1}; this is no binary word2vec file"
                )
            block = stream.read(max(_BLOCK, 4 * size))
            if not block:
                _check_count(path, read, count)
            data, position = data[position:] + block, 0
        word = data[position:space].lstrip(b"\n")

        def vector(data: bytes = data, offset: int = space + 1) -> np.ndarray:
            return np.frombuffer(data, "<f4", size, offset).astype(np.float32)

        yield word, vector
        position = end


def _check_count(path: pathlib.Path, read: int, count: int | None) -> None:
    if count is not None and read < count:
        raise WordVectorsError(f"{path} is truncated: it ends after {read} of {count} words")
