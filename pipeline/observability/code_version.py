"""The version of this code, as the metadata of a run names it."""

import importlib.metadata
import pathlib
import subprocess

_DISTRIBUTION = "howto100m-tfx"
_THIS_FILE = pathlib.Path(__file__).resolve()
_GIT_SECONDS = 30

UNKNOWN = "unknown"


def code_version(source: pathlib.Path = _THIS_FILE) -> str:
    """Returns the git commit of the code, or without a repository the version of the package.

    A commit is followed by "-dirty" where tracked files differ from it.

    Args:
      source: any file of the code.
    """
    return _commit(source) or _package_version()


def _commit(source: pathlib.Path) -> str | None:
    # Installed code may lie within a repository of its user, which does not track it.
    if _git(source, "ls-files", "--error-unmatch", source.name) is None:
        return None
    return _git(source, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(source: pathlib.Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(source.parent), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _package_version() -> str:
    try:
        return f"{_DISTRIBUTION} {importlib.metadata.version(_DISTRIBUTION)}"
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN
