import json
import subprocess
import sys

import pytest

from models.description import (
    ModelDescription,
    has_description,
    read_description,
    write_description,
)

GATED = ModelDescription(
    kind="gated",
    config={"embedding_size": 8, "max_words": 20},
    features=[{"name": "2d", "rate": 1.0, "size": 4}],
    words=["cut", "don't", "crème", "line\u2028separator", "carriage\rreturn"],
    case_sensitive=True,
)


def test_description_comes_back_as_it_was_written(tmp_path):
    write_description(tmp_path, GATED)
    assert read_description(tmp_path) == GATED
    milnce = ModelDescription("milnce", {"width": 0.25}, None, ["a"])
    write_description(tmp_path, milnce)
    assert read_description(tmp_path) == milnce


def test_files_are_plain(tmp_path):
    write_description(tmp_path, GATED)
    folder = tmp_path / "assets.extra"
    assert json.loads((folder / "howto100m.json").read_text()) == {
        "kind": "gated",
        "config": {"embedding_size": 8, "max_words": 20},
        "features": [{"name": "2d", "rate": 1.0, "size": 4}],
        "case_sensitive": True,
    }
    assert (folder / "words.txt").read_bytes().decode().startswith("cut\ndon't\ncrème\n")


def test_reading_needs_no_tensorflow(tmp_path):
    write_description(tmp_path, GATED)
    program = (
        "import sys; from models.description import read_description; "
        "print(len(read_description(sys.argv[1]).words), 'tensorflow' in sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == ["5", "False"]


def test_word_with_a_line_break_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the word 'a\\nb' has a line break"):
        write_description(tmp_path, ModelDescription("milnce", {}, None, ["a\nb"]))
    assert not list(tmp_path.iterdir())


def test_folder_tells_whether_it_has_a_description(tmp_path):
    assert not has_description(tmp_path)
    write_description(tmp_path, ModelDescription("milnce", {}, None, ["cut"]))
    assert has_description(tmp_path)


def test_folder_without_a_description_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"it has no assets.extra/howto100m.json; give the folder"):
        read_description(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:20], "howto100m.json is damaged"),
        (lambda text: "[1, 2, 3]", "howto100m.json is damaged"),
        (lambda text: text.replace('"kind"', '"sort"'), "howto100m.json is damaged: KeyError"),
        (lambda text: text.replace('"gated"', '"other"'), "damaged: kind 'other'"),
        (lambda text: text.replace('"rate"', '"speed"'), "its config or features are not what"),
    ],
)
def test_damaged_description_is_refused(tmp_path, change, message):
    write_description(tmp_path, GATED)
    path = tmp_path / "assets.extra" / "howto100m.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=message):
        read_description(tmp_path)


@pytest.mark.parametrize("content", [b"", b"cut\nthe", b"cut\n\nthe\n", b"\xff\n"])
def test_damaged_words_are_refused(tmp_path, content):
    write_description(tmp_path, GATED)
    (tmp_path / "assets.extra" / "words.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"words.txt .*export the model again"):
        read_description(tmp_path)


def test_missing_words_are_refused(tmp_path):
    write_description(tmp_path, GATED)
    (tmp_path / "assets.extra" / "words.txt").unlink()
    with pytest.raises(ValueError, match=r"words.txt cannot be read"):
        read_description(tmp_path)
