import numpy as np
import pytest

from components.benchmark_evaluator.annotations.items import RatedSegment
from components.benchmark_evaluator.annotations.youtube8m import read_youtube8m_segments
from components.narrated_video_example_gen.manifest import ManifestError


def record(video_id="Hs00", labels=(), starts=(), scores=()):
    import tensorflow as tf

    def numbers(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    context = {
        "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[video_id.encode()])),
        "segment_labels": numbers(labels),
        "segment_start_times": numbers(starts),
        "segment_scores": tf.train.Feature(float_list=tf.train.FloatList(value=scores)),
    }
    return tf.train.SequenceExample(context=tf.train.Features(feature=context)).SerializeToString()


def write(path, *records):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in records:
            writer.write(one)
    return str(path)


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "segment_label_ids.csv"
    path.write_text("Index\n3\n31\n30\n")
    return str(path)


def reasons(found):
    return [(problem.reason, problem.loses_item) for problem in found.problems]


def test_rated_segments(tmp_path, vocabulary):
    write(tmp_path / "validate01.tfrecord", record("b", [31], [0], [0.5]))
    write(
        tmp_path / "validate00.tfrecord",
        record("a", [30, 3, 30], [10, 10, 65], [1.0, 0.0, -1.0]),
        record("unrated"),
    )
    found = read_youtube8m_segments(str(tmp_path / "validate*.tfrecord"), vocabulary)
    assert found.classes == (3, 31, 30)
    assert found.segments == (
        RatedSegment("a", 10.0, 2, True, ""),
        RatedSegment("a", 10.0, 0, False, ""),
        RatedSegment("a", 65.0, 2, False, ""),
        RatedSegment("b", 0.0, 1, True, ""),
    )
    assert found.segments[0].end == 15.0
    assert found.problems == ()
    assert found.num_annotated == 4


def test_parts(tmp_path, vocabulary):
    train = write(tmp_path / "train [1].tfrecord", record("a", [3], [0], [1.0]))
    evaluation = write(tmp_path / "eval.tfrecord", record("b", [3], [0], [1.0]))
    found = read_youtube8m_segments(f"train={train},eval={evaluation}", vocabulary)
    assert [(one.video_id, one.part) for one in found.segments] == [("a", "train"), ("b", "test")]


def test_bad_ratings_are_problems(tmp_path, vocabulary):
    path = write(
        tmp_path / "a.tfrecord",
        record("a", [3, 3, 4, 3, 3], [0, 0, 5, -5, 10], [1.0, 0.0, 1.0, 1.0, np.nan]),
        record("b", [3, 3], [0], [1.0]),
        record("", [3, 3], [0, 5], [1.0, 1.0]),
    )
    found = read_youtube8m_segments(path, vocabulary)
    assert found.segments == (RatedSegment("a", 0.0, 0, True, ""),)
    assert reasons(found) == [
        ("duplicate", False),
        ("unknown_class", True),
        ("bad_segment", True),
        ("no_label", True),
        ("bad_record", True),
        ("no_video_id", True),
        ("no_video_id", True),
    ]
    assert found.problems[0].item == f"a in {path}, entry 1, segment 2"
    assert found.num_annotated == 7


def test_files_of_another_format_are_refused(tmp_path, vocabulary):
    unrated = write(tmp_path / "frames.tfrecord", record())
    with pytest.raises(ManifestError, match="has no rated segment"):
        read_youtube8m_segments(unrated, vocabulary)
    with pytest.raises(ManifestError, match=r"there is no file .*nowhere"):
        read_youtube8m_segments(str(tmp_path / "nowhere*"), vocabulary)
    with pytest.raises(ManifestError, match="is no TFRecord file of sequence examples"):
        read_youtube8m_segments(vocabulary, vocabulary)
    garbage = write(tmp_path / "garbage.tfrecord", b"no message")
    with pytest.raises(ManifestError, match="is no TFRecord file of sequence examples"):
        read_youtube8m_segments(garbage, vocabulary)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Name\n3\n", "has no column index"),
        ("Index\n", "has no class, or one twice"),
        ("Index\n3\n3\n", "has no class, or one twice"),
        ("Index\n/m/3\n", "has the class '/m/3'"),
    ],
)
def test_vocabulary_of_another_format_is_refused(tmp_path, content, message):
    path = tmp_path / "vocabulary.csv"
    path.write_text(content)
    with pytest.raises(ManifestError, match=message):
        read_youtube8m_segments("", str(path))


def test_real_vocabularies(shared_data, tmp_path):
    path = write(tmp_path / "a.tfrecord", record("a", [3], [0], [1.0]))
    folder = shared_data / "annotations" / "yt8m"
    names = ("segment_label_ids.csv", "segment_vocabulary.csv")
    first, second = (read_youtube8m_segments(path, str(folder / name)) for name in names)
    assert len(first.classes) == len(set(first.classes)) == 1000
    assert first == second
