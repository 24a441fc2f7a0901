"""Files by their path on this machine, or by an address such as s3://bucket/name.

Addresses are TensorFlow's business: what `tf.io.gfile` can read, every part of the project can.
Local files go to the operating system without TensorFlow, which takes seconds to import. What is
wrong with a file is an `OSError` in both cases.
"""

import contextlib
import errno
import logging
import os
import pathlib
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from typing import IO, Any, NoReturn

Path = str | os.PathLike[str]

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_ROOT_OF_A_STORE = re.compile(r"[^:/]+://[^/]+")
# Addresses of pages, which hub.load takes but which are no file systems.
_OF_THE_WEB = ("http", "https")


def scheme_of(path: Path) -> str:
    """Returns the file system that an address names, such as "s3"; empty for a local path.

    Args:
      path: a path or an address.
    """
    match = _SCHEME.match(os.fspath(path))
    return match[1].lower() if match else ""


def is_remote(path: Path) -> bool:
    """Tells whether a path is an address on another file system.

    Args:
      path: a path or an address.
    """
    return scheme_of(path) not in ("", *_OF_THE_WEB)


def is_address(path: Path) -> bool:
    """Tells whether a path is an address of any kind, those of the web among them.

    Args:
      path: a path or an address.
    """
    return bool(scheme_of(path))


def absolute(path: str) -> str:
    """Returns a local path as an absolute one; an address, or an empty string, as it is.

    Args:
      path: a path or an address.
    """
    return path if not path or is_address(path) else os.path.abspath(path)


def make_known(*paths: Path) -> None:
    """Lets TensorFlow know the file systems of some paths, in this process.

    Args:
      *paths: any; nothing is done for local ones.

    Raises:
      OSError: this TensorFlow cannot know one of them.
    """
    for scheme in sorted({scheme_of(path) for path in paths if is_remote(path)}):
        import tensorflow as tf

        if scheme not in tf.io.gfile.get_registered_schemes():
            with contextlib.suppress(ImportError):
                import tensorflow_io  # noqa: F401 - registers its file systems.
        if scheme not in tf.io.gfile.get_registered_schemes():
            raise OSError(
                errno.EPROTONOSUPPORT,
                f"TensorFlow {tf.__version__} here knows no {scheme}:// and tensorflow-io, which "
                f"would add it, is not installed: mount it as a folder, use gs://, or take Python "
                f"3.10, for which tensorflow-io exists",
            )


def end_process(status: int) -> NoReturn:
    """Ends this process; one that has loaded tensorflow-io without Python's own last steps.

    In those tensorflow-io aborts the process, and what was done well would look like a failure.

    Args:
      status: the exit status.
    """
    if "tensorflow_io" in sys.modules:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
    sys.exit(status)


@contextlib.contextmanager
def _on(path: Path) -> Iterator[Any]:
    """Gives `tf.io.gfile` for an address, whose errors become those of Python."""
    make_known(path)
    import tensorflow as tf

    try:
        yield tf.io.gfile
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from error
    except tf.errors.OpError as error:
        message = str(error.message).splitlines()[0] if error.message else type(error).__name__
        raise OSError(errno.EIO, message, path) from error


def join(folder: str, name: str) -> str:
    """Returns the path of a name in a folder, or the name where it is an address or absolute.

    Args:
      folder: a path or an address.
      name: a path below it.
    """
    if is_address(name):
        return name
    return os.path.join(folder, name) if is_address(folder) else str(pathlib.PurePath(folder, name))


def is_file(path: Path) -> bool:
    """Tells whether there is such a file.

    Args:
      path: a path or an address.

    Raises:
      OSError: the other file system does not answer.
    """
    if not is_remote(path):
        return os.path.isfile(path)
    with _on(path) as gfile:
        return gfile.exists(path) and not gfile.isdir(path)


def _as_folder(path: Path) -> str:
    """Returns an address as that of a folder, which a bucket alone is with a slash at its end."""
    address = os.fspath(path)
    return f"{address}/" if _ROOT_OF_A_STORE.fullmatch(address) else address


def is_folder(path: Path) -> bool:
    """Tells whether there is such a folder; in a store of objects, whether something lies below it.

    Args:
      path: a path or an address.

    Raises:
      OSError: the other file system does not answer.
    """
    if not is_remote(path):
        return os.path.isdir(path)
    with _on(path) as gfile:
        return gfile.isdir(_as_folder(path))


def names(folder: Path) -> list[str]:
    """Returns the names of what a folder holds, sorted.

    Args:
      folder: a path or an address.

    Raises:
      OSError: it cannot be listed.
    """
    if not is_remote(folder):
        return sorted(os.listdir(folder))
    with _on(folder) as gfile:
        # Some file systems end the names of folders with a slash, and some repeat them.
        return sorted({name.rstrip("/") for name in gfile.listdir(_as_folder(folder))} - {""})


def walk(folder: Path, follow_links: bool = False) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yields each folder with the names of its folders and files, as `os.walk` does from the top.

    Names may be taken out of the list of folders, and are then not visited, on this machine alone.

    Args:
      folder: a path or an address.
      follow_links: whether links to folders of this machine are followed.

    Raises:
      OSError: another file system cannot be listed.
    """
    if not is_remote(folder):
        yield from os.walk(folder, followlinks=follow_links)
        return
    with _on(folder) as gfile:
        for parent, folders, found in gfile.walk(_as_folder(folder)):
            yield parent.rstrip("/"), [name.rstrip("/") for name in folders], list(found)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, where they are missing.

    Args:
      folder: a path or an address.

    Raises:
      OSError: it cannot be made.
    """
    if not is_remote(folder):
        os.makedirs(folder, exist_ok=True)
        return
    with _on(folder) as gfile:
        gfile.makedirs(folder)


def size_and_time(path: Path) -> tuple[int, int]:
    """Returns a file's size in bytes and the time of its last change in nanoseconds.

    Args:
      path: a path or an address.

    Raises:
      OSError: there is no such file, or it cannot be looked at.
    """
    if not is_remote(path):
        status = os.stat(path)
        return status.st_size, status.st_mtime_ns
    with _on(path) as gfile:
        status = gfile.stat(path)
        return status.length, status.mtime_nsec


@contextlib.contextmanager
def local_copy(path: Path) -> Iterator[str]:
    """Gives a local file with the content of `path`: itself, or a copy that goes with the context.

    Args:
      path: a path or an address.

    Raises:
      OSError: it cannot be read, or there is no room for the copy.
    """
    if not is_remote(path):
        yield os.fspath(path)
        return
    with tempfile.TemporaryDirectory(prefix="howto100m-") as folder:
        copy = os.path.join(folder, os.path.basename(path))
        with _on(path) as gfile:
            gfile.copy(path, copy)
        yield copy


@contextlib.contextmanager
def opened(path: Path, mode: str = "rb", **options: Any) -> Iterator[IO[Any]]:
    """Opens a file for reading, as Python's `open` does.

    Args:
      path: a path or an address.
      mode: "rb" or "r".
      **options: `encoding` and `newline`.

    Raises:
      OSError: it cannot be read.
    """
    with local_copy(path) as local, open(local, mode, **options) as stream:
        yield stream


def read_text(path: Path) -> str:
    """Returns the text of a file in UTF-8, with its line ends as they are.

    Args:
      path: a path or an address.

    Raises:
      OSError: it cannot be read.
      UnicodeDecodeError: it is not UTF-8.
    """
    with opened(path) as stream:
        return stream.read().decode("utf-8")


@contextlib.contextmanager
def staged(path: Path, folder: Path = "") -> Iterator[str]:
    """Gives a temporary path whose file takes the place of `path` once it is complete.

    That of an address is a file of this machine: a store of objects shows an object only once it is
    whole, while to rename one is to copy it, and some cannot rename an empty one.

    Args:
      path: a path or an address; its folder is there.
      folder: where the temporary file of a local path lies, on the same file system; beside `path`
        if empty. What a killed process leaves stays there, so where whole folders are read it must
        be another.

    Raises:
      OSError: it cannot be written.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory(prefix="howto100m-") as local_folder:
            local = os.path.join(local_folder, os.path.basename(path))
            yield local
            with _on(path) as gfile:
                gfile.copy(local, path, overwrite=True)
        return
    name = f"{os.path.basename(path)}.{uuid.uuid4().hex}.tmp"
    temporary = os.path.join(folder or os.path.dirname(path), name)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file for writing that takes the place of `path` once it is complete.

    Args:
      path: a path or an address; its folder is there.

    Raises:
      OSError: it cannot be written.
    """
    with staged(path) as temporary, open(temporary, "wb") as stream:
        yield stream


@contextlib.contextmanager
def written(path: Path) -> Iterator[IO[str]]:
    """Opens a file for text in UTF-8 that takes the place of `path` once it is complete.

    Args:
      path: a path or an address; its folder is there.

    Raises:
      OSError: it cannot be written.
    """
    with staged(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        yield stream


def write_text(path: Path, text: str) -> None:
    """Writes a file in UTF-8 that is there whole or not at all.

    Args:
      path: a path or an address; its folder is there.
      text: the content.

    Raises:
      OSError: it cannot be written.
    """
    with written(path) as stream:
        stream.write(text)


def copy(source: Path, target: Path) -> None:
    """Copies a file over another, or to a new one.

    Args:
      source: a path or an address.
      target: a path or an address; its folder is there.

    Raises:
      OSError: one cannot be read or the other not written.
    """
    with opened(source) as reading, replacing(target) as writing:
        shutil.copyfileobj(reading, writing)
