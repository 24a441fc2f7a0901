import dataclasses
import os

import numpy as np
import pytest

from components.benchmark_evaluator.embedding.feature_rows import FeatureRows
from components.benchmark_evaluator.embedding.frame_rows import FrameProtocol, FrameRows
from components.benchmark_evaluator.embedding.row_rules import ClipRows, RegularRows, SpreadRows
from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.embedding.store import EmbeddingStore, row_key

VALUES = np.array([[1.5, -2.0], [np.nan, np.nan], [np.inf, np.inf]], np.float32)
TWO_WINDOWS = SpreadRows(2)
CUT = ("truncated", "the file breaks off after 3.0 s")


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(str(tmp_path / "store"))


def test_rows_are_read_back_as_they_were(store):
    store.write("key", Rows(VALUES))
    found = store.read("key")
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.problem is None
    assert store.is_done("key")
    assert store.has_rows("key")


def test_a_problem_is_kept_beside_rows_and_without_them(store):
    store.write("cut", Rows(VALUES, CUT))
    assert store.read("cut").problem == CUT
    np.testing.assert_array_equal(store.read("cut").values, VALUES)
    store.write("lost", Rows(None, CUT))
    assert store.read("lost") == Rows(None, CUT)
    assert store.is_done("lost")
    # It is tried again the next time.
    assert not store.has_rows("lost")


def test_what_was_never_written_is_not_there(store):
    assert store.read("key") is None
    assert not store.is_done("key")
    assert not store.has_rows("key")


def test_the_last_word_holds(store):
    store.write("key", Rows(VALUES, CUT))
    store.write("key", Rows(VALUES[:1]))
    assert store.read("key").problem is None
    np.testing.assert_array_equal(store.read("key").values, VALUES[:1])
    store.write("key", Rows(None, CUT))
    assert store.read("key") == Rows(None, CUT)


def test_what_is_forgotten_is_not_there(store, tmp_path):
    store.write("key", Rows(VALUES, CUT))
    store.write("other", Rows(VALUES))
    store.forget("key")
    assert store.read("key") is None
    assert store.has_rows("other")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["other.npy"]


def test_nothing_is_pickled(store, tmp_path):
    objects = np.array([[{}]], object)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        store.write("key", Rows(objects))
    assert not list((tmp_path / "store").iterdir())
    np.save(tmp_path / "store" / "key.npy", objects, allow_pickle=True)
    assert store.read("key") is None
    assert not list((tmp_path / "store").iterdir())


def test_rows_that_are_cut_off_are_remembered_as_such(store):
    store.write("key", Rows(VALUES, cut_off=(0, 1)))
    found = store.read("key")
    assert found.cut_off == (0, 1)
    assert found.remark(0)[0] == "cut_off"
    # Of a row that is not there it is not said, and of one that is whole neither.
    assert [found.remark(row) for row in (1, 2, 3)] == [None] * 3
    assert store.has_rows("key")


def _cut(data):
    return data[: len(data) // 2]


@pytest.mark.parametrize("damage", [_cut, lambda data: b"", lambda data: b"PK\x03\x04" + data])
@pytest.mark.parametrize("name", ["key.npy", "key.json"])
@pytest.mark.parametrize("ask", [EmbeddingStore.has_rows, EmbeddingStore.read])
def test_what_is_damaged_is_not_there(store, tmp_path, damage, name, ask):
    store.write("key", Rows(np.ones([40, 8], np.float32), CUT))
    store.write("other", Rows(VALUES))
    path = tmp_path / "store" / name
    path.write_bytes(damage(path.read_bytes()))
    assert not ask(store, "key")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["other.npy"]


def test_an_array_of_another_kind_is_not_there(store, tmp_path):
    for values in (np.ones(3, np.float32), np.ones([2, 2])):
        np.save(tmp_path / "store" / "key.npy", values)
        assert not store.has_rows("key")


def test_what_the_system_does_not_give_is_kept(store, tmp_path, monkeypatch):
    store.write("key", Rows(VALUES))

    def fail(*arguments, **options):
        raise OSError("stale handle")

    with monkeypatch.context() as patch:
        patch.setattr(np, "load", fail)
        with pytest.raises(OSError, match="stale handle"):
            store.has_rows("key")
    assert store.has_rows("key")


@pytest.fixture
def model(tmp_path):
    """A folder that looks like a model to one who does not load it."""
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"weights")
    return folder


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"a video")
    return path


def key(model, video, rule=TWO_WINDOWS, threads=1, **protocol):
    return row_key(FrameRows(str(model), FrameProtocol(**protocol), threads), [str(video)], rule)


def test_key_is_the_same_as_long_as_nothing_changes(model, video, monkeypatch):
    known = key(model, video)
    assert key(model, video) == known
    # Where one stands decides nothing.
    monkeypatch.chdir(video.parent)
    assert key("model", "v.mp4") == known


def test_key_changes_with_the_file_of_the_video(model, video, tmp_path):
    known = key(model, video)
    time = os.stat(video).st_mtime_ns
    os.utime(video, ns=(time, time + 1))
    touched = key(model, video)
    video.write_bytes(b"a longer video")
    os.utime(video, ns=(time, time))
    assert len({known, touched, key(model, video), key(model, tmp_path / "other.mp4")}) == 4


def test_key_changes_with_the_rule(model, video):
    rules = [
        SpreadRows(2),
        SpreadRows(3),
        RegularRows(2),
        RegularRows(2.5),
        ClipRows(((0.0, 2.0),), 2),
        ClipRows(((0.0, np.inf),), 2),
        ClipRows(((0.0, 2.0), (0.0, 2.0)), 2),
        ClipRows(((0.0, 2.0),), 3),
    ]
    assert len({key(model, video, rule) for rule in rules}) == len(rules)


def test_key_changes_with_each_setting_but_the_batch_and_the_threads(model, video):
    known = key(model, video)
    changed = [
        key(model, video, num_frames=16),
        key(model, video, frame_rate=5.0),
        key(model, video, frame_rate=None),
        key(model, video, image_size=112),
        key(model, video, short_side=256),
        key(model, video, output="mixed_5c"),
    ]
    assert len({known, *changed}) == 7
    assert key(model, video, batch_size=3) == known
    assert key(model, video, threads=4) == known


@pytest.mark.parametrize("part", ["saved_model.pb", "variables/variables.index"])
def test_key_changes_with_the_model(model, video, part):
    known = key(model, video)
    (model / part).write_bytes(b"something else")
    assert key(model, video) != known


def test_key_of_features_changes_with_rates_model_and_every_file(model, tmp_path):
    paths = [str(tmp_path / name) for name in ("2d.npy", "3d.npy")]
    for path in paths:
        np.save(path, np.zeros([2, 2]))
    source = FeatureRows((1.0, 1.5))
    rule = SpreadRows(2)
    keys = [
        row_key(source, paths, rule),
        row_key(source, paths[::-1], rule),
        row_key(FeatureRows((1.0, 2.0)), paths, rule),
        row_key(dataclasses.replace(source, model_path=str(model)), paths, rule),
    ]
    keys.append(row_key(dataclasses.replace(source, sizes=(2, 2)), paths, rule))
    np.save(paths[1], np.zeros([3, 2]))
    keys.append(row_key(source, paths, rule))
    assert len(set(keys)) == 6
