import collections
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from components.word_vectors import store, training

_ACTIONS = ["fold", "rotate", "cut", "pour", "stack", "slide", "flip", "squeeze"]
_COLOURS = ["red", "blue", "green", "yellow", "purple", "orange", "white", "black"]
_SHAPES = ["star", "circle", "square", "triangle", "heart", "ring", "cross", "moon"]
_SETTINGS = {
    "vector_size": 300,
    "window": 5,
    "skip_gram": True,
    "negative": 5,
    "epochs": 5,
    "seed": 1,
}


def _narration(num_videos: int) -> list[list[str]]:
    """Returns videos of eight steps; words of a class occur in the same contexts."""
    draw = random.Random(0).choice
    return [
        [
            word
            for _ in range(8)
            for word in (draw(["now", "so"]), draw(_ACTIONS), "the", draw(_COLOURS), draw(_SHAPES))
        ]
        for _ in range(num_videos)
    ]


def _train(sentences, **settings):
    frequencies = collections.Counter(word for sentence in sentences for word in sentence)
    return training.train_vectors(sentences, frequencies, **{**_SETTINGS, **settings})


@pytest.mark.parametrize("skip_gram", [True, False])
def test_words_of_equal_contexts_stay_apart(skip_gram):
    words, vectors = _train(_narration(300), skip_gram=skip_gram)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for group in (_ACTIONS, _COLOURS, _SHAPES):
        rows = unit[[words.index(word) for word in group]]
        cosines = (rows @ rows.T)[~np.eye(len(group), dtype=bool)]
        assert cosines.max() < 0.6


def test_context_shows_in_the_vectors():
    # Cats and dogs are spoken of with the same words, stars with others.
    draw = random.Random(0).choice
    sentences = [
        [draw(pair), *(draw(verbs) for _ in range(4))]
        for _ in range(400)
        for pair, verbs in (
            (["cat", "dog"], ["eats", "sleeps", "runs", "plays"]),
            (["star", "moon"], ["shines", "rises", "sets", "glows"]),
        )
    ]
    words, vectors = _train(sentences, epochs=20)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cat, dog, star = (unit[words.index(word)] for word in ("cat", "dog", "star"))
    assert cat @ dog > cat @ star + 0.3


def test_vectors_are_centred_and_of_mean_norm_two():
    words, vectors = _train(_narration(50))
    assert vectors.shape == (len(words), 300)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1).mean(), 2, rtol=1e-5)


def test_words_come_by_frequency_then_alphabet():
    words, _ = _train([["b", "c", "a", "d", "d"], ["a", "c", "d"]], vector_size=4)
    assert words == ["d", "a", "c", "b"]


def test_words_without_a_frequency_are_passed_over():
    words, vectors = training.train_vectors(
        [["a", "x", "b"], ["b", "a"]], {"a": 2, "b": 2}, **{**_SETTINGS, "vector_size": 4}
    )
    assert words == ["a", "b"]
    assert np.isfinite(vectors).all()


def test_training_is_the_same_in_every_process(tmp_path):
    script = (
        "import sys, numpy; from components.word_vectors import training;"
        "numpy.save(sys.argv[1], training.train_vectors([['fold', 'the', 'star', 'cut'] * 50],"
        " {'fold': 50, 'the': 50, 'star': 50, 'cut': 50}, vector_size=8, window=5, skip_gram=True,"
        " negative=5, epochs=3, seed=1)[1])"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(training.__file__)))
    results = []
    for hash_seed in ("1", "2"):
        path = tmp_path / f"{hash_seed}.npy"
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", script, str(path)]
        subprocess.run(command, env=environment, cwd=root, check=True)
        results.append(np.load(path, allow_pickle=False))
    np.testing.assert_array_equal(*results)


def test_seed_changes_the_vectors():
    sentences = _narration(5)
    assert (_train(sentences)[1] != _train(sentences, seed=2)[1]).any()


def test_a_single_word_is_refused():
    with pytest.raises(ValueError, match="1 distinct words"):
        _train([["a", "a"]])


def test_store_keeps_words_and_vectors_and_adds_the_padding(tmp_path):
    vectors = np.array([[1, 2], [3, 4]], np.float32)
    store.save(tmp_path / "artifact", ["rør", "don't"], vectors)
    words, loaded = store.load(tmp_path / "artifact")
    assert words == ["rør", "don't"]
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, [[0, 0], [1, 2], [3, 4]])
    assert (tmp_path / "artifact" / "words.txt").read_bytes() == "rør\ndon't\n".encode()


def test_store_refuses_what_does_not_fit(tmp_path):
    with pytest.raises(ValueError, match="3 words do not fit"):
        store.save(tmp_path, ["a", "b", "c"], np.zeros((2, 4), np.float32))
    store.save(tmp_path, ["a", "b"], np.zeros((2, 4), np.float32))
    (tmp_path / "words.txt").write_text("a\n")
    with pytest.raises(ValueError, match="one vector more"):
        store.load(tmp_path)


def test_store_never_unpickles(tmp_path):
    (tmp_path / "words.txt").write_text("a\n")
    np.save(tmp_path / "vectors.npy", np.array([[{}], [{}]], object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        store.load(tmp_path)
