import os

import pytest

from components.narrated_video_example_gen import exclusions
from components.narrated_video_example_gen.manifest import ManifestError


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "excluded.csv"
    exclusions.write_exclusions(path, {"youcook2": {"b", "a,x"}, "coin": {"b", "c"}})
    assert exclusions.read_exclusions(str(path)) == {"a,x": "youcook2", "b": "coin", "c": "coin"}
    assert exclusions.read_exclusions("") == {}


def test_the_same_ids_leave_the_file_alone_and_others_do_not(tmp_path):
    path = tmp_path / "excluded.csv"
    exclusions.write_exclusions(path, {"coin": {"a", "b"}})
    os.utime(path, ns=(1, 1))
    exclusions.write_exclusions(path, {"coin": ["b", "a"]})
    assert path.stat().st_mtime_ns == 1
    exclusions.write_exclusions(path, {"coin": {"a"}})
    assert path.stat().st_mtime_ns > 1


def test_a_file_of_another_form_is_refused(tmp_path):
    path = tmp_path / "excluded.csv"
    path.write_text("id\na\n")
    with pytest.raises(ManifestError, match=r"excluded\.csv"):
        exclusions.read_exclusions(str(path))
