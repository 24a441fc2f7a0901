import csv
import os
import pathlib
import re
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from models import tokenizer, words

_ENCODINGS = {
    "Danish": "utf-8-sig",
    "Russian": "utf-8-sig",
    "windows-1250": "windows-1250",
    "windows-1251": "windows-1251",
}

_TEXTS = [
    "Don't over-mix the batter, it's 1/2 cup!",
    "snake_case 'quoted' 3½ Ⅷ x² 50%",
    "İstanbul'da IĞDIR ışık ILIK",
    "Straße STRASSE ẞ",
    "Crème brûlée ÀÉÎ Ĩ Į Ì Í Į̇",
    "ΟΔΥΣΣΕΥΣ ΑΣ. ΑΣΒ",
    "Смешайте муку И ЁЛКУ",
    "Rør æg og SMØR på lav varme",
    "把鸡蛋打散,加入面粉。 卵を混ぜる ケーキ",
    "हिन्दी में बोलो",
    "now cut 🍎🔪 the apple 👩‍🍳",
    "e\u0301 is e and a mark",
    "\ufeff\u200bzero width\u00a0space\u3000wide\ttab\nline",
    "—–-…«»“”‘’",
    "",
]


def _split_all(texts: list[str]) -> list[list[str]]:
    tokens = tokenizer.tokenize(tf.constant(texts)).to_list()
    return [[token.decode() for token in text] for text in tokens]


def test_words_are_lower_cased_runs_of_letters_numbers_and_apostrophes():
    assert words.split_words("Don't over-mix 1/2 cup, OK?") == [
        "don't",
        "over",
        "mix",
        "1",
        "2",
        "cup",
        "ok",
    ]
    assert words.split_words("Rør ÆG; 把鸡蛋打散。snake_case") == [
        "rør",
        "æg",
        "把鸡蛋打散",
        "snake_case",
    ]


def test_tensorflow_splits_as_python_does():
    assert _split_all(_TEXTS) == [words.split_words(text) for text in _TEXTS]


def test_every_assigned_character_is_of_the_same_class_and_case_as_in_python():
    characters = [
        chr(code)
        for code in range(1, 0x110000)
        if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Cs")
        and unicodedata.category(chr(code)) != "Cs"
    ]
    texts = [f"a{character}B" for character in characters]
    assert _split_all(texts) == [words.split_words(text) for text in texts]


def test_real_captions_split_as_python_does(shared_data):
    texts = []
    for path in sorted((shared_data / "howto100m" / "captions").glob("*.csv"))[:10]:
        with open(path, encoding="utf-8", newline="") as file:
            texts += [row["text"] for row in csv.DictReader(file)]
    for name, encoding in _ENCODINGS.items():
        path = shared_data / "subtitles" / "encodings" / f"auto_detect_{name}.srt"
        texts += path.read_text(encoding=encoding).splitlines()
    assert any(not text.isascii() for text in texts)
    assert _split_all(texts) == [words.split_words(text) for text in texts]


def test_bytes_that_are_not_utf8_separate_words():
    tokens = tokenizer.tokenize(tf.constant([b"Caf\xc3 \xffTea\xfe"])).to_list()
    assert tokens == [[b"caf", b"tea"]]


def test_the_locale_of_the_process_changes_nothing():
    script = (
        "import tensorflow as tf; from models import tokenizer;"
        "print(tokenizer.lower_case(tf.constant('TITLE İ I\\u0307 Ì Į\\u0303 J\\u0300'))"
        ".numpy().decode().encode('unicode_escape').decode())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, "LC_ALL": locale, "LANG": locale},
            cwd=pathlib.Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for locale in ("tr_TR.UTF-8", "lt_LT.UTF-8")
    ]
    expected = "TITLE İ I\u0307 Ì Į\u0303 J\u0300".lower().encode("unicode_escape").decode()
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert output.strip() == expected


def test_unknown_words_are_dropped_before_the_sentence_is_cut():
    table = tokenizer.WordTable(["fold", "the", "red", "star"], max_words=3)
    ids = table(tf.constant(["Well, FOLD um the very RED star", "star", "nothing known", ""]))
    assert ids.dtype == tf.int64
    np.testing.assert_array_equal(ids, [[1, 2, 3], [4, 0, 0], [0, 0, 0], [0, 0, 0]])


def test_case_sensitive_words_are_those_of_the_reference():
    tokens = tokenizer.tokenize(tf.constant(_TEXTS), case_sensitive=True).to_list()
    # The expression of the reference code, on the text as it is.
    expected = [re.findall(r"[\w']+", text) for text in _TEXTS]
    assert [[token.decode() for token in text] for text in tokens] == expected
    assert any(word != word.lower() for text in expected for word in text)


def test_case_sensitive_table_tells_capitals_apart():
    words = ["turkey", "Turkey", "Crème"]
    table = tokenizer.WordTable(words, max_words=3, case_sensitive=True)
    ids = table(tf.constant(["Turkey, TURKEY & turkey", "Crème crème", b"caf\xc3Turkey\xffa"]))
    np.testing.assert_array_equal(ids, [[2, 1, 0], [3, 0, 0], [2, 0, 0]])


def test_table_works_inside_tf_data():
    table = tokenizer.WordTable(["rør", "把鸡蛋打散"], max_words=2)
    dataset = tf.data.Dataset.from_tensor_slices(["RØR!", "把鸡蛋打散, rør"]).batch(2).map(table)
    np.testing.assert_array_equal(next(iter(dataset)), [[1, 0], [2, 1]])


def test_saved_model_carries_the_vocabulary(tmp_path):
    module = tf.Module()
    module.table = tokenizer.WordTable(["don't", "stir"], max_words=4)
    signature = tf.TensorSpec([None], tf.string, name="words")
    serve = tf.function(lambda words: {"ids": module.table(words)}, input_signature=[signature])
    tf.saved_model.save(module, str(tmp_path), signatures=serve)
    loaded = tf.saved_model.load(str(tmp_path))
    ids = loaded.signatures["serving_default"](words=tf.constant(["Stir, DON'T shake"]))["ids"]
    np.testing.assert_array_equal(ids, [[2, 1, 0, 0]])


def test_vocabulary_size_counts_the_padding():
    assert tokenizer.WordTable(["a", "b"], max_words=1).vocabulary_size == 3


@pytest.mark.parametrize(
    ("vocabulary", "max_words", "message"),
    [([], 4, "empty"), (["a", "b", "a"], 4, "'a' occurs twice"), (["a"], 0, "max_words is 0")],
)
def test_bad_tables_are_refused(vocabulary, max_words, message):
    with pytest.raises(ValueError, match=message):
        tokenizer.WordTable(vocabulary, max_words)
