import numpy as np
import pytest

from models import import_gated
from models.torch_checkpoint import CheckpointError

_SHAPES = {
    "text_pooling.fc": (6, 3),
    "GU_text.fc": (5, 6),
    "GU_text.cg.fc": (5, 5),
    "GU_video.fc": (5, 4),
    "GU_video.cg.fc": (5, 5),
}


@pytest.fixture
def arrays():
    """Returns a checkpoint of random weights: d = 5, clip vectors of 4, words of 3, 6 units."""
    rng = np.random.default_rng(3)
    arrays = {}
    for name, shape in _SHAPES.items():
        arrays[f"{name}.weight"] = rng.normal(size=shape).astype(np.float32)
        arrays[f"{name}.bias"] = rng.normal(size=shape[0]).astype(np.float32)
    for unit in ("GU_text", "GU_video"):
        for name in ("weight", "bias", "running_mean", "running_var"):
            arrays[f"{unit}.cg.batch_norm.{name}"] = rng.normal(size=5).astype(np.float32)
        arrays[f"{unit}.cg.batch_norm.num_batches_tracked"] = np.int64(0)
    return arrays


def _unit(arrays, name, vector):
    hidden = arrays[f"{name}.fc.weight"] @ vector + arrays[f"{name}.fc.bias"]
    gate = arrays[f"{name}.cg.fc.weight"] @ hidden + arrays[f"{name}.cg.fc.bias"]
    gated = hidden / (1.0 + np.exp(-gate))
    return gated / np.linalg.norm(gated)


def test_model_computes_what_the_checkpoint_says(arrays):
    rng = np.random.default_rng(4)
    vectors = np.concatenate([np.zeros((1, 3)), rng.normal(size=(7, 3))]).astype(np.float32)
    layers = import_gated.read_layers(arrays)
    assert (layers.word_size, layers.caption_size) == (3, 6)
    assert (layers.feature_size, layers.embedding_size) == (4, 5)
    model = import_gated.make_model(layers, vectors)

    features = rng.normal(size=(3, 4)).astype(np.float32)
    expected = [_unit(arrays, "GU_video", row) for row in features]
    np.testing.assert_allclose(model.embed_video(features), expected, atol=1e-6)

    word_ids = np.array([[1, 2, 3], [7, 7, 0], [0, 0, 0]])
    weight, bias = (arrays[f"text_pooling.fc.{kind}"] for kind in ("weight", "bias"))
    captions = np.maximum(vectors[word_ids] @ weight.T + bias, 0.0).max(axis=1)
    expected = [_unit(arrays, "GU_text", row) for row in captions]
    np.testing.assert_allclose(model.embed_text(word_ids), expected, atol=1e-6)


def test_batch_normalisation_may_be_missing(arrays):
    kept = {key: array for key, array in arrays.items() if "batch_norm" not in key}
    assert len(kept) == 10
    assert import_gated.read_layers(kept).embedding_size == 5


@pytest.mark.parametrize("key", [f"{n}.{k}" for n in _SHAPES for k in ("weight", "bias")])
def test_missing_key_is_named(arrays, key):
    del arrays[key]
    with pytest.raises(CheckpointError, match=f"has no {key}, of shape"):
        import_gated.read_layers(arrays)


@pytest.mark.parametrize(
    ("key", "shape", "needed"),
    [
        ("GU_text.fc.weight", (5, 7), r"\[5, 7\] in the checkpoint, but \[5, 6\]"),
        ("GU_text.cg.fc.weight", (4, 5), r"\[4, 5\] in the checkpoint, but \[5, 5\]"),
        ("GU_video.cg.fc.bias", (6,), r"\[6\] in the checkpoint, but \[5\]"),
        ("GU_video.fc.weight", (5, 4, 1), r"\[5, 4, 1\] in the checkpoint, but \[any, any\]"),
        ("text_pooling.fc.bias", (3,), r"\[3\] in the checkpoint, but \[6\]"),
    ],
)
def test_wrong_shape_is_named_beside_the_right_one(arrays, key, shape, needed):
    arrays[key] = np.zeros(shape, np.float32)
    with pytest.raises(CheckpointError, match=f"{key} has the shape {needed} is needed"):
        import_gated.read_layers(arrays)


def test_unknown_keys_are_listed(arrays):
    arrays["GU_audio.fc.weight"] = np.zeros((2, 2), np.float32)
    arrays["GU_video.cg.batch_norm.extra"] = np.zeros(2, np.float32)
    message = r"lacks: GU_audio\.fc\.weight, GU_video\.cg\.batch_norm\.extra"
    with pytest.raises(CheckpointError, match=message):
        import_gated.read_layers(arrays)


def test_word_vectors_of_another_size_are_refused(arrays):
    layers = import_gated.read_layers(arrays)
    with pytest.raises(ValueError, match="have 4 numbers, but the checkpoint was trained with 3"):
        import_gated.make_model(layers, np.zeros((2, 4), np.float32))
