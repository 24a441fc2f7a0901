"""One line on a place that cannot be written to, from whichever library the error came."""

import errno
import os
import sqlite3

import pytest

from pipeline.storage_errors import storage_problem

_FULL = "the disk is full; free some space, or give a folder elsewhere, and run the command again"


def _raised(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (_raised(errno.ENOSPC), _FULL),
        (_raised(errno.ENOSPC, "/disk/a"), f"/disk/a: {_FULL}"),
        (
            _raised(errno.EDQUOT),
            "your quota of disk space is used up; free some space, or give a folder elsewhere, and "
            "run the command again",
        ),
        (
            _raised(errno.EROFS, "/cdrom/out"),
            "/cdrom/out: the file system can only be read; give a folder that you can write to",
        ),
        (
            _raised(errno.EACCES, "/locked/out"),
            "/locked/out: access is denied; change the permissions, or give another file or folder",
        ),
        (
            _raised(errno.ENOTDIR, "/etc/passwd/out"),
            "/etc/passwd/out: what should be a folder is a file; give a folder that you can write "
            "to",
        ),
    ],
    ids=["full", "full-path", "quota", "read-only", "denied", "file"],
)
def test_an_error_of_the_system_says_what_to_do(error, line):
    assert storage_problem(error) == line


def test_an_error_that_a_worker_tells_in_words_is_understood():
    text = "Traceback …\nOSError: [Errno 28] No space left on device: '/disk/b' [while running 'x']"
    assert storage_problem(RuntimeError(text)) == f"/disk/b: {_FULL}"


def test_an_error_of_tensorflow_is_understood():
    assert storage_problem(Exception("/disk/c.tmp; No space left on device")) == (
        f"/disk/c.tmp: {_FULL}"
    )


def test_a_file_in_place_of_a_folder_is_understood_in_the_words_of_tensorflow():
    assert storage_problem(Exception("/disk/file is not a directory")) == (
        "/disk/file: what should be a folder is a file; give a folder that you can write to"
    )


def test_an_error_of_the_metadata_store_is_understood():
    assert storage_problem(sqlite3.OperationalError("database or disk is full")) == _FULL


class PermissionDeniedError(Exception):
    """Stands for the one of TensorFlow, which takes seconds to import."""


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (PermissionDeniedError("Access Denied"), ""),
        (OSError(errno.EIO, "AccessDenied: Access Denied", "s3://bucket/x"), "s3://bucket/x: "),
        (RuntimeError("botocore: Unable to locate credentials [while running 'x']"), ""),
    ],
    ids=["tensorflow", "project", "worker"],
)
def test_a_store_that_refuses_access_is_told_with_the_credentials_it_wants(error, place):
    line = storage_problem(error)
    assert line.startswith(f"{place}the store refuses access; set the credentials")
    assert "AWS_ACCESS_KEY_ID" in line
    assert "GOOGLE_APPLICATION_CREDENTIALS" in line


def test_the_first_of_several_errors_counts():
    def fail():
        try:
            raise _raised(errno.ENOSPC, "/disk/d")
        except OSError:
            raise RuntimeError("cannot clean up") from None

    with pytest.raises(RuntimeError) as caught:
        fail()
    assert storage_problem(caught.value) == f"/disk/d: {_FULL}"


@pytest.mark.parametrize(
    "error",
    [ValueError("a setting is wrong"), FileNotFoundError(errno.ENOENT, "No such file", "a")],
    ids=["value", "not-found"],
)
def test_other_errors_are_left_alone(error):
    assert storage_problem(error) is None


def test_what_is_said_of_an_input_stays():
    def read():
        try:
            raise _raised(errno.ENOTDIR, "/file/hub")
        except OSError as error:
            raise ValueError("the hub folder cannot be read") from error

    with pytest.raises(ValueError, match="hub folder") as caught:
        read()
    assert storage_problem(caught.value) is None
