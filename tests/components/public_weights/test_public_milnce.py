import sys

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

# The first "stir" is never found; neither are "Soup" and "".
_WORDS = ["stir", "Soup", "stir", "", "salt"]


def _model():
    """Makes a model whose text embedding is the largest id of a sentence."""
    ids = np.arange(len(_WORDS) + 1, dtype=np.float32)[:, None]
    text = TextTower(ids, hidden_size=1, embedding_size=1)
    model = TextVideoModel(S3D(0.0625, embedding_size=1, stem="conv"), text)
    model.build()
    text.hidden.set_weights([np.ones((1, 1)), np.zeros(1)])
    text.head.set_weights([np.ones((1, 1)), np.zeros(1)])
    return model


@pytest.fixture
def without_torch(monkeypatch):
    """Makes `import_milnce` meet a model without a checkpoint's file."""
    model = _model()
    monkeypatch.setattr(milnce, "read_checkpoint", lambda path: {"fc.bias": np.zeros(1)})
    monkeypatch.setattr(milnce.layout, "make_model", lambda arrays: model)
    return model


@pytest.fixture
def dictionary(tmp_path):
    path = tmp_path / "dict.npy"
    np.save(path, np.array(_WORDS))
    return path


@pytest.fixture
def arguments(dictionary, tmp_path):
    """Returns those of the command; its checkpoint is an empty file."""
    checkpoint = tmp_path / "model.pth"
    checkpoint.touch()
    files = ["--checkpoint", str(checkpoint), "--vocabulary", str(dictionary)]
    return ["import-milnce", *files, "--output", str(tmp_path / "model")]


def test_command_writes_a_model_that_serves_and_starts_a_training(
    without_torch, arguments, tmp_path
):
    output = tmp_path / "model"
    result = CliRunner().invoke(cli.main, arguments)
    assert result.output == f"the model is in {output}\n"
    assert result.exit_code == 0
    assert read_description(output).words == ["<unused 1>", "Soup", "stir", "<unused 4>", "salt"]

    text = tf.saved_model.load(str(output)).signatures["text"]
    sentences = ["Stir", "soup Soup", "", "stir it, SALT", "unused 4 <unused 4>"]
    sentences += ["stir " * 16 + "salt", "unknown " * 16 + "salt"]
    embeddings = text(tf.constant(sentences))["text_embedding"].numpy()[:, 0]
    assert embeddings.tolist() == [3, 0, 0, 5, 0, 3, 5]

    start = starting_point.find(config_lib.ModelConfig(), [], np.zeros((1, 1)), str(output))
    assert start.config == config_lib.ModelConfig(
        width=0.0625, stem="conv", embedding_size=1, text_hidden_size=1, max_words=16
    )
    new = TextVideoModel(
        S3D(start.config.width, start.config.embedding_size, start.config.stem),
        TextTower(start.word_vectors(), start.config.text_hidden_size, start.config.embedding_size),
    )
    new.build()
    start.restore(new)
    for weight, imported in zip(new.weights, without_torch.weights, strict=True):
        np.testing.assert_array_equal(weight, imported)


def test_number_of_words_can_be_chosen(without_torch, arguments, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(milnce, "export_text_video_model", lambda *args: calls.append(args))
    result = CliRunner().invoke(cli.main, [*arguments, "--max-words", "2"])
    assert result.exit_code == 0, result.output
    [(model, output, words, max_words, settings)] = calls
    assert model is without_torch
    assert (output, len(words)) == (tmp_path / "model", 5)
    assert max_words == settings["max_words"] == 2


def test_command_without_torch_is_one_clear_line(arguments, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {tmp_path / 'model.pth'} is a PyTorch checkpoint, and PyTorch is not installed: "
        f"pip install 'howto100m-tfx[torch]'\n"
    )
    assert not (tmp_path / "model").exists()


def test_vocabulary_of_another_length_is_refused(without_torch, dictionary, tmp_path):
    np.save(dictionary, np.array(_WORDS[:3]))
    message = r"dict\.npy has 3 words, but model\.pth has vectors for 5; give the vocabulary"
    with pytest.raises(ValueError, match=message):
        milnce.import_milnce("model.pth", dictionary, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_unusable_input_is_refused_before_anything_is_written(monkeypatch, dictionary, tmp_path):
    monkeypatch.setattr(milnce, "read_checkpoint", lambda path: {"fc.bias": np.zeros(1)})
    output = tmp_path / "model"
    with pytest.raises(CheckpointError, match=r"model\.pth: the checkpoint has no conv1\.conv1"):
        milnce.import_milnce("model.pth", dictionary, output)
    with pytest.raises(ValueError, match="max_words is 0"):
        milnce.import_milnce("model.pth", dictionary, output, max_words=0)
    assert not output.exists()
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="model is already there; give the name of a new folder"):
        milnce.import_milnce("model.pth", dictionary, output)
