import builtins
import os
import pickle
import sys

import numpy as np
import pytest

from models import torch_checkpoint

_WEIGHTS = {"fc.weight": np.ones((3, 2), np.float32), "fc.bias": np.zeros(3, np.float32)}


class _Bomb:
    """A thing whose pickle writes a file when it is opened carelessly."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return builtins.open, (str(self._path), "w")


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def test_weight_of_the_right_shape_is_returned():
    weight = torch_checkpoint.take_weight(_WEIGHTS, "fc.weight", [None, 2])
    assert weight is _WEIGHTS["fc.weight"]


def test_missing_key_is_named():
    message = r"no gate\.weight, of shape \[3, any\]; its first keys are fc\.bias, fc\.weight"
    with pytest.raises(torch_checkpoint.CheckpointError, match=message):
        torch_checkpoint.take_weight(_WEIGHTS, "gate.weight", [3, None])


@pytest.mark.parametrize(
    ("shape", "needed"), [([2, 3], r"\[2, 3\]"), ([None, 4], r"\[any, 4\]"), ([6], r"\[6\]")]
)
def test_both_shapes_are_named(shape, needed):
    message = rf"fc\.weight has the shape \[3, 2\] in the checkpoint, but {needed} is needed"
    with pytest.raises(torch_checkpoint.CheckpointError, match=message):
        torch_checkpoint.take_weight(_WEIGHTS, "fc.weight", shape)


def test_empty_weight_is_refused():
    with pytest.raises(torch_checkpoint.CheckpointError, match=r"shape \[0\]"):
        torch_checkpoint.take_weight({"fc.bias": np.zeros(0)}, "fc.bias", [None])


def test_weight_that_is_not_finite_is_named():
    with pytest.raises(torch_checkpoint.CheckpointError, match=r"fc\.bias has a value .* finite"):
        torch_checkpoint.take_weight({"fc.bias": np.array([1.0, np.nan])}, "fc.bias", [2])


def test_missing_torch_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    message = r"PyTorch is not installed: pip install 'howto100m-tfx\[torch\]'"
    with pytest.raises(torch_checkpoint.CheckpointError, match=message):
        torch_checkpoint.read_checkpoint("model.pth")


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_tensors_come_as_arrays(torch, tmp_path, wrapped, new_format):
    state = {
        "fc.weight": torch.arange(6.0, dtype=torch.float64).reshape(3, 2).t(),
        "fc.bias": torch.tensor([0.5, -2.0], dtype=torch.bfloat16),
        "trained": torch.nn.Parameter(torch.tensor([1.5])),
        "num_batches_tracked": torch.tensor(7),
    }
    content = {"epoch": 3, "state_dict": state} if wrapped else state
    path = tmp_path / "model.pth"
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    arrays = torch_checkpoint.read_checkpoint(path)
    assert list(arrays) == list(state)
    np.testing.assert_array_equal(arrays["fc.weight"], [[0, 2, 4], [1, 3, 5]])
    np.testing.assert_array_equal(arrays["fc.bias"], [0.5, -2.0])
    np.testing.assert_array_equal(arrays["trained"], [1.5])
    assert arrays["num_batches_tracked"] == 7
    assert [array.dtype.name for array in arrays.values()] == ["float32"] * 3 + ["int64"]


@pytest.mark.parametrize("new_format", [True, False, None])
def test_pickled_code_is_refused_and_not_run(torch, tmp_path, new_format):
    opened = tmp_path / "opened"
    content = {"state_dict": {"fc.weight": torch.ones(2)}, "code": _Bomb(opened)}
    path = tmp_path / "model.pth"
    if new_format is None:
        path.write_bytes(pickle.dumps({"code": _Bomb(opened)}, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(
        torch_checkpoint.CheckpointError, match=r"refused: .* run or make \w+\.open"
    ):
        torch_checkpoint.read_checkpoint(path)
    assert not opened.exists()
    # The file is armed: a reader without protection runs it.
    if new_format is None:
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert opened.exists()


def test_whole_model_is_refused(torch, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pth")
    with pytest.raises(torch_checkpoint.CheckpointError, match=r"make torch\.nn\.modules\.linear"):
        torch_checkpoint.read_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_truncated_file_is_refused(torch, tmp_path, kept, new_format):
    path = tmp_path / "model.pth"
    torch.save({"a": torch.ones(100)}, path, _use_new_zipfile_serialization=new_format)
    os.truncate(path, int(path.stat().st_size * kept))
    with pytest.raises(torch_checkpoint.CheckpointError, match=r"model\.pth is damaged or no"):
        torch_checkpoint.read_checkpoint(path)


@pytest.mark.parametrize("content", [b"Lorem ipsum\n", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_other_file_is_refused(torch, tmp_path, content):
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(torch_checkpoint.CheckpointError, match=r"model\.pth is damaged or no"):
        torch_checkpoint.read_checkpoint(path)


def test_missing_file_and_folder_are_named(torch, tmp_path):
    with pytest.raises(torch_checkpoint.CheckpointError, match=r"nowhere\.pth cannot be read: No"):
        torch_checkpoint.read_checkpoint(tmp_path / "nowhere.pth")
    with pytest.raises(torch_checkpoint.CheckpointError, match="cannot be read: Is a directory"):
        torch_checkpoint.read_checkpoint(tmp_path)


def test_checkpoint_without_a_state_dict_is_refused(torch, tmp_path):
    path = tmp_path / "model.pth"
    for content, message in (
        ({}, "no state dict, but nothing"),
        ([torch.ones(2)], "no state dict, but list"),
        ({"epoch": 3}, "'epoch' is of type int, not a tensor"),
        ({"a": torch.ones(2).to_sparse()}, "a is not a dense tensor"),
    ):
        torch.save(content, path)
        with pytest.raises(torch_checkpoint.CheckpointError, match=message):
            torch_checkpoint.read_checkpoint(path)
