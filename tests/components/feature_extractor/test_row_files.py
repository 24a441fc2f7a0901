import numpy as np
import pytest

from components.feature_extractor import row_files


def test_rows_of_several_videos_come_back_at_length_one(tmp_path):
    first = row_files.RowWriter(str(tmp_path / "a.rows"), "2d")
    first.append("x", 0, np.array([3.0, 4.0]))
    first.append("x", 1, np.array([0.0, 2.0]))
    first.append("y", 0, np.array([5.0, 0.0]))
    second = row_files.RowWriter(str(tmp_path / "b.rows"), "2d")
    second.append("x", 2, np.array([0.0, 0.0]))
    segments = [*second.close(), *first.close()]
    assert [(s.video_id, s.first_row, s.num_rows, s.offset) for s in segments] == [
        ("x", 2, 1, 0),
        ("x", 0, 2, 0),
        ("y", 0, 1, 8),
    ]
    rows = row_files.read_rows([s for s in segments if s.video_id == "x"], 3)
    assert rows.dtype == np.float16
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 1], [0, 0]], atol=5e-4)


def test_missing_rows_are_an_error_and_never_zeros(tmp_path):
    writer = row_files.RowWriter(str(tmp_path / "a.rows"), "2d")
    writer.append("x", 0, np.ones(2))
    with pytest.raises(RuntimeError, match="of 2 rows"):
        row_files.read_rows(writer.close(), 2)
