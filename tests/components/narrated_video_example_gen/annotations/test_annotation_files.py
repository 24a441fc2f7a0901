import pytest

from components.narrated_video_example_gen.annotations.files import annotation_files
from components.narrated_video_example_gen.manifest import ManifestError


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("a.csv", [(None, "a.csv")]),
        ("/data/a=1, b.csv", [(None, "/data/a=1, b.csv")]),
        ("eval=a.csv", [("eval", "a.csv")]),
        ("train=a,b.csv,eval=c=d.csv", [("train", "a,b.csv"), ("eval", "c=d.csv")]),
        ("train=a,train=b,eval=c", [("train", "a"), ("train", "b"), ("eval", "c")]),
    ],
)
def test_one_path_or_a_path_for_each_split(text, files):
    assert annotation_files(text) == files


@pytest.mark.parametrize("text", ["train=", "train=a,eval="])
def test_name_without_a_path_is_refused(text):
    with pytest.raises(ManifestError, match=r"^the annotations are .*= names no file"):
        annotation_files(text)
