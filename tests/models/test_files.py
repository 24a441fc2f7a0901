"""Files on this machine; those on a store of objects are in tests/e2e/test_remote_storage.py."""

import os
import sys

import pytest

from models import files


@pytest.mark.parametrize(
    ("path", "scheme", "is_remote"),
    [
        ("s3://bucket/name", "s3", True),
        ("GS://bucket/name", "gs", True),
        ("hdfs://host:9000/name", "hdfs", True),
        ("https://tfhub.dev/x", "https", False),
        ("videos/a.mp4", "", False),
        ("C:/videos", "", False),
        ("/videos/s3://odd", "", False),
    ],
)
def test_which_paths_are_elsewhere(path, scheme, is_remote):
    assert files.scheme_of(path) == scheme
    assert files.is_remote(path) == is_remote
    assert files.is_address(path) == bool(scheme)


def test_a_path_is_joined_to_its_folder_unless_it_says_where_it_is():
    assert files.join("s3://bucket/list", "a/v.mp4") == "s3://bucket/list/a/v.mp4"
    assert files.join("s3://bucket/list", "gs://other/v.mp4") == "gs://other/v.mp4"
    assert files.join("videos", "./v.mp4") == "videos/v.mp4"
    assert files.join("videos", "/v.mp4") == "/v.mp4"


def test_a_local_path_becomes_absolute_and_an_address_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert files.absolute("run") == str(tmp_path / "run")
    assert files.absolute("s3://bucket/run") == "s3://bucket/run"
    assert files.absolute("") == ""


def test_a_file_that_is_not_completed_is_not_there_and_leaves_nothing(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")

    def fail_halfway():
        with files.replacing(path) as stream:
            stream.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_halfway()
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["file"]
    files.write_text(path, "naïve\r\nafter")
    assert path.read_bytes() == b"na\xc3\xafve\r\nafter"
    assert files.read_text(path) == "naïve\r\nafter"


def test_a_local_copy_of_a_local_file_is_the_file(tmp_path):
    with files.local_copy(tmp_path / "file") as local:
        assert local == str(tmp_path / "file")


def test_names_are_sorted_and_a_missing_folder_is_an_error(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / name).touch()
    assert files.names(tmp_path) == ["a", "b", "c"]
    with pytest.raises(FileNotFoundError):
        files.names(tmp_path / "gone")


def test_links_to_folders_are_followed_only_when_asked_for(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "there")
    assert [name for _, _, found in files.walk(tmp_path / "root") for name in found] == []
    followed = files.walk(tmp_path / "root", follow_links=True)
    assert [name for _, _, found in followed for name in found] == ["file"]


def test_an_unknown_file_system_is_said_in_one_line(monkeypatch):
    # tensorflow-io does not know it either, and would end this process in a way of its own.
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    with pytest.raises(OSError, match="knows no nowhere://") as caught:
        files.make_known("nowhere://bucket/name")
    assert "\n" not in str(caught.value)
