import numpy as np
import pytest

from components.retrieval_evaluator.known_words import first_words, known_texts
from models.words import split_words


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("Cut the paper, don't tear it!", 3, "Cut the paper"),
        ("Cut the paper, don't tear it!", 4, "Cut the paper, don't"),
        ("Cut the paper, don't tear it!", 6, "Cut the paper, don't tear it!"),
        ("Cut the paper, don't tear it!", 60, "Cut the paper, don't tear it!"),
        ("  ... cut", 1, "  ... cut"),
        ("- cut - tear", 1, "- cut"),
        ("", 3, ""),
        ("!?", 1, "!?"),
        ("élan vital", 1, "élan"),
    ],
)
def test_first_words_where_nobody_knows_the_vocabulary(text, count, expected):
    assert first_words(text, count) == expected


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("um CUT the Paper, don't tear it", 1, "um cut"),
        ("um CUT the Paper, don't tear it", 2, "um cut the paper"),
        ("um CUT the Paper, don't tear it", 3, "um cut the paper, don't tear it"),
        ("um CUT the Paper, don't tear it", 4, "um cut the paper, don't tear it"),
        ("unknown altogether", 1, "unknown altogether"),
        # Its lower-case form is two words, of which the second is known.
        ("İcut cut", 1, "i\u0307cut"),
    ],
)
def test_words_outside_of_the_vocabulary_do_not_count(text, count, expected):
    vocabulary = {"cut", "paper", "don't"}
    found = first_words(text, count, vocabulary)
    assert found == expected
    # The model sees what it would see with a limit of its own.
    known = [word for word in split_words(text) if word in vocabulary]
    assert [word for word in split_words(found) if word in vocabulary] == known[:count]


def test_capitals_count_where_the_vocabulary_has_them():
    assert first_words("cut a Cut in Cut", 1, {"Cut"}, case_sensitive=True) == "cut a Cut"
    assert first_words("cut a Cut in cut", 1, {"cut"}, case_sensitive=True) == "cut"


def test_a_sentence_like_the_empty_one_is_not_known():
    embeddings = np.array([[1.0, 2], [1 + 1e-7, 2], [1, 3], [np.nan, 2]], np.float32)
    assert known_texts(embeddings, embeddings[0]).tolist() == [False, False, True, True]
