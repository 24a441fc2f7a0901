import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from components.clip_index import search


def _clip(video_id, start, caption):
    return search.IndexedClip(video_id, start, start + 5.0, caption, "", "train")


_CLIPS = [
    _clip("a", 0.0, "cut the paper"),
    _clip("a", 0.0, "and then cut"),
    _clip("a", 5.0, "fold it"),
    _clip("b", 0.0, "pour"),
]
_EMBEDDINGS = np.array([[3, 0], [3, 0], [1, 1], [0, 2]], np.float32)


def _write(folder, embeddings=_EMBEDDINGS, clips=_CLIPS, model=None):
    folder.mkdir(exist_ok=True)
    np.save(folder / "embeddings.npy", embeddings)
    lines = [json.dumps(dataclasses.asdict(clip)) + "\n" for clip in clips]
    (folder / "clips.jsonl").write_text("".join(lines))
    (folder / "model.json").write_text(json.dumps(model or {"pushed_model": "hub/1"}))
    return folder


def test_search_lists_an_interval_once_with_its_first_caption(tmp_path):
    index = search.ClipIndex.load(_write(tmp_path / "index"))
    assert index.pushed_model == "hub/1"
    # Scores 6, 6, 3, 2; the second clip is the first's interval again.
    assert index.search(np.array([2, 1], np.float32), k=5) == [
        search.Hit(1, 6.0, "a", 0.0, 5.0, "cut the paper"),
        search.Hit(2, 3.0, "a", 5.0, 10.0, "fold it"),
        search.Hit(3, 2.0, "b", 0.0, 5.0, "pour"),
    ]


def test_search_stops_at_k(tmp_path):
    index = search.ClipIndex.load(_write(tmp_path / "index"))
    hits = index.search(np.array([0, 1], np.float32), k=2)
    assert [(hit.video_id, hit.score) for hit in hits] == [("b", 2.0), ("a", 1.0)]


def test_search_refuses_what_does_not_fit(tmp_path):
    index = search.ClipIndex.load(_write(tmp_path / "index"))
    with pytest.raises(search.ClipIndexError, match="embeddings of size 2"):
        index.search(np.zeros(3, np.float32), k=1)
    with pytest.raises(ValueError, match="at least 1"):
        index.search(np.zeros(2, np.float32), k=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"embeddings": _EMBEDDINGS[:3]}, "3 embeddings for 4 clips"),
        ({"embeddings": _EMBEDDINGS.astype(np.float64)}, "float64 of shape"),
        ({"embeddings": _EMBEDDINGS[0]}, r"shape \(2,\)"),
        ({"embeddings": np.array([{"a": 1}], object)}, "embeddings.npy is damaged"),
        ({"model": {"model": "x"}}, "is damaged: 'pushed_model'"),
        ({"model": {"pushed_model": "", "reason": "none was blessed"}}, "none was blessed"),
    ],
)
def test_damaged_indices(tmp_path, content, message):
    with pytest.raises(search.ClipIndexError, match=message):
        search.ClipIndex.load(_write(tmp_path / "index", **content))


@pytest.mark.parametrize("name", ["embeddings.npy", "clips.jsonl", "model.json"])
def test_a_missing_file_is_named(tmp_path, name):
    folder = _write(tmp_path / "index")
    (folder / name).unlink()
    with pytest.raises(search.ClipIndexError, match=f"no clip index, {name} is missing"):
        search.ClipIndex.load(folder)


def test_a_damaged_line(tmp_path):
    folder = _write(tmp_path / "index")
    (folder / "clips.jsonl").write_text('{"video_id": "a"\n')
    with pytest.raises(search.ClipIndexError, match="is damaged"):
        search.ClipIndex.load(folder)


def test_search_needs_no_tensorflow():
    program = (
        "import sys, components.clip_index.search; "
        "sys.exit(bool({'tensorflow', 'tfx'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_queries_without_a_known_word_are_told_apart(colour_world, tmp_path):
    path = colour_world.write_model(tmp_path / "model")
    query = search.embed_query(path, ["red paint", "xyzzy"])
    np.testing.assert_array_equal(query.embeddings, [[1, -1, -1], [0, 0, 0]])
    np.testing.assert_array_equal(query.known, [True, False])


def test_a_model_that_is_gone(tmp_path):
    with pytest.raises(search.ClipIndexError, match="does not load"):
        search.embed_query(str(tmp_path / "gone"), ["red"])
