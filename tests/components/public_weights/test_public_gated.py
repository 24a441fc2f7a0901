import json
import re
import struct

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub

from components.public_weights import gated
from models.description import read_description
from models.torch_checkpoint import CheckpointError

_SIZE, _CAPTION, _FEATURES, _WORD = 6, 5, 8, 3
_MAX_WORDS = 4
# The words of the file; those that a text cannot have are not taken.
_WORDS = ["</s>", "turkey", "the", "Turkey", "U.S.", "New_York", "don't", "crème", "turkey"]
_SENTENCES = [
    "Turkey",
    "turkey",
    "TURKEY unknown",
    "unknown the, Turkey! don't New_York turkey crème",
    "the-crème",
    "the crème the crème",
    "",
]


@pytest.fixture(scope="module")
def vectors_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "vectors.bin"
    rng = np.random.default_rng(1)
    content = f"{len(_WORDS)} {_WORD}\n".encode()
    for word in _WORDS:
        content += word.encode() + b" " + struct.pack("<3f", *rng.normal(size=3)) + b"\n"
    path.write_bytes(content)
    return path


def _vectors(path) -> dict[str, np.ndarray]:
    """Reads a binary word2vec file by the format's definition."""
    content = path.read_bytes().split(b"\n", 1)[1]
    vectors = {}
    while content:
        word, content = content.lstrip(b"\n").split(b" ", 1)
        vectors.setdefault(word.decode(), np.frombuffer(content[:12], "<f4"))
        content = content[13:]
    return vectors


def _arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    shapes = {
        "text_pooling.fc": (_CAPTION, _WORD),
        "GU_text.fc": (_SIZE, _CAPTION),
        "GU_text.cg.fc": (_SIZE, _SIZE),
        "GU_video.fc": (_SIZE, _FEATURES),
        "GU_video.cg.fc": (_SIZE, _SIZE),
    }
    arrays = {f"{n}.weight": rng.normal(size=s).astype(np.float32) for n, s in shapes.items()}
    return arrays | {f"{n}.bias": rng.normal(size=s[0]).astype("f4") for n, s in shapes.items()}


def _unit(arrays, name, vector):
    hidden = arrays[f"{name}.fc.weight"] @ vector + arrays[f"{name}.fc.bias"]
    gate = arrays[f"{name}.cg.fc.weight"] @ hidden + arrays[f"{name}.cg.fc.bias"]
    gated_vector = hidden / (1.0 + np.exp(-gate))
    return gated_vector / np.linalg.norm(gated_vector)


def _word_rows(vectors, sentence: str) -> np.ndarray:
    """Returns a sentence's padded word vectors as the reference code makes them."""
    words = [word for word in re.findall(r"[\w']+", sentence) if word in vectors]
    rows = np.zeros((_MAX_WORDS, _WORD), np.float32)
    for row, word in zip(rows, words, strict=False):
        row[:] = vectors[word]
    return rows


def _text_embedding(arrays, vectors, sentence):
    weight, bias = (arrays[f"text_pooling.fc.{kind}"] for kind in ("weight", "bias"))
    words = np.maximum(_word_rows(vectors, sentence) @ weight.T + bias, 0.0)
    return _unit(arrays, "GU_text", words.max(axis=0))


def _features() -> np.ndarray:
    return np.random.default_rng(5).random((4, _FEATURES), np.float32)


@pytest.fixture
def without_torch(monkeypatch):
    """Makes `import_gated` meet the arrays of a checkpoint without a file."""
    arrays = _arrays()
    monkeypatch.setattr(gated, "read_checkpoint", lambda path: arrays)
    return arrays


@pytest.fixture(scope="module")
def served(vectors_file, tmp_path_factory):
    output = tmp_path_factory.mktemp("import") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gated, "read_checkpoint", lambda path: _arrays())
        layers = gated.import_gated("model.pth", vectors_file, output, max_words=_MAX_WORDS)
    assert layers.embedding_size == _SIZE
    return output


def test_served_model_equals_the_reference(served, vectors_file):
    model = hub.load(str(served))
    arrays, vectors = _arrays(), _vectors(vectors_file)
    video = model.signatures["video"](tf.constant(_features()))["video_embedding"]
    expected = [_unit(arrays, "GU_video", row) for row in _features()]
    np.testing.assert_allclose(video, expected, atol=1e-5)
    text = model.signatures["text"](tf.constant(_SENTENCES))["text_embedding"]
    expected = [_text_embedding(arrays, vectors, sentence) for sentence in _SENTENCES]
    np.testing.assert_allclose(text, expected, atol=1e-5)
    # Capitals count; words without a vector do not, and the words past the fourth are cut off.
    assert np.abs(text[0] - text[1]).max() > 0.01
    np.testing.assert_allclose(text[2], text[6], atol=1e-6)
    assert np.abs(text[4] - text[5]).max() > 1e-4  # Padding takes part in the maximum.
    cut = model.signatures["text"](tf.constant(["the Turkey don't New_York"]))["text_embedding"]
    np.testing.assert_allclose(text[3], cut[0], atol=1e-6)


def test_description_says_how_the_model_is_run(served):
    description = read_description(served)
    assert description.kind == "gated"
    assert description.config == {
        "embedding_size": _SIZE,
        "caption_size": _CAPTION,
        "max_words": _MAX_WORDS,
    }
    assert description.case_sensitive
    assert description.features == [
        {"name": "2d", "rate": 1.0, "size": 4},
        {"name": "3d", "rate": 1.5, "size": 4},
    ]
    assert description.words == ["turkey", "the", "Turkey", "New_York", "don't", "crème"]


def test_vocabulary_can_be_limited(without_torch, vectors_file, tmp_path):
    gated.import_gated("model.pth", vectors_file, tmp_path / "model", vocabulary_size=2)
    assert read_description(tmp_path / "model").words == ["turkey", "the"]
    saved = json.loads((tmp_path / "model" / "assets.extra" / "howto100m.json").read_bytes())
    assert saved["config"]["max_words"] == 30


def test_folder_in_use_is_left_alone(without_torch, vectors_file, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="model is already there; give the name of a new folder"):
        gated.import_gated("model.pth", vectors_file, tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["notes.txt"]


def test_unusable_input_is_refused_before_anything_is_written(
    without_torch, vectors_file, tmp_path
):
    output = tmp_path / "model"
    with pytest.raises(ValueError, match="max_words is 0"):
        gated.import_gated("model.pth", vectors_file, output, max_words=0)
    with pytest.raises(ValueError, match="limit is 0 words"):
        gated.import_gated("model.pth", vectors_file, output, vocabulary_size=0)
    (tmp_path / "glove.txt").write_text("a 1 2 3 4\nb 1 2 3 4\n")
    with pytest.raises(ValueError, match="have 4 numbers, but the checkpoint was trained with 3"):
        gated.import_gated("model.pth", tmp_path / "glove.txt", output)
    without_torch["GU_video.fc.weight"] = np.zeros((_SIZE, 7), np.float32)
    with pytest.raises(CheckpointError, match=r"model\.pth: clip vectors of 7 are no 2D and 3D"):
        gated.import_gated("model.pth", vectors_file, output)
    del without_torch["GU_text.fc.bias"]
    with pytest.raises(CheckpointError, match=r"model\.pth: the checkpoint has no GU_text\.fc\.b"):
        gated.import_gated("model.pth", vectors_file, output)
    assert not output.exists()


def _torch_model(torch):
    """Makes random weights in a PyTorch model of the public one's maths and key names."""
    nn = torch.nn

    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(_SIZE, _SIZE)
            self.batch_norm = nn.BatchNorm1d(_SIZE)

    class Unit(nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.fc = nn.Linear(inputs, _SIZE)
            self.cg = Gate()

        def forward(self, vectors):
            hidden = self.fc(vectors)
            both = torch.cat([hidden, self.cg.fc(hidden)], dim=1)
            return nn.functional.normalize(nn.functional.glu(both, dim=1))

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(_WORD, _CAPTION)

        def forward(self, vectors):
            return nn.functional.relu(self.fc(vectors)).amax(dim=1)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.text_pooling = Words()
            self.GU_text = Unit(_CAPTION)
            self.GU_video = Unit(_FEATURES)

        def forward(self, features, words):
            return self.GU_video(features), self.GU_text(self.text_pooling(words))

    torch.manual_seed(7)
    return Model().eval()


@pytest.mark.parametrize("wrapped", [False, True])
def test_import_equals_pytorch(vectors_file, tmp_path, wrapped):
    torch = pytest.importorskip("torch")
    model = _torch_model(torch)
    state = model.state_dict()
    assert len(state) == 20
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "model.pth")
    gated.import_gated(
        tmp_path / "model.pth", vectors_file, tmp_path / "model", max_words=_MAX_WORDS
    )
    vectors = _vectors(vectors_file)
    words = torch.tensor(np.stack([_word_rows(vectors, sentence) for sentence in _SENTENCES]))
    with torch.no_grad():
        video, text = model(torch.from_numpy(_features()), words)
    loaded = hub.load(str(tmp_path / "model"))
    outputs = loaded.signatures["video"](tf.constant(_features()))
    np.testing.assert_allclose(outputs["video_embedding"], video.numpy(), atol=1e-5)
    outputs = loaded.signatures["text"](tf.constant(_SENTENCES))
    np.testing.assert_allclose(outputs["text_embedding"], text.numpy(), atol=1e-5)


def test_checkpoint_of_another_shape_writes_nothing(vectors_file, tmp_path):
    torch = pytest.importorskip("torch")
    state = _torch_model(torch).state_dict()
    state["GU_text.cg.fc.weight"] = torch.zeros(_SIZE, 2)
    torch.save(state, tmp_path / "model.pth")
    message = r"model\.pth: GU_text\.cg\.fc\.weight has the shape \[6, 2\] .* \[6, 6\] is needed"
    with pytest.raises(CheckpointError, match=message):
        gated.import_gated(tmp_path / "model.pth", vectors_file, tmp_path / "model")
    assert not (tmp_path / "model").exists()
