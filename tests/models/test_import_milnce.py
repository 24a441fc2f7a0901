import numpy as np
import pytest

from models import import_milnce
from models.torch_checkpoint import CheckpointError

# A sixteenth of the public widths, rounded to multiples of 4 from 4 upwards: outputs of b0, b1_a,
# b1_b, b2_a, b2_b and b3.
_BLOCKS = {
    "mixed_3b": (4, 8, 8, 4, 4, 4),
    "mixed_3c": (8, 8, 12, 4, 8, 4),
    "mixed_4b": (12, 8, 12, 4, 4, 4),
    "mixed_4c": (12, 8, 16, 4, 4, 4),
    "mixed_4d": (8, 8, 16, 4, 4, 4),
    "mixed_4e": (8, 8, 20, 4, 4, 4),
    "mixed_4f": (16, 12, 20, 4, 8, 8),
    "mixed_5b": (16, 12, 20, 4, 8, 8),
    "mixed_5c": (24, 12, 24, 4, 8, 8),
}
_STEMS = {"space_to_depth": (24, 2, 4, 4), "conv": (3, 3, 7, 7)}
_NUM_KEYS = 537


def _layers(stem):
    """Yields the name of each layer, the inputs and the outputs, and the kernel's size."""
    channels, *size = _STEMS[stem]
    yield "conv1.conv1", channels, 4, tuple(size)
    yield "conv_2b.conv1", 4, 4, (1, 1, 1)
    yield "conv_2c.conv1", 4, 12, (1, 3, 3)
    yield "conv_2c.conv2", 12, 12, (3, 1, 1)
    yield "gating.fc", 12, 12, ()
    inputs = 12
    for block, (b0, b1_a, b1_b, b2_a, b2_b, b3) in _BLOCKS.items():
        for name, *sizes in (
            ("b0.conv1", inputs, b0, (1, 1, 1)),
            ("b1_a.conv1", inputs, b1_a, (1, 1, 1)),
            ("b1_b.conv1", b1_a, b1_b, (1, 3, 3)),
            ("b1_b.conv2", b1_b, b1_b, (3, 1, 1)),
            ("b2_a.conv1", inputs, b2_a, (1, 1, 1)),
            ("b2_b.conv1", b2_a, b2_b, (1, 3, 3)),
            ("b2_b.conv2", b2_b, b2_b, (3, 1, 1)),
            ("b3_b.conv1", inputs, b3, (1, 1, 1)),
        ):
            yield (f"{block}.conv_{name}", *sizes)
        for branch, channels in enumerate((b0, b1_b, b2_b, b3)):
            yield f"{block}.gating_b{branch}.fc", channels, channels, ()
        inputs = b0 + b1_b + b2_b + b3
    yield "fc", inputs, 6, ()
    yield "text_module.fc1", 5, 7, ()
    yield "text_module.fc2", 7, 6, ()


def _arrays(stem="space_to_depth"):
    """Makes a checkpoint of random weights: 3 words of 5 numbers, 7 units, embeddings of 6."""
    rng = np.random.default_rng(3)
    arrays = {"text_module.word_embd.weight": rng.normal(size=(4, 5)).astype(np.float32)}
    for name, inputs, outputs, size in _layers(stem):
        arrays[f"{name}.weight"] = rng.normal(size=(outputs, inputs, *size)).astype(np.float32)
        unit, number = name.rsplit(".conv", 1) if size else (name, "")
        if not size:
            arrays[f"{name}.bias"] = rng.normal(size=outputs).astype(np.float32)
            continue
        for kind in ("weight", "bias", "running_mean", "running_var"):
            key = f"{unit}.bn{number}.{kind}"
            arrays[key] = rng.uniform(0.5, 1.5, outputs).astype(np.float32)
        arrays[f"{unit}.bn{number}.num_batches_tracked"] = np.array(9)
    return arrays


@pytest.fixture(scope="module")
def saved_arrays():
    return _arrays()


@pytest.fixture
def arrays(saved_arrays):
    return dict(saved_arrays)


@pytest.mark.parametrize("stem", list(_STEMS))
def test_model_has_the_weights_of_the_checkpoint(stem):
    arrays = _arrays(stem)
    assert len(arrays) == _NUM_KEYS
    model = import_milnce.make_model(arrays)
    video, text = model.video_tower, model.text_tower
    assert (video.stem, video.width, video.embedding_size) == (stem, 0.0625, 6)
    assert (text.hidden_size, text.embedding_size) == (7, 6)
    np.testing.assert_array_equal(text.embedding.embeddings, arrays["text_module.word_embd.weight"])

    kernel = np.asarray(video.conv1.convolution.kernel)
    expected = arrays["conv1.conv1.weight"]
    assert kernel.shape == (*expected.shape[2:], expected.shape[1], 4)
    assert kernel[1, 2, 3, 2, 1] == expected[1, 2, 1, 2, 3]
    block = video.blocks[3]
    kernel = np.asarray(block.b2_b.temporal.convolution.kernel)
    np.testing.assert_array_equal(
        kernel[:, 0, 0], arrays["mixed_4c.conv_b2_b.conv2.weight"][:, :, :, 0, 0].T
    )
    np.testing.assert_array_equal(
        block.b1_a.norm.moving_mean, arrays["mixed_4c.conv_b1_a.bn1.running_mean"]
    )
    norm = block.b1_b.spatial.norm
    for weight, kind in (
        (norm.gamma, "weight"),
        (norm.beta, "bias"),
        (norm.moving_variance, "running_var"),
    ):
        np.testing.assert_array_equal(weight, arrays[f"mixed_4c.conv_b1_b.bn1.{kind}"])
    dense = block.gates[2].dense
    np.testing.assert_array_equal(dense.kernel, arrays["mixed_4c.gating_b2.fc.weight"].T)
    np.testing.assert_array_equal(dense.bias, arrays["mixed_4c.gating_b2.fc.bias"])

    # Each weight of the model is one of the checkpoint's: as many sums as there are weights.
    sums = sorted(float(np.sum(np.asarray(weight), dtype=np.float64)) for weight in model.weights)
    stored = {key: array for key, array in arrays.items() if "num_batches" not in key}
    expected = sorted(float(np.sum(array, dtype=np.float64)) for array in stored.values())
    np.testing.assert_allclose(sums, expected, rtol=1e-9)


def test_text_embedding_by_the_formula(arrays):
    model = import_milnce.make_model(arrays)
    ids = np.array([[1, 3, 0], [0, 0, 0]])
    words = arrays["text_module.word_embd.weight"][ids] @ arrays["text_module.fc1.weight"].T
    words = np.maximum(words + arrays["text_module.fc1.bias"], 0.0).max(axis=1)
    expected = words @ arrays["text_module.fc2.weight"].T + arrays["text_module.fc2.bias"]
    np.testing.assert_allclose(model.embed_text(ids), expected, atol=1e-5)


def test_names_of_data_parallel_training_are_read(arrays):
    wrapped = {f"module.{key}": array for key, array in arrays.items()}
    model = import_milnce.make_model(wrapped)
    np.testing.assert_array_equal(model.video_tower.head.bias, arrays["fc.bias"])
    wrapped["fc.bias"] = wrapped.pop("module.fc.bias")
    with pytest.raises(CheckpointError, match=r"has no conv1\.conv1\.weight"):
        import_milnce.make_model(wrapped)


def test_counts_of_batches_may_be_missing(arrays):
    kept = {key: array for key, array in arrays.items() if "num_batches" not in key}
    assert len(kept) < len(arrays)
    assert import_milnce.make_model(kept).video_tower.stem == "space_to_depth"


def test_missing_and_unknown_keys_are_named(arrays):
    gamma = arrays.pop("mixed_3b.conv_b0.bn1.weight")
    del arrays["gating.fc.bias"]
    message = r"has no gating\.fc\.bias, mixed_3b\.conv_b0\.bn1\.weight$"
    with pytest.raises(CheckpointError, match=message):
        import_milnce.make_model(arrays)
    arrays["gating.fc.bias"] = np.zeros(12, np.float32)
    arrays["mixed_3b.conv_b0.bn1.weight"] = gamma
    arrays["conv1.bn2.num_batches_tracked"] = np.array(1)
    arrays["audio.fc.weight"] = gamma
    message = r"lacks: audio\.fc\.weight, conv1\.bn2\.num_batches_tracked$"
    with pytest.raises(CheckpointError, match=message):
        import_milnce.make_model(arrays)


def test_a_long_list_of_keys_is_cut(arrays):
    kept = {key: array for key, array in arrays.items() if not key.startswith("mixed_5")}
    with pytest.raises(CheckpointError, match=r"mixed_5b\.conv_b0\.bn1\.bias, .* and 88 more$"):
        import_milnce.make_model(kept)


@pytest.mark.parametrize(
    ("key", "shape", "needed"),
    [
        ("conv1.conv1.weight", (4, 3, 7, 7, 7), r"\[64, 24, 2, 4, 4\] or \[64, 3, 3, 7, 7\]"),
        ("conv1.conv1.weight", (8, 24, 2, 4, 4), r"\[4\] in the checkpoint, but \[8\]"),
        ("mixed_4b.conv_b1_b.conv2.weight", (12, 12, 1, 3, 3), r"\[12, 12, 3, 1, 1\]"),
        ("mixed_5c.gating_b0.fc.weight", (24, 20), r"but \[24, 24\]"),
        ("fc.weight", (6, 60), r"fc\.weight .* but \[6, 64\]"),
        ("text_module.fc2.weight", (5, 7), r"but \[6, 7\]"),
        ("text_module.word_embd.weight", (4, 6), r"but \[any, 5\]"),
        ("text_module.word_embd.weight", (1, 5), "the padding's row alone"),
    ],
)
def test_wrong_shape_is_named_beside_the_right_one(arrays, key, shape, needed):
    arrays[key] = np.zeros(shape, np.float32)
    with pytest.raises(CheckpointError, match=needed):
        import_milnce.make_model(arrays)
