"""What to do where a place cannot be written to, from whichever library the error came."""

import errno
import os
import re
from collections.abc import Iterator

_FREE_SPACE = "free some space, or give a folder elsewhere, and run the command again"
_GIVE_ANOTHER = "give a folder that you can write to"
# What is wrong and what to do, by the system's error.
_ADVICE = {
    errno.ENOSPC: ("the disk is full", _FREE_SPACE),
    errno.EDQUOT: ("your quota of disk space is used up", _FREE_SPACE),
    errno.EROFS: ("the file system can only be read", _GIVE_ANOTHER),
    errno.EACCES: ("access is denied", "change the permissions, or give another file or folder"),
    errno.EPERM: ("access is denied", "change the permissions, or give another file or folder"),
    errno.ENOTDIR: ("what should be a folder is a file", _GIVE_ANOTHER),
    # Where a folder is made that may be there already.
    errno.EEXIST: ("what should be a folder is a file", _GIVE_ANOTHER),
}
# What another file system says where it wants credentials, or others than it was given: the class
# of TensorFlow's error, as one sees it in a worker's words too; botocore's; Google's.
_REFUSED = (
    "PermissionDeniedError",
    "UnauthenticatedError",
    "AccessDenied",
    "Unable to locate credentials",
    "default credentials were not found",
)
_CREDENTIALS = (
    "the store refuses access; set the credentials that it asks for in the environment "
    "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://, GOOGLE_APPLICATION_CREDENTIALS for "
    "gs://), or give an address that yours open"
)
# TensorFlow and Beam's workers tell the system's error in words; SQLite has words of its own.
_IN_WORDS = {
    **{
        os.strerror(number): number
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR)
    },
    "is not a directory": errno.ENOTDIR,
    "database or disk is full": errno.ENOSPC,
    "attempt to write a readonly database": errno.EROFS,
}
# "[Errno 28] No space left on device: '/x/y'" of Python, "/x/y; No space left on device" and "/x/y
# is not a directory" of TensorFlow.
_PATH = r"(?:{words}: '(?P<after>[^']+)'|(?P<before>/[^;:'\"\s]+);? {words})"


def storage_problem(error: BaseException) -> str | None:
    """Returns one line on a place that is full, closed or refused, or None for any other error.

    Args:
      error: the error; those that led to it count too, as a full disk is often noticed first by
        one library and then, when that cleans up, by another. A `ValueError` is of another kind: it
        says what is wrong with an input, whatever was met in reading it.
    """
    if isinstance(error, ValueError):
        return None
    for link in _chain(error):
        number, path = _problem(link)
        if number is not None:
            what, advice = _ADVICE[number]
            return f"{path}: {what}; {advice}" if path else f"{what}; {advice}"
        described = f"{type(link).__name__}: {link}"
        if any(words in described for words in _REFUSED):
            path = os.fspath(getattr(link, "filename", "") or "")
            return f"{path}: {_CREDENTIALS}" if path else _CREDENTIALS
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and what led to it, the first of them first."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    yield from reversed(links)


def _problem(error: BaseException) -> tuple[int | None, str]:
    """Returns the system's error that an exception is about, and the path where that is told."""
    if isinstance(error, OSError) and error.errno in _ADVICE:
        return error.errno, os.fspath(error.filename) if error.filename else ""
    text = str(error)
    for words, number in _IN_WORDS.items():
        if words in text:
            found = re.search(_PATH.format(words=re.escape(words)), text)
            return number, (found["after"] or found["before"]) if found else ""
    return None, ""
