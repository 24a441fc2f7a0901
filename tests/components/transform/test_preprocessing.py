import csv
import unicodedata

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.runners.portability import fn_api_runner

from components.transform import preprocessing
from models import tokenizer, words
from schemas import records

_ENCODINGS = {
    "Danish": "utf-8-sig",
    "Russian": "utf-8-sig",
    "windows-1250": "windows-1250",
    "windows-1251": "windows-1251",
}

_TEXTS = [
    "Don't over-mix the batter, it's 1/2 cup!",
    "İstanbul'da IĞDIR ışık ILIK",
    "Straße STRASSE ẞ",
    "ΟΔΥΣΣΕΥΣ ΑΣ. ΑΣΒ",
    "Смешайте муку И ЁЛКУ",
    "Rør æg og SMØR på lav varme, Ålborg",
    "把鸡蛋打散,加入面粉。 卵を混ぜる ケーキ がぎぐ",
    "हिन्दी में बोलो — 한국어 요리",
    "now cut 🍎🔪 the apple 👩‍🍳",
    "Crème brûlée, tiếng Việt, Å",
    "",
    "  …  ",
]


def _split_with_tensorflow_text(texts: list[str]) -> list[list[bytes]]:
    return preprocessing.tokenize(tf.constant(texts)).to_list()


def test_normal_form_does_not_change_the_words():
    for form in ("NFC", "NFD"):
        texts = [unicodedata.normalize(form, text) for text in _TEXTS]
        composed = [unicodedata.normalize("NFC", text) for text in _TEXTS]
        assert _split_with_tensorflow_text(texts) == [
            [word.encode() for word in words.split_words(text)] for text in composed
        ]


def test_both_tokenisers_give_the_same_words_and_ids(shared_data):
    texts = list(_TEXTS)
    for path in sorted((shared_data / "howto100m" / "captions").glob("*.csv"))[:10]:
        with open(path, encoding="utf-8", newline="") as file:
            texts += [row["text"] for row in csv.DictReader(file)]
    for name, encoding in _ENCODINGS.items():
        path = shared_data / "subtitles" / "encodings" / f"auto_detect_{name}.srt"
        texts += path.read_text(encoding=encoding).splitlines()
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    split = _split_with_tensorflow_text(texts)
    assert split == tokenizer.tokenize(tf.constant(texts)).to_list()

    vocabulary = sorted({word.decode() for text in split for word in text})[::2]
    assert any(not word.isascii() for word in vocabulary)
    table = tokenizer.WordTable(vocabulary, max_words=6)
    ids = {word.encode(): position for position, word in enumerate(vocabulary, start=1)}
    expected = np.zeros((len(texts), 6), np.int64)
    for row, text in zip(expected, split, strict=True):
        known = [ids[word] for word in text if word in ids][:6]
        row[: len(known)] = known
    np.testing.assert_array_equal(table(tf.constant(texts)), expected)


def test_transform_gives_tokens_and_the_vocabulary_with_frequencies(tmp_path):
    captions = ["Rør æg", "rør SMØR, rør", "cafe\u0301 æg", "", "don't"]
    spec = {records.CAPTION: tf.io.FixedLenFeature([], tf.string)}
    metadata = tft.DatasetMetadata.from_feature_spec(spec)
    data = [{records.CAPTION: caption} for caption in captions]
    with (
        beam.Pipeline(runner=fn_api_runner.FnApiRunner()) as pipeline,
        tft_beam.Context(temp_dir=str(tmp_path / "temporary")),
    ):
        raw = (pipeline | beam.Create(data), metadata)
        transform_fn = raw | tft_beam.AnalyzeDataset(preprocessing.preprocessing_fn)
        _ = transform_fn | tft_beam.WriteTransformFn(str(tmp_path / "graph"))
    output = tft.TFTransformOutput(str(tmp_path / "graph"))
    features = {records.CAPTION: tf.constant(captions)}
    tokens = output.transform_features_layer()(features)[preprocessing.TOKENS]
    assert tf.RaggedTensor.from_sparse(tokens).to_list() == [
        ["rør".encode(), "æg".encode()],
        ["rør".encode(), "smør".encode(), "rør".encode()],
        ["café".encode(), "æg".encode()],
        [],
        [b"don't"],
    ]
    lines = output.vocabulary_by_name(preprocessing.VOCABULARY)
    assert [line.decode() for line in lines[:2]] == ["3 rør", "2 æg"]
    assert {line.decode() for line in lines[2:]} == {"1 smør", "1 don't", "1 café"}
