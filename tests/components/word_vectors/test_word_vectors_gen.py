import collections
import pathlib

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.runners.portability import fn_api_runner
from tfx.dsl.components.base import base_component
from tfx.types import channel_utils, standard_artifacts

from components import artifacts
from components.transform import preprocessing
from components.word_vectors import component, corpus, executor, narration, store
from components.word_vectors.config import WordVectorsConfig
from schemas import records

_CAPTIONS = [
    ("b", 5.0, "CUT the star"),
    ("a", 2.0, "rør æg"),
    ("b", 1.0, "now fold the star"),
    ("a", 10.0, "the end"),
    ("a", 9.0, ""),
]


def _record(video_id: str, start: float, caption: str) -> bytes:
    return records.serialize_caption(
        records.CaptionRecord(
            video_id=video_id,
            caption=caption,
            caption_start=start,
            caption_end=start + 1,
            clip_start=start,
            clip_end=start + 5,
            clip_num_frames=50,
            video_duration=60.0,
            video_width=640,
            video_height=360,
        )
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """Returns a folder with caption records in `examples` and their graph in `graph`."""
    folder = tmp_path_factory.mktemp("corpus")
    split = folder / "examples" / "Split-train"
    split.mkdir(parents=True)
    for shard in range(2):
        with tf.io.TFRecordWriter(str(split / f"captions-{shard}.gz"), "GZIP") as writer:
            for caption in _CAPTIONS[shard::2]:
                writer.write(_record(*caption))
    spec = {records.CAPTION: tf.io.FixedLenFeature([], tf.string)}
    metadata = tft.DatasetMetadata.from_feature_spec(spec)
    data = [{records.CAPTION: text} for _, _, text in _CAPTIONS]
    with (
        beam.Pipeline(runner=fn_api_runner.FnApiRunner()) as pipeline,
        tft_beam.Context(temp_dir=str(folder / "temporary")),
    ):
        raw = (pipeline | beam.Create(data), metadata)
        transform_fn = raw | tft_beam.AnalyzeDataset(preprocessing.preprocessing_fn)
        _ = transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
        _ = metadata | tft_beam.WriteMetadata(str(folder / "graph" / "metadata"), pipeline)
    return folder


def _run(folder: pathlib.Path, output: pathlib.Path, config: WordVectorsConfig):
    examples = standard_artifacts.Examples()
    examples.uri = str(folder / "examples")
    examples.split_names = '["train"]'
    graph = standard_artifacts.TransformGraph()
    graph.uri = str(folder / "graph")
    vectors = artifacts.WordVectors()
    vectors.uri = str(output)
    executor.Executor().Do(
        {"examples": [examples], "transform_graph": [graph]},
        {"word_vectors": [vectors]},
        {"word_vectors_config": config.to_json(), "fingerprint": ""},
    )
    return store.load(output)


def test_narration_is_one_sentence_a_video_in_order_of_time(folder):
    files = sorted(str(path) for path in (folder / "examples" / "Split-train").iterdir())
    output = tft.TFTransformOutput(str(folder / "graph"))
    assert corpus.read_sentences(files, output) == [
        ["rør", "æg", "the", "end"],
        ["now", "fold", "the", "star", "cut", "the", "star"],
    ]
    assert corpus.read_sentences(files[::-1], output) == corpus.read_sentences(files, output)


def test_long_narration_is_cut_where_gensim_would_stop(folder, monkeypatch):
    monkeypatch.setattr(narration, "_MAX_SENTENCE", 3)
    files = sorted(str(path) for path in (folder / "examples" / "Split-train").iterdir())
    assert corpus.read_sentences(files, tft.TFTransformOutput(str(folder / "graph"))) == [
        ["rør", "æg", "the"],
        ["end"],
        ["now", "fold", "the"],
        ["star", "cut", "the"],
        ["star"],
    ]


def test_frequencies_are_those_of_the_narration(folder):
    output = tft.TFTransformOutput(str(folder / "graph"))
    frequencies = corpus.read_frequencies(output)
    assert frequencies == collections.Counter(
        ["rør", "æg", "the", "end", "now", "fold", "the", "star", "cut", "the", "star"]
    )
    assert list(frequencies)[:2] == ["the", "star"]


def test_vectors_are_trained_on_the_most_frequent_words(folder, tmp_path):
    config = WordVectorsConfig(vocabulary_size=3, vector_size=6)
    words, vectors = _run(folder, tmp_path / "first", config)
    assert words == ["the", "star"]
    assert vectors.shape == (3, 6)
    assert not vectors[0].any()
    assert vectors[1:].any(axis=1).all()
    np.testing.assert_array_equal(_run(folder, tmp_path / "second", config)[1], vectors)


def test_rare_words_are_left_out(folder, tmp_path):
    words, _ = _run(folder, tmp_path / "vectors", WordVectorsConfig(min_count=2))
    assert words == ["the", "star"]
    with pytest.raises(ValueError, match="no word occurs 9 times"):
        _run(folder, tmp_path / "none", WordVectorsConfig(min_count=9))


def test_stop_words_get_no_vector(folder, tmp_path):
    stop_words = tmp_path / "stop.txt"
    stop_words.write_text("The\nfold", encoding="utf-8")
    _run(folder, tmp_path / "words", WordVectorsConfig(vector_size=4, stop_words=str(stop_words)))
    words, _ = store.load(tmp_path / "words")
    assert set(words) == {"cut", "star", "rør", "æg", "now", "end"}


def test_vectors_are_loaded_for_the_words_needed(folder, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("4 2\nsoup 9 9\nstar 1 2\nknife 3 4\nÆg 5 6\n", encoding="utf-8")
    words, vectors = _run(folder, tmp_path / "some", WordVectorsConfig(path=str(path)))
    assert set(words) == {"star", "æg"}
    assert words[0] == "star"
    np.testing.assert_array_equal(vectors, [[0, 0], [1, 2], [5, 6]])

    extra = tmp_path / "queries.txt"
    extra.write_text("Star, knife!\n", encoding="utf-8")
    config = WordVectorsConfig(path=str(path), extra_words=str(extra))
    words, vectors = _run(folder, tmp_path / "more", config)
    assert words[2] == "knife"
    np.testing.assert_array_equal(vectors[3], [3, 4])


def test_changed_file_changes_what_the_cache_sees(tmp_path):
    path = tmp_path / "vectors.txt"

    def properties() -> dict[str, str]:
        node: base_component.BaseComponent = component.WordVectorsGen(
            examples=channel_utils.as_channel([standard_artifacts.Examples()]),
            transform_graph=channel_utils.as_channel([standard_artifacts.TransformGraph()]),
            config=WordVectorsConfig(path=str(path)),
        )
        assert node.outputs["word_vectors"].type is artifacts.WordVectors
        return node.exec_properties

    missing = properties()
    path.write_text("1 2\na 1 1\n")
    first = properties()
    path.write_text("1 2\nab 1 1\n")
    second = properties()
    assert properties() == second
    assert len({missing["fingerprint"], first["fingerprint"], second["fingerprint"]}) == 3
    assert missing["word_vectors_config"] == first["word_vectors_config"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"extra_words": "queries.txt"}, "set path too"),
        ({"vocabulary_size": 1}, "vocabulary_size is 1"),
        ({"epochs": 0}, "epochs is 0"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        WordVectorsConfig(**settings)


def test_settings_survive_json():
    config = WordVectorsConfig(path="vectors.bin", vocabulary_size=5, skip_gram=False)
    assert WordVectorsConfig.from_json(config.to_json()) == config


def test_narration_without_a_graph_is_the_same(folder):
    files = sorted(map(str, (folder / "examples" / "Split-train").glob("*")))
    captions = list(narration.read_captions(files))
    graph = tft.TFTransformOutput(str(folder / "graph"))
    assert narration.video_sentences(captions) == corpus.read_sentences(files, graph)
    counts = collections.Counter(word for _, _, words in captions for word in words)
    assert counts == corpus.read_frequencies(graph)
