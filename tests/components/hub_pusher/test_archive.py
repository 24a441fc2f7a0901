import io
import tarfile

import pytest

from components.hub_pusher import archive


def _file(name, content):
    return archive.Entry(name, len(content), lambda: io.BytesIO(content))


_LONG = "variables/" + 120 * "v"
_ENTRIES = [
    _file("saved_model.pb", b"graph"),
    archive.Entry("variables"),
    archive.Entry("assets"),
    _file(_LONG, bytes(3 << 20)),
    _file("variables/empty", b""),
    _file("assets/ü.txt", b"x" * 512),
]


def _pack(entries):
    return b"".join(archive.chunks(entries))


def test_the_archive_has_every_file_below_its_folder_at_the_root():
    with tarfile.open(fileobj=io.BytesIO(_pack(_ENTRIES)), mode="r|*") as tar:
        found = {m.name: tar.extractfile(m).read() if m.isfile() else None for m in tar}
    assert list(found) == sorted(entry.name for entry in _ENTRIES)
    assert found["saved_model.pb"] == b"graph"
    assert found["variables"] is None
    assert found[_LONG] == bytes(3 << 20)
    assert found["variables/empty"] == b""
    assert found["assets/ü.txt"] == b"x" * 512


def test_the_archive_tells_nothing_of_the_machine():
    packed = _pack(_ENTRIES)
    assert packed[:2] == b"\x1f\x8b"
    assert packed[3] == 0  # No name.
    assert packed[4:8] == bytes(4)  # No time.
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar:
            assert (member.uid, member.gid, member.mtime) == (0, 0, 0)
            assert (member.uname, member.gname) == ("", "")
            assert member.mode == (0o755 if member.isdir() else 0o644)


def test_the_order_of_the_entries_does_not_matter():
    assert _pack(_ENTRIES) == _pack(_ENTRIES[::-1])


@pytest.mark.parametrize("size", [1, 9])
def test_a_file_that_changes_is_an_error(size):
    entry = archive.Entry("weights", size, lambda: io.BytesIO(b"four"))
    with pytest.raises(RuntimeError, match="weights was changed while it was read"):
        _pack([entry])


def test_an_archive_is_made_piece_by_piece():
    opened = []

    def opener(name):
        def open_file():
            opened.append(name)
            return io.BytesIO(bytes(8))

        return open_file

    pieces = archive.chunks([archive.Entry(name, 8, opener(name)) for name in "ab"])
    for _ in range(3):
        next(pieces)
    assert opened == ["a"]
