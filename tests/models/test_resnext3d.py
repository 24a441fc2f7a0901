import numpy as np
import pytest

from models.resnext3d import (
    GroupedConvolution,
    build_resnext3d,
    load_torch_weights,
)
from models.torch_checkpoint import read_checkpoint

# Two stages, the second with two bottlenecks: every kind of block of the full network.
TINY = {"block_counts": (1, 2), "planes": (64, 128), "cardinality": 2, "clip_shape": (4, 20, 16)}


def pad_and_slide(video, size, stride, padding, value):
    """Returns the windows of [C, T, H, W] as [C, T', H', W', kt, kh, kw]."""
    video = np.pad(video, [(0, 0), *((p, p) for p in padding)], constant_values=value)
    windows = np.lib.stride_tricks.sliding_window_view(video, size, axis=(1, 2, 3))
    return windows[:, :: stride[0], :: stride[1], :: stride[2]]


def convolve(video, kernel, stride, padding, groups=1):
    """Convolves [C, T, H, W] with PyTorch's [out, C / groups, kt, kh, kw]."""
    windows = pad_and_slide(video, kernel.shape[2:], stride, padding, 0.0)
    return np.concatenate(
        [
            np.einsum("cthwxyz,ocxyz->othw", part, weights)
            for part, weights in zip(
                np.split(windows, groups), np.split(kernel, groups), strict=True
            )
        ]
    )


def reference_features(clip, arrays, block_counts, cardinality):
    """The network in plain NumPy on one clip [T, H, W, 3], from a checkpoint's tensors."""
    arrays = {key: value.astype(np.float64) for key, value in arrays.items()}

    def norm(video, name):
        gamma, beta, mean, variance = (
            arrays[f"{name}.{part}"][:, None, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (video - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    def unit(video, conv, bn, stride=1, groups=1):
        kernel = arrays[f"{conv}.weight"]
        padding = [size // 2 for size in kernel.shape[2:]]
        return norm(convolve(video, kernel, (stride,) * 3, padding, groups), bn)

    video = (clip - np.array([110.6, 103.2, 96.3])).transpose(3, 0, 1, 2)
    video = convolve(video, arrays["conv1.weight"], (1, 2, 2), (3, 3, 3))
    video = np.maximum(norm(video, "bn1"), 0)
    video = pad_and_slide(video, (3, 3, 3), (2, 2, 2), (1, 1, 1), -np.inf).max((4, 5, 6))
    for stage, blocks in enumerate(block_counts, 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            out = np.maximum(unit(video, f"{name}.conv1", f"{name}.bn1"), 0)
            out = np.maximum(unit(out, f"{name}.conv2", f"{name}.bn2", stride, cardinality), 0)
            out = unit(out, f"{name}.conv3", f"{name}.bn3")
            if block == 0:
                video = unit(video, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            video = np.maximum(out + video, 0)
    return video.mean((1, 2, 3))


def tiny_checkpoint(seed=0):
    """Tensors of the tiny network in PyTorch's layout, written down by hand."""
    rng = np.random.default_rng(seed)
    shapes = {"conv1": (64, 3, 7, 7, 7), "bn1": (64,)}
    # Middle channels 2 * 64 / 32 and 2 * 128 / 32, in two groups; outputs twice the planes.
    for name, inputs, middle, outputs in (
        ("layer1.0", 64, 4, 128),
        ("layer2.0", 128, 8, 256),
        ("layer2.1", 256, 8, 256),
    ):
        shapes |= {
            f"{name}.conv1": (middle, inputs, 1, 1, 1),
            f"{name}.bn1": (middle,),
            f"{name}.conv2": (middle, middle // 2, 3, 3, 3),
            f"{name}.bn2": (middle,),
            f"{name}.conv3": (outputs, middle, 1, 1, 1),
            f"{name}.bn3": (outputs,),
        }
        if name.endswith(".0"):
            shapes[f"{name}.downsample.0"] = (outputs, inputs, 1, 1, 1)
            shapes[f"{name}.downsample.1"] = (outputs,)
    arrays = {}
    for name, shape in shapes.items():
        if len(shape) == 5:
            kernel = rng.normal(0, np.prod(shape[1:]) ** -0.5, shape)
            arrays[f"{name}.weight"] = kernel.astype(np.float32)
            continue
        for part, low in (("weight", 0.5), ("bias", -1), ("running_mean", -1), ("running_var", 1)):
            arrays[f"{name}.{part}"] = rng.uniform(low, 2, shape).astype(np.float32)
    return arrays


@pytest.fixture(scope="module")
def clips():
    return np.random.default_rng(1).integers(0, 256, (2, *TINY["clip_shape"], 3), np.uint8)


@pytest.fixture
def tiny():
    return build_resnext3d(**TINY)


def test_the_full_network_has_the_parameters_of_its_layout():
    model = build_resnext3d()
    assert model.input_shape == (None, 16, 112, 112, 3)
    assert model.output_shape == (None, 2048)
    expected, channels = 3 * 64 * 7**3 + 4 * 64, 64
    for blocks, planes in ((3, 128), (4, 256), (23, 512), (3, 1024)):
        # With cardinality 32 and width planes / 32 for each group the middle has `planes` channels.
        outputs = 2 * planes
        expected += channels * outputs + 4 * outputs
        for _ in range(blocks):
            expected += channels * planes + 27 * planes * (planes // 32) + planes * outputs
            expected += 4 * (planes + planes + outputs)
            channels = outputs
    assert model.count_params() == expected == 47_659_072
    assert not model.trainable_weights
    assert model.get_layer("layer4.2.conv2").kernel.shape == (3, 3, 3, 32, 1024)


@pytest.mark.parametrize("size", [(4, 6, 5), (1, 4, 4)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("groups", "inputs", "outputs"), [(2, 4, 6), (8, 8, 8), (1, 3, 4)])
def test_convolution_in_groups(groups, inputs, outputs, stride, size):
    rng = np.random.default_rng(0)
    video = rng.normal(size=(2, *size, inputs)).astype(np.float32)
    layer = GroupedConvolution(outputs, groups, stride)
    layer.build(video.shape)
    kernel = rng.normal(size=layer.kernel.shape).astype(np.float32)
    layer.kernel.assign(kernel)
    out = np.asarray(layer(video))
    for result, one in zip(out, video, strict=True):
        expected = convolve(
            one.transpose(3, 0, 1, 2),
            kernel.transpose(4, 3, 0, 1, 2),
            (stride,) * 3,
            (1, 1, 1),
            groups,
        )
        np.testing.assert_allclose(result, expected.transpose(1, 2, 3, 0), atol=1e-5)


def test_a_group_sees_its_own_channels_alone():
    layer = GroupedConvolution(4, 2)
    layer.build((None, None, None, None, 4))
    layer.kernel.assign(np.ones(layer.kernel.shape))
    # Channels 0 and 1 hold 1 and 10, the others 100 and 1000.
    out = layer(np.array([1, 10, 100, 1000], np.float32).reshape(1, 1, 1, 1, 4))
    assert np.ravel(out).tolist() == [11, 11, 1100, 1100]


def test_features_equal_a_plain_computation(tiny, clips):
    arrays = tiny_checkpoint()
    load_torch_weights(tiny, arrays)
    features = np.asarray(tiny(clips))
    assert features.shape == (2, 256)
    assert features.dtype == np.float32
    expected = [reference_features(clip, arrays, (1, 2), 2) for clip in clips]
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)


def test_any_number_type_gives_the_same_features_frozen(tiny, clips):
    load_torch_weights(tiny, tiny_checkpoint())
    features = np.asarray(tiny(clips))
    for dtype in (np.int32, np.float32, np.float64):
        np.testing.assert_array_equal(tiny(clips.astype(dtype)), features)
    # Batch statistics would give others.
    np.testing.assert_array_equal(tiny(clips, training=True), features)


def test_prefix_classes_and_counters_of_a_checkpoint(tiny, clips):
    arrays = tiny_checkpoint()
    load_torch_weights(tiny, arrays)
    features = np.asarray(tiny(clips))
    wrapped = {f"module.{key}": value for key, value in arrays.items()}
    wrapped["module.fc.weight"] = np.zeros((400, 256), np.float32)
    wrapped["module.fc.bias"] = np.zeros(400, np.float32)
    wrapped["module.bn1.num_batches_tracked"] = np.array(7)
    other = build_resnext3d(**TINY)
    load_torch_weights(other, wrapped)
    np.testing.assert_array_equal(other(clips), features)


def change(key, value):
    return lambda arrays: {**arrays, key: value}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            change("layer2.0.conv2.weight", np.zeros((8, 2, 3, 3, 3), np.float32)),
            r"layer2\.0\.conv2\.weight has the shape \[8, 2, 3, 3, 3\].*\[8, 4, 3, 3, 3\]",
        ),
        (
            change("layer1.0.bn3.running_var", np.ones(64, np.float32)),
            r"layer1\.0\.bn3\.running_var has the shape \[64\].*\[128\] is needed",
        ),
        (
            lambda arrays: {k: v for k, v in arrays.items() if "downsample.0" not in k},
            r"no layer1\.0\.downsample\.0\.weight, of shape \[128, 64, 1, 1, 1\]",
        ),
        (
            change("layer3.0.conv1.weight", np.zeros((8, 2, 1, 1, 1), np.float32)),
            r"has no layer3\.0\.conv1\.weight",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_changes_nothing(tiny, spoil, message):
    before = tiny.get_weights()
    with pytest.raises(ValueError, match=message) as error:
        load_torch_weights(tiny, spoil(tiny_checkpoint()))
    assert "\n" not in str(error.value)
    for old, new in zip(before, tiny.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_weights_survive_a_file_of_keras(tiny, clips, tmp_path):
    load_torch_weights(tiny, tiny_checkpoint())
    tiny.save_weights(tmp_path / "resnext.weights.h5")
    other = build_resnext3d(**TINY)
    other.load_weights(tmp_path / "resnext.weights.h5")
    np.testing.assert_array_equal(other(clips), tiny(clips))


def test_features_equal_those_of_pytorch(tiny, clips, tmp_path):
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inputs, middle, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv3d(inputs, middle, 1, bias=False)
            self.bn1 = nn.BatchNorm3d(middle)
            self.conv2 = nn.Conv3d(middle, middle, 3, stride, 1, groups=2, bias=False)
            self.bn2 = nn.BatchNorm3d(middle)
            self.conv3 = nn.Conv3d(middle, outputs, 1, bias=False)
            self.bn3 = nn.BatchNorm3d(outputs)
            if inputs != outputs:
                conv = nn.Conv3d(inputs, outputs, 1, stride, bias=False)
                self.downsample = nn.Sequential(conv, nn.BatchNorm3d(outputs))

        def forward(self, video):
            out = self.bn1(self.conv1(video)).relu()
            out = self.bn3(self.conv3(self.bn2(self.conv2(out)).relu()))
            return (out + getattr(self, "downsample", nn.Identity())(video)).relu()

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv3d(3, 64, 7, (1, 2, 2), 3, bias=False)
            self.bn1 = nn.BatchNorm3d(64)
            self.pool = nn.MaxPool3d(3, 2, 1)
            self.layer1 = nn.Sequential(Block(64, 4, 128, 1))
            self.layer2 = nn.Sequential(Block(128, 8, 256, 2), Block(256, 8, 256, 1))
            self.fc = nn.Linear(256, 400)

        def forward(self, video):
            video = self.pool(self.bn1(self.conv1(video)).relu())
            return self.layer2(self.layer1(video)).mean((2, 3, 4))

    torch.manual_seed(0)
    network = Network()
    pixels = torch.tensor(clips.astype(np.float32) - np.float32([110.6, 103.2, 96.3]))
    pixels = pixels.permute(0, 4, 1, 2, 3)
    with torch.no_grad():
        network(pixels)  # Moves the running statistics away from 0 and 1.
        expected = network.eval()(pixels).numpy()
    path = tmp_path / "save_200.pth"
    state = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"arch": "resnext-101", "epoch": 200, "state_dict": state}, path)
    load_torch_weights(tiny, read_checkpoint(path))
    np.testing.assert_allclose(tiny(clips), expected, rtol=1e-4, atol=1e-4)


def test_a_clip_of_another_shape_is_refused(tiny):
    with pytest.raises(ValueError, match="incompatible"):
        tiny(np.zeros((1, 4, 16, 16, 3), np.float32))


def test_layers_bear_the_names_of_the_checkpoint(tiny):
    with_weights = {layer.name for layer in tiny.layers if layer.weights}
    assert with_weights == {key.rpartition(".")[0] for key in tiny_checkpoint()}
