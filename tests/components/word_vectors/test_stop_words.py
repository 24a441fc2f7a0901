import pytest

from components.word_vectors import stop_words


def test_english_list_keeps_what_is_done_and_to_what():
    english = stop_words.read_stop_words("english")
    assert {"the", "and", "don't", "i'm", "gonna"} <= english
    assert not {"cut", "pour", "knife", "red", "stir", "hot"} & english


def test_no_list_discards_nothing():
    assert stop_words.read_stop_words("") == frozenset()


def test_file_that_is_missing_is_one_clear_error():
    with pytest.raises(ValueError, match="'klingon' are neither 'english' nor a text file"):
        stop_words.read_stop_words("klingon")
