import pickle

import numpy as np
import pytest

from components.feature_extractor import feature_folder
from components.feature_extractor.config import FeaturesConfig


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)
    return str(path)


def test_streams_are_subfolders_and_files_are_found_at_any_depth(tmp_path):
    paths = {
        ("3d", "b"): save(tmp_path / "feat-3D" / "Food" / "b.npy", np.ones([3, 2])),
        ("2d", "a"): save(tmp_path / "resnet_2d" / "a.mp4.npy", np.ones([2, 2])),
        ("s3d", "a.b"): save(tmp_path / "s3d" / "a.b.npy", np.ones([2, 2])),
    }
    (tmp_path / "notes").mkdir()
    (tmp_path / "2d" / "x.txt").parent.mkdir()
    found = feature_folder.find_features(str(tmp_path))
    assert list(found) == ["2d", "3d", "s3d"]
    assert {(name, key): path for name in found for key, path in found[name].items()} == paths


def test_rates_follow_the_stream():
    config = FeaturesConfig(rate_2d=2.0, rate_3d=3.0, hub_rate=4.0)
    rates = [feature_folder.stream_rate(name, config) for name in ("2d", "3d", "s3d", "mixed_5c")]
    assert rates == [2.0, 3.0, 4.0, 4.0]


def test_folder_without_features_says_what_it_needs(tmp_path):
    save(tmp_path / "a.npy", np.ones([2, 2]))
    with pytest.raises(ValueError, match="needs a subfolder for each stream, such as 2d"):
        feature_folder.find_features(str(tmp_path))


def test_two_folders_of_one_stream_are_refused(tmp_path):
    save(tmp_path / "2d" / "a.npy", np.ones([2, 2]))
    save(tmp_path / "resnet-2d" / "a.npy", np.ones([2, 2]))
    with pytest.raises(ValueError, match="two subfolders with features of the stream '2d'"):
        feature_folder.find_features(str(tmp_path))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8, np.int32])
def test_rows_are_read_as_half_precision(tmp_path, dtype):
    path = save(tmp_path / "a.npy", np.arange(6, dtype=dtype).reshape(3, 2))
    values = feature_folder.read_features(path, 2)
    assert values.dtype == np.float16
    assert values.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.ones(4), "not_a_matrix"),
        (np.ones([2, 2, 2]), "not_a_matrix"),
        (np.ones([2, 2], np.complex64), "not_a_matrix"),
        (np.full([2, 2], "x"), "not_a_matrix"),
        (np.array([[1.0, np.nan]]), "not_finite"),
        (np.array([[1.0, np.inf]]), "not_finite"),
        (np.array([[1.0, 1e6]]), "not_finite"),
        (np.ones([2, 3]), "wrong_size"),
    ],
)
def test_arrays_that_are_no_features(tmp_path, values, reason):
    path = save(tmp_path / "a.npy", values)
    with pytest.raises(feature_folder.FeatureFileError) as caught:
        feature_folder.read_features(path, 2)
    assert caught.value.reason == reason
    assert path in caught.value.message


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x93NUMPY", b"no array", pickle.dumps(Bomb()), b"PK\x03\x04"],
    ids=["empty", "header", "text", "pickle", "zip"],
)
def test_files_that_are_no_arrays(tmp_path, content):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(feature_folder.FeatureFileError) as caught:
        feature_folder.read_features(str(path), None)
    assert caught.value.reason == "not_an_array"


def test_array_of_pickled_objects_is_not_opened(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[Bomb()]], object), allow_pickle=True)
    with pytest.raises(feature_folder.FeatureFileError) as caught:
        feature_folder.read_features(str(path), None)
    assert caught.value.reason == "not_an_array"


def test_missing_file(tmp_path):
    with pytest.raises(feature_folder.FeatureFileError) as caught:
        feature_folder.read_features(str(tmp_path / "gone.npy"), None)
    assert caught.value.reason == "missing_features"


def test_usual_size_is_that_of_most_files(tmp_path):
    paths = [save(tmp_path / f"{n}.npy", np.ones([2, 3 if n else 9])) for n in range(4)]
    (tmp_path / "x.npy").write_bytes(b"")
    assert feature_folder.usual_size([str(tmp_path / "x.npy"), *paths]) == 3
    assert feature_folder.usual_size([]) is None
