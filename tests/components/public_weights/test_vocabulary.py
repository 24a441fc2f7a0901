import numpy as np
import pytest

from components.public_weights import vocabulary


@pytest.mark.parametrize("dtype", [np.str_, np.bytes_])
def test_words_are_read_in_order(tmp_path, dtype):
    words = ["stir", "don't", "Salt", "stir"]
    np.save(tmp_path / "dict.npy", np.array(words).astype(dtype))
    assert vocabulary.read_vocabulary(tmp_path / "dict.npy") == words


def test_words_beyond_ascii_are_read(tmp_path):
    np.save(tmp_path / "text.npy", np.array(["crème", "汤"]))
    np.save(tmp_path / "bytes.npy", np.array(["crème".encode(), "汤".encode()]))
    assert vocabulary.read_vocabulary(tmp_path / "text.npy") == ["crème", "汤"]
    assert vocabulary.read_vocabulary(tmp_path / "bytes.npy") == ["crème", "汤"]


class _Bomb:
    """A word whose unpickling writes a file."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return open, (str(self._path), "w")


def test_objects_are_refused_unopened(tmp_path):
    words = np.array(["stir", _Bomb(tmp_path / "bomb")], dtype=object)
    np.save(tmp_path / "dict.npy", words, allow_pickle=True)
    with pytest.raises(ValueError, match=r"dict\.npy holds Python objects.*astype\(str\)"):
        vocabulary.read_vocabulary(tmp_path / "dict.npy")
    assert not (tmp_path / "bomb").exists()


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "dict.npy"
    with pytest.raises(ValueError, match=r"dict\.npy cannot be read: No such file"):
        vocabulary.read_vocabulary(path)
    path.write_text("stir\nsalt\n")
    with pytest.raises(ValueError, match=r"dict\.npy is damaged or no \.npy file"):
        vocabulary.read_vocabulary(path)
    np.save(path, np.array(["stir", "salt"]))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"dict\.npy is damaged or no \.npy file"):
        vocabulary.read_vocabulary(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"dict\.npy is damaged or no \.npy file"):
        vocabulary.read_vocabulary(path)
    np.save(path, np.zeros((3, 2), np.float32))
    with pytest.raises(ValueError, match=r"no list of words, but float32 \[3, 2\]"):
        vocabulary.read_vocabulary(path)
    with open(path, "wb") as file:
        np.savez(file, words=np.array(["stir"]))
    with pytest.raises(ValueError, match=r"dict\.npy is damaged or no \.npy file"):
        vocabulary.read_vocabulary(path)
    np.save(path, np.array([b"stir", b"cr\xe8me"]))
    with pytest.raises(ValueError, match=r"the word b'cr\\xe8me', which is not UTF-8"):
        vocabulary.read_vocabulary(path)


def test_words_that_are_found_keep_their_places():
    words = ["stir", "Salt", "", "stir", "half-way", "a\nb", "\ud800", "salt", "stir"]
    unique = vocabulary.make_unique(words)
    assert len(set(unique)) == len(words)
    # Of "stir" the last place counts, as in a dictionary that is filled in this order.
    assert unique == [
        "<unused 1>",
        "Salt",
        "<unused 3>",
        "<unused 4>",
        "half-way",
        "<unused 6>",
        "<unused 7>",
        "salt",
        "stir",
    ]


def test_names_of_unused_entries_do_not_meet_words():
    assert vocabulary.make_unique(["", "<unused 1>"]) == ["<unused 1> ", "<unused 1>"]
