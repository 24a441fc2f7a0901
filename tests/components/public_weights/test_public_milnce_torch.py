"""Imported checkpoints against the public network in PyTorch, at its real widths and sizes."""

import importlib
import importlib.util
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from components.public_weights import milnce
from components.trainer import config as config_lib
from components.trainer import starting_point
from models.description import read_description
from models.milnce import TextVideoModel
from models.s3d import S3D
from models.text_tower import TextTower
from models.torch_checkpoint import CheckpointError
from pipeline import cli

torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
# A file that is skipped as a whole has no tests, which Bazel takes for a failure.
pytestmark = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")

_MAX_WORDS = 16
# "stir" stands twice, so that its first id is never used; "Salt" and "half-way" are never found.
_WORDS = ["stir", "the", "Salt", "soup", "stir", "don't", "half-way", "crème", "", "salt"]
_WORDS += [f"word{number}" for number in range(20)]
_SENTENCES = [
    "stir the soup",
    "STIR The Soup, don't SALT!",
    "salt",
    "half-way",
    "nothing known here",
    "nothing known, but crème",
    "",
    " ".join(f"word{number}" for number in range(20)),
    "unknown " * 20 + "soup",
]


def _load_network():
    path = pathlib.Path(__file__).resolve().parents[3] / "benchmarks" / "s3d_torch.py"
    spec = importlib.util.spec_from_file_location("s3d_torch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _random_network(stem: str, width: float = 1.0):
    """Makes a network whose layers keep the size of what passes, with statistics of its own."""
    torch.manual_seed(5)
    network = _load_network().S3D(len(_WORDS), stem=stem, width=width).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv3d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.uniform_(module.weight, 0.6, 1.4)
            torch.nn.init.normal_(module.bias, 0.0, 0.2)
            module.running_mean.normal_(0.0, 0.2)
            module.running_var.uniform_(0.6, 1.4)
    for name, tensor in network.named_parameters():
        if "gating" in name and name.endswith("bias"):
            torch.nn.init.uniform_(tensor, 0.0, 3.0)
    return network


def _word_ids(sentences) -> np.ndarray:
    """Reads sentences as the reference code does."""
    positions = {word: position for position, word in enumerate(_WORDS, start=1)}
    ids = np.zeros((len(sentences), _MAX_WORDS), np.int64)
    for row, sentence in zip(ids, sentences, strict=True):
        known = [positions[w] for w in re.findall(r"[\w']+", sentence.lower()) if w in positions]
        row[: len(known)] = known[:_MAX_WORDS]
    return ids


def _import(network, folder: pathlib.Path, state=None) -> pathlib.Path:
    torch.save(network.state_dict() if state is None else state, folder / "model.pth")
    np.save(folder / "dict.npy", np.array(_WORDS))
    milnce.import_milnce(folder / "model.pth", folder / "dict.npy", folder / "model")
    return folder / "model"


@pytest.fixture(scope="module", params=["space_to_depth", "conv"])
def imported(request, tmp_path_factory):
    """Returns a network of one stem and the SavedModel that its checkpoint became."""
    network = _random_network(request.param)
    output = _import(network, tmp_path_factory.mktemp(request.param))
    assert read_description(output).config["stem"] == request.param
    return network, tf.saved_model.load(str(output))


@pytest.mark.parametrize(("frames", "pixels"), [(8, 224), (4, 256)])
def test_video_equals_pytorch(imported, frames, pixels):
    network, model = imported
    images = np.random.default_rng(6).random((1, frames, pixels, pixels, 3), np.float32)
    with torch.no_grad():
        embedding, features = network(torch.from_numpy(images).permute(0, 4, 1, 2, 3))
    outputs = model.signatures["video"](tf.constant(images))
    assert features.shape == (1, 1024)
    assert np.abs(features.numpy()).mean() > 0.1
    np.testing.assert_allclose(outputs["mixed_5c"], features.numpy(), atol=1e-4, rtol=0)
    np.testing.assert_allclose(outputs["video_embedding"], embedding.numpy(), atol=1e-4, rtol=0)


def test_text_equals_pytorch(imported):
    network, model = imported
    ids = _word_ids(_SENTENCES)
    assert ids[0, :4].tolist() == [5, 2, 4, 0]
    assert ids[7].all()
    with torch.no_grad():
        expected = network.text_module(torch.from_numpy(ids)).numpy()
    outputs = model.signatures["text"](tf.constant(_SENTENCES))["text_embedding"]
    np.testing.assert_allclose(outputs, expected, atol=1e-4, rtol=0)
    assert np.abs(expected[0] - expected[6]).max() > 0.05


def test_wrapped_checkpoint_of_a_training_is_read(tmp_path, monkeypatch):
    exported = []
    monkeypatch.setattr(milnce, "export_text_video_model", lambda *args: exported.append(args))
    network = _random_network("conv", width=0.0625)
    state = {f"module.{key}": tensor for key, tensor in network.state_dict().items()}
    _import(network, tmp_path, {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}})
    images = np.random.default_rng(7).random((2, 4, 32, 32, 3), np.float32)
    with torch.no_grad():
        expected, _ = network(torch.from_numpy(images).permute(0, 4, 1, 2, 3))
    embedding = exported[0][0].embed_video(images, training=False)
    np.testing.assert_allclose(embedding, expected.numpy(), atol=1e-4, rtol=0)


def test_command_imports_a_checkpoint_that_starts_a_training(tmp_path):
    network = _random_network("conv", width=0.0625)
    checkpoint, dictionary, output = (tmp_path / name for name in ("m.pth", "dict.npy", "model"))
    torch.save({"epoch": 3, "state_dict": network.state_dict()}, checkpoint)
    np.save(dictionary, np.array(_WORDS))
    files = ["--checkpoint", str(checkpoint), "--vocabulary", str(dictionary)]
    arguments = ["import-milnce", *files, "--output", str(output)]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.output == f"the model is in {output}\n"
    assert result.exit_code == 0

    start = starting_point.find(config_lib.ModelConfig(), [], np.zeros((1, 1)), str(output))
    config = start.config
    assert (config.width, config.stem, config.max_words) == (0.0625, "conv", _MAX_WORDS)
    model = TextVideoModel(
        S3D(config.width, config.embedding_size, config.stem),
        TextTower(start.word_vectors(), config.text_hidden_size, config.embedding_size),
    )
    model.build()
    start.restore(model)
    images = np.random.default_rng(7).random((2, 4, 32, 32, 3), np.float32)
    ids = _word_ids(_SENTENCES)
    with torch.no_grad():
        video, _ = network(torch.from_numpy(images).permute(0, 4, 1, 2, 3))
        text = network.text_module(torch.from_numpy(ids))
    signatures = tf.saved_model.load(str(output)).signatures
    for found in (
        model.embed_video(images, training=False),
        signatures["video"](tf.constant(images))["video_embedding"],
    ):
        np.testing.assert_allclose(found, video.numpy(), atol=1e-4, rtol=0)
    for found in (
        model.embed_text(ids),
        signatures["text"](tf.constant(_SENTENCES))["text_embedding"],
    ):
        np.testing.assert_allclose(found, text.numpy(), atol=1e-4, rtol=0)


def test_checkpoint_of_another_network_writes_nothing(tmp_path):
    network = _random_network("conv", width=0.0625)
    state = network.state_dict()
    del state["mixed_4c.conv_b2_b.bn2.running_var"]
    with pytest.raises(CheckpointError, match=r"model\.pth: .* no mixed_4c\.conv_b2_b\.bn2\.runn"):
        _import(network, tmp_path, state)
    assert not (tmp_path / "model").exists()
