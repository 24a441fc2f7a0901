"""What a hub folder holds, for a server: nothing outside it, and nothing half-written."""

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from components.hub_pusher import archive
from models import hub_folder

_MAX_CARD_BYTES = 1 << 20


class HubError(Exception):
    """What was asked for is not given; the message is one line for who asked.

    Attributes:
      status: the HTTP status.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Archive:
    """The archive of a version that lies beside it.

    Attributes:
      path: the file.
      status: its size and times.
    """

    path: str
    status: os.stat_result


class HubFolder:
    """A local hub folder, `<publisher>/<model>/<version>`; it may change while it is served."""

    def __init__(self, root: str):
        """Opens a hub folder.

        Args:
          root: the folder.

        Raises:
          ValueError: it is no folder, or cannot be read.
        """
        if "://" in root:
            raise ValueError(
                f"{root} cannot be served, as it is no folder of this machine: `hub.load` reads it "
                f"itself; or mount or copy it, and serve that"
            )
        try:
            os.listdir(root)
        except OSError as error:
            raise ValueError(
                f"the hub folder {root} cannot be read: {error.strerror}; give a folder with "
                f"publisher/model/version in it"
            ) from error
        self._root = os.path.realpath(root)

    def publishers(self) -> list[str]:
        """Returns the publishers that have a model."""
        return [name for name in self._names() if self._has_models(name)]

    def models(self, publisher: str) -> list[str]:
        """Returns the models of a publisher that have a version.

        Args:
          publisher: its name.

        Raises:
          HubError: there is no such publisher.
        """
        models = [name for name in self._names(publisher) if self._has_versions(publisher, name)]
        if not models:
            raise HubError(404, f"{publisher} has no model here")
        return models

    def versions(self, publisher: str, model: str) -> list[str]:
        """Returns the versions of a model, the newest first.

        Args:
          publisher: its name.
          model: the model's.

        Raises:
          HubError: there is no such model, or it has no whole version.
        """
        folder = self._folder(publisher, model)
        versions = [
            name
            for name in os.listdir(folder)
            if hub_folder.is_version(name) and self._is_whole(os.path.join(folder, name))
        ]
        if not versions:
            raise HubError(404, f"{publisher}/{model} has no version here")
        return sorted(versions, key=int, reverse=True)

    def stored_archive(self, publisher: str, model: str, version: str) -> Archive | None:
        """Returns the archive beside a version, or None if there is none.

        Args:
          publisher: its name.
          model: the model's.
          version: the version's.

        Raises:
          HubError: there is no such version.
        """
        path = self._version(publisher, model, version) + hub_folder.ARCHIVE_SUFFIX
        status = _regular(path)
        return Archive(path, status) if status else None

    def entries(self, publisher: str, model: str, version: str) -> list[archive.Entry]:
        """Returns the files and folders of a version, to make its archive of.

        Args:
          publisher: its name.
          model: the model's.
          version: the version's.

        Raises:
          HubError: there is no such version, or it holds a link or anything else but files.
        """
        folder = self._version(publisher, model, version)
        entries = []
        for parent, folders, files in os.walk(folder, onerror=_raise):
            for name in (*folders, *files):
                path = os.path.join(parent, name)
                status = os.lstat(path)
                below = os.path.relpath(path, folder)
                if stat.S_ISDIR(status.st_mode):
                    entries.append(archive.Entry(below))
                elif stat.S_ISREG(status.st_mode):
                    entries.append(_file_entry(path, below, status.st_size))
                else:
                    raise HubError(
                        403, f"{publisher}/{model}/{version} holds a link or a special file"
                    )
        return entries

    def card(self, publisher: str, model: str, version: str) -> str | None:
        """Returns the model card of a version in Markdown, or None if there is none.

        Args:
          publisher: its name.
          model: the model's.
          version: the version's.

        Raises:
          HubError: there is no such version.
        """
        path = os.path.join(self._version(publisher, model, version), hub_folder.CARD_FILE)
        if not _regular(path):
            return None
        with _open(path) as stream:
            return stream.read(_MAX_CARD_BYTES).decode("utf-8", errors="replace")

    def _version(self, publisher: str, model: str, version: str) -> str:
        folder = self._folder(publisher, model)
        if not hub_folder.is_version(version):
            raise HubError(400, "a version is a number of at most 18 digits")
        folder = self._inside(os.path.join(folder, version))
        if not self._is_whole(folder):
            raise HubError(404, f"{publisher}/{model} has no version {version} here")
        return folder

    def _folder(self, *names: str) -> str:
        if not all(hub_folder.is_name(name) for name in names):
            raise HubError(
                400, "a name has at most 100 letters, digits and any of ._- and starts with none"
            )
        folder = self._inside(os.path.join(self._root, *names))
        if not os.path.isdir(folder):
            raise HubError(404, f"{'/'.join(names)} is not here")
        return folder

    def _inside(self, path: str) -> str:
        """Returns the path without symbolic links, if they do not lead out of the hub folder."""
        real = os.path.realpath(path)
        if os.path.commonpath([real, self._root]) != self._root:
            raise HubError(403, "a link leads out of the hub folder")
        return real

    def _is_whole(self, folder: str) -> bool:
        with contextlib.suppress(HubError):
            return bool(_regular(os.path.join(self._inside(folder), hub_folder.SAVED_MODEL_FILE)))
        return False

    def _names(self, *names: str) -> list[str]:
        return sorted(filter(hub_folder.is_name, os.listdir(self._folder(*names))))

    def _has_models(self, publisher: str) -> bool:
        with contextlib.suppress(HubError, OSError):
            return bool(self.models(publisher))
        return False

    def _has_versions(self, publisher: str, model: str) -> bool:
        with contextlib.suppress(HubError, OSError):
            return bool(self.versions(publisher, model))
        return False


def _regular(path: str) -> os.stat_result | None:
    """Returns the status of a file, or None if it is none: a folder, a link, a device."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _file_entry(path: str, name: str, size: int) -> archive.Entry:
    return archive.Entry(name, size, lambda: _open(path))


def _open(path: str) -> BinaryIO:
    # A file may have become a link since it was looked at.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _raise(error: OSError) -> NoReturn:
    raise error
