import gzip
import pickle
import struct

import gensim.models
import numpy as np
import pytest
from gensim.models import KeyedVectors

from components.word_vectors import reader


def _binary(entries: dict[str, list[float]], newline: bytes = b"\n") -> bytes:
    size = len(next(iter(entries.values())))
    parts = [f"{len(entries)} {size}\n".encode()]
    for word, vector in entries.items():
        parts.append(word.encode() + b" " + struct.pack(f"<{size}f", *vector) + newline)
    return b"".join(parts)


# The bytes of these numbers contain spaces and newlines.
_AWKWARD = struct.unpack("<2f", b" \n \n\n  \n")


@pytest.mark.parametrize(
    ("name", "binary", "no_header"),
    [
        ("gensim_euclidean_vectors.bin", True, False),
        ("gensim_high_precision.kv.bin", True, False),
        ("gensim_high_precision.kv.txt", False, False),
        ("gensim_crime-and-punishment.vec", False, False),
        ("glove_youcook2_300d.txt", False, False),
        ("gensim_test_glove.txt", False, True),
    ],
)
@pytest.mark.parametrize("gzipped", [False, True])
def test_vectors_equal_those_of_gensim(shared_data, tmp_path, name, binary, no_header, gzipped):
    path = shared_data / "text" / name
    expected = KeyedVectors.load_word2vec_format(str(path), binary=binary, no_header=no_header)
    if gzipped:
        compressed = tmp_path / "vectors.gz"
        compressed.write_bytes(gzip.compress(path.read_bytes()))
        path = compressed
    needed = [word for word in expected.index_to_key if word == word.lower()][::-2]
    found = reader.read_vectors(path, [*needed, "no such word"])
    assert list(found) == needed
    np.testing.assert_array_equal(np.stack(list(found.values())), expected[needed])
    assert all(vector.dtype == np.float32 for vector in found.values())


@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_binary_numbers_may_look_like_spaces_and_newlines(tmp_path, newline, monkeypatch):
    path = tmp_path / "vectors.bin"
    entries = {"fold": list(_AWKWARD), "æg": [1.0, 2.0], "star": list(_AWKWARD[::-1])}
    path.write_bytes(_binary(entries, newline))
    # Blocks shorter than an entry: entries lie across their borders.
    monkeypatch.setattr(reader, "_BLOCK", 5)
    found = reader.read_vectors(path, ["star", "æg", "fold"])
    assert {word: vector.tolist() for word, vector in found.items()} == entries


def test_spelling_of_the_word_goes_before_other_capitals(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("5 2\nTurkey 1 1\nIPHONE 2 2\nturkey 3 3\niPhone 4 4\nÆG 5 5\n")
    found = reader.read_vectors(path, ["turkey", "iphone", "æg"])
    assert {word: vector.tolist() for word, vector in found.items()} == {
        "turkey": [3, 3],
        "iphone": [2, 2],
        "æg": [5, 5],
    }


def test_first_of_equal_words_counts(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("3 2\na 1 1\na 2 2\nb 3 3\n")
    assert reader.read_vectors(path, ["a"])["a"].tolist() == [1, 1]


def test_words_of_glove_may_contain_spaces(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("the 1 2 3\n. . . 1 2 3\nstir 4 5 6\n")
    assert reader.read_vectors(path, ["stir"])["stir"].tolist() == [4, 5, 6]


def test_pickles_are_refused_unopened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "opened"), "w"))

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / f"bomb{protocol}.kv"
        path.write_bytes(pickle.dumps(Bomb(), protocol=protocol))
        message = "pickled gensim file" if protocol >= 2 else "not a word2vec file"
        with pytest.raises(reader.WordVectorsError, match=message):
            reader.read_vectors(path, ["a"])
    assert not (tmp_path / "opened").exists()


def test_files_saved_by_gensim_are_refused(tmp_path):
    model = gensim.models.Word2Vec([["a", "b"]], vector_size=4, min_count=1)
    for name, saved in (("vectors.model", model), ("vectors.kv", model.wv)):
        saved.save(str(tmp_path / name))
        with pytest.raises(reader.WordVectorsError, match="save_word2vec_format"):
            reader.read_vectors(tmp_path / name, ["a"])


def test_fasttext_binary_is_named(shared_data):
    path = shared_data / "text" / "gensim_crime-and-punishment.bin"
    with pytest.raises(reader.WordVectorsError, match="fastText model"):
        reader.read_vectors(path, ["и"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"Lorem ipsum dolor sit amet\n", "not a word2vec file"),
        (b"\x93NUMPY\x01\x00", "NumPy array"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"0 300\n", "announces 0 words"),
        (b"3 2\na 1 1\nb 2 2\n", "ends after 2 of 3 words"),
        (b"2 3\na 1 1 1\nb 2 2\n", "word 2 has 2 numbers instead of 3"),
        (b"2 2\nb 1 1\na 2 x\n", "word 2: could not convert"),
        (b"1 2\na nan 1\n", "'a' is not finite"),
        (b"2 2\nx 1 1\ny 2 2\n", "none of the 1 words needed"),
        (_binary({"a": [1.0, 2.0], "b": [3.0, 4.0]})[:-6], "ends after 1 of 2 words"),
        (b"2 2\n" + b"\xff" * 9000, "no space ends word 1"),
        (gzip.compress(b"1 2\na 1 1\n", mtime=0)[:-14], "cannot be read"),
        (b"\x1f\x8bnothing", "cannot be read"),
    ],
)
def test_unusable_files_are_refused_with_the_reason(tmp_path, content, message):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(reader.WordVectorsError, match=message) as caught:
        reader.read_vectors(path, ["a"])
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(reader.WordVectorsError, match=r"nowhere\.bin cannot be read"):
        reader.read_vectors(tmp_path / "nowhere.bin", ["a"])


def _any(word: str) -> bool:
    return True


@pytest.mark.parametrize("name", ["gensim_high_precision.kv.bin", "glove_youcook2_300d.txt"])
def test_whole_vocabulary_equals_that_of_gensim(shared_data, name):
    path = shared_data / "text" / name
    expected = KeyedVectors.load_word2vec_format(str(path), binary=name.endswith(".bin"))
    words, vectors = reader.read_vocabulary(path, _any)
    assert words == expected.index_to_key
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors[0], np.zeros(expected.vector_size))
    np.testing.assert_array_equal(vectors[1:], expected.vectors)


def test_vocabulary_keeps_capitals_the_first_of_equal_words_and_the_order(tmp_path):
    path = tmp_path / "vectors.bin"
    entries = {"turkey": [1.0, 2.0], "New_York": [3.0, 4.0], "!": [5.0, 6.0], "Turkey": [7.0, 8.0]}
    content = _binary(entries).replace(b"4 2", b"6 2", 1)
    for word, vector in ((b"turkey", (9.0, 9.0)), (b"\xff", (9.0, 9.0))):
        content += word + b" " + struct.pack("<2f", *vector) + b"\n"
    path.write_bytes(content)
    words, vectors = reader.read_vocabulary(path, lambda word: word != "!")
    assert words == ["turkey", "New_York", "Turkey"]
    assert vectors.tolist() == [[0, 0], [1, 2], [3, 4], [7, 8]]


def test_limit_counts_the_words_kept_and_ends_the_reading(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("5 2\n! 1 1\na 2 2\nb 3 3\nc broken\n")
    words, vectors = reader.read_vocabulary(path, str.isalpha, limit=2)
    assert words == ["a", "b"]
    assert vectors.tolist() == [[0, 0], [2, 2], [3, 3]]
    with pytest.raises(reader.WordVectorsError, match="word 4 has 1 numbers instead of 2"):
        reader.read_vocabulary(path, str.isalpha, limit=3)


def test_unusable_vocabularies_are_refused(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("2 2\na 1 1\nb 1 nan\n")
    with pytest.raises(reader.WordVectorsError, match="'b' is not finite"):
        reader.read_vocabulary(path, _any)
    with pytest.raises(reader.WordVectorsError, match="no word that can be used"):
        reader.read_vocabulary(path, lambda word: False)
    with pytest.raises(ValueError, match="limit is 0 words"):
        reader.read_vocabulary(path, _any, limit=0)
