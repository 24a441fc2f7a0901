"""A new version of a model in its hub folder, whole or not at all.

In a local folder the version and its archive are made in `.pushing-<version>`, which no reader
takes for a version, and then renamed. Pushes to one model wait for each other; what a killed one
left is removed by the next.

Object stores cannot rename a folder. There saved_model.pb, without which no reader takes a folder
for a model, comes last, after the other files and the archive. What a killed or failed
push left stays there, is never taken for a version, and its number is not used again. Only one
push at a time may run.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator

import tensorflow as tf

from components.hub_pusher import archive
from models import files, hub_folder

_STAGING = ".pushing-"
_BLOCK_BYTES = 1 << 20


def push(model: str, hub_directory: str, now: float | None = None) -> str:
    """Copies a model into its hub folder as a new version, with its archive beside it.

    A model that is the newest version already is not pushed again: a run that was cut off after
    its push, and then repeated, makes no second version.

    Args:
      model: the folder of the SavedModel.
      hub_directory: `<hub>/<publisher>/<model>`, on any file system that TensorFlow knows.
      now: the Unix time; the clock's if not given.

    Returns:
      The folder of the version; `<version>.tar.gz` is beside it.

    Raises:
      ValueError: there is no SavedModel.
      RuntimeError: the hub folder cannot be written to, or there is no room in it.
      OSError: TensorFlow does not know the hub's file system.
    """
    if not tf.io.gfile.exists(os.path.join(model, hub_folder.SAVED_MODEL_FILE)):
        raise ValueError(
            f"{model} cannot be pushed: it holds no {hub_folder.SAVED_MODEL_FILE}; give the folder "
            f"of a SavedModel"
        )
    now = time.time() if now is None else now
    hub_directory = hub_directory.rstrip("/")
    files.make_known(hub_directory)
    try:
        tf.io.gfile.makedirs(hub_directory)
        push_new = _push_in_order if files.is_remote(hub_directory) else _push_by_rename
        with _alone_in(hub_directory):
            return _newest_if_same(model, hub_directory) or push_new(model, hub_directory, now)
    except (OSError, tf.errors.OpError) as error:
        reason = str(error) or type(error).__name__
        raise RuntimeError(
            f"no new version can be made in {hub_directory}: {reason}; give a hub folder that can "
            f"be written to and has room for the model twice, and run again"
        ) from error


def next_version(names: Iterable[str], now: float) -> str:
    """Returns the number of a new version: the Unix time, but higher than all that are there.

    Args:
      names: what is in the folder of the model; archives count as their versions do.
      now: the Unix time.
    """
    stems = (name.rstrip("/").removesuffix(hub_folder.ARCHIVE_SUFFIX) for name in names)
    taken = (int(stem) for stem in stems if hub_folder.is_version(stem))
    return str(max([int(now), *(version + 1 for version in taken)]))


@contextlib.contextmanager
def local_copy(folder: str) -> Iterator[str]:
    """Gives a local folder with the files of a folder, for libraries that read no other.

    Args:
      folder: the folder; a local one is given as it is.

    Yields:
      The local folder, which is there until the end of the `with`.
    """
    if not files.is_remote(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as local:
        _copy(folder, local)
        yield local


@contextlib.contextmanager
def _alone_in(directory: str) -> Iterator[None]:
    """Waits until no other push works in a local folder, and clears up after killed ones."""
    if files.is_remote(directory):
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # A killed process does not hold it.
        for name in os.listdir(directory):
            if name.startswith(_STAGING):
                _discard(directory, name.removeprefix(_STAGING))
        yield
    finally:
        os.close(descriptor)


def _names(hub_directory: str) -> list[str]:
    try:
        return tf.io.gfile.listdir(hub_directory)
    except tf.errors.NotFoundError:
        return []  # Object stores know no empty folder.


def _newest_if_same(model: str, hub_directory: str) -> str | None:
    """Returns the folder of the newest version if it holds the files of the model."""
    version = hub_folder.newest(
        _names(hub_directory),
        lambda name: tf.io.gfile.exists(
            os.path.join(hub_directory, name, hub_folder.SAVED_MODEL_FILE)
        ),
    )
    if version is None:
        return None
    folder = os.path.join(hub_directory, version)
    is_packed = tf.io.gfile.exists(folder + hub_folder.ARCHIVE_SUFFIX)
    return folder if is_packed and _have_same_files(model, folder) else None


def _have_same_files(first: str, second: str) -> bool:
    # Files alone, as empty folders do not come to an object store.
    entries, others = (
        sorted((entry for entry in _entries(folder) if entry.open), key=lambda entry: entry.name)
        for folder in (first, second)
    )
    if [(file.name, file.size) for file in entries] != [(file.name, file.size) for file in others]:
        return False
    return all(map(_have_same_bytes, entries, others))


def _have_same_bytes(first: archive.Entry, second: archive.Entry) -> bool:
    with first.open() as stream, second.open() as other:
        while block := stream.read(_BLOCK_BYTES):
            if block != other.read(_BLOCK_BYTES):
                return False
    return True


def _push_by_rename(model: str, hub_directory: str, now: float) -> str:
    version = next_version(_names(hub_directory), now)
    folder = os.path.join(hub_directory, version)
    staging = os.path.join(hub_directory, _STAGING + version)
    staged_folder = os.path.join(staging, "model")
    staged_archive = os.path.join(staging, "archive")
    try:
        _copy(model, staged_folder)
        _write_archive(staged_folder, staged_archive)
        # In this order a version that is there has its archive.
        os.rename(staged_archive, folder + hub_folder.ARCHIVE_SUFFIX)
        os.rename(staged_folder, folder)
    finally:
        _discard(hub_directory, version)
    return folder


def _discard(hub_directory: str, version: str) -> None:
    """Removes what a push needs no more, with its archive if it did not come to its end."""
    folder = os.path.join(hub_directory, version)
    if not os.path.isdir(folder):
        with contextlib.suppress(FileNotFoundError):
            os.remove(folder + hub_folder.ARCHIVE_SUFFIX)
    shutil.rmtree(os.path.join(hub_directory, _STAGING + version), ignore_errors=True)


def _push_in_order(model: str, hub_directory: str, now: float) -> str:
    version = next_version(_names(hub_directory), now)
    folder = os.path.join(hub_directory, version)
    marker = hub_folder.SAVED_MODEL_FILE
    _copy(model, folder, but=marker)
    _write_archive(model, folder + hub_folder.ARCHIVE_SUFFIX)
    # Not all of these file systems show a file only when all of it is written.
    unfinished = os.path.join(hub_directory, _STAGING + version)
    tf.io.gfile.copy(os.path.join(model, marker), unfinished)
    tf.io.gfile.rename(unfinished, os.path.join(folder, marker))
    return folder


def _write_archive(folder: str, path: str) -> None:
    with tf.io.gfile.GFile(path, "wb") as stream:
        for chunk in archive.chunks(_entries(folder)):
            stream.write(chunk)


def _copy(source: str, target: str, but: str = "") -> None:
    """Copies all files of a folder except the one called `but`."""
    tf.io.gfile.makedirs(target)
    for entry in _entries(source):
        path = os.path.join(target, entry.name)
        if entry.open is None:
            tf.io.gfile.makedirs(path)
        elif entry.name != but:
            tf.io.gfile.copy(os.path.join(source, entry.name), path)


def _entries(folder: str) -> list[archive.Entry]:
    """Returns the files and folders below a folder, a folder before what is in it."""
    entries = []
    for parent, folders, names in tf.io.gfile.walk(folder):
        below = parent.removeprefix(folder).strip("/")
        entries += [archive.Entry(os.path.join(below, name.rstrip("/"))) for name in folders]
        entries += [_file(os.path.join(parent, name), os.path.join(below, name)) for name in names]
    return entries


def _file(path: str, name: str) -> archive.Entry:
    size = tf.io.gfile.stat(path).length
    return archive.Entry(name, size, lambda: tf.io.gfile.GFile(path, "rb"))
