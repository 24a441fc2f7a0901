import pytest
import tensorflow as tf

from models import record_files


def test_records_are_counted_by_their_lengths(tmp_path):
    path = str(tmp_path / "records")
    with tf.io.TFRecordWriter(path) as writer:
        for size in (0, 1, 70_000):
            writer.write(b"x" * size)
    assert record_files.count_records(path) == 3
    tf.io.TFRecordWriter(str(tmp_path / "empty")).close()
    assert record_files.count_records(str(tmp_path / "empty")) == 0


@pytest.mark.parametrize("cut", [7, 100])
def test_a_file_that_ends_within_a_record_is_one_clear_error(tmp_path, cut):
    path = tmp_path / "records"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"first")
        writer.write(b"x" * 90)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ValueError, match="records ends within its record 1; write it anew"):
        record_files.count_records(str(path))


def test_no_matching_file_is_one_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no clip records match"):
        record_files.matching_files(str(tmp_path / "clips-*"), "clip records")
    with pytest.raises(FileNotFoundError, match="no clip records match an empty list"):
        record_files.matching_files([], "clip records")
