import keras
import numpy as np
import pytest
import tensorflow as tf

from models import i3d, video_layers

# Stage: learned parameters (a kernel, and one offset a channel) and shape for a clip of 16x224x224.
STAGES = {
    "conv1": (7**3 * 3 * 64 + 64, (8, 112, 112, 64)),
    "maxpool_2a": (0, (8, 56, 56, 64)),
    "conv_2b": (64 * 64 + 64, (8, 56, 56, 64)),
    "conv_2c": (27 * 64 * 192 + 192, (8, 56, 56, 192)),
    "maxpool_3a": (0, (8, 28, 28, 192)),
    # 192 -> 64, 96, 16 and 32 by 1x1x1; 96 -> 128 and 16 -> 32 by 3x3x3; 368 channels in all.
    "mixed_3b": (192 * 208 + 27 * (96 * 128 + 16 * 32) + 368, (8, 28, 28, 256)),
    "mixed_3c": (256 * 352 + 27 * (128 * 192 + 32 * 96) + 640, (8, 28, 28, 480)),
    "maxpool_4a": (0, (4, 14, 14, 480)),
    "mixed_4b": (480 * 368 + 27 * (96 * 208 + 16 * 48) + 624, (4, 14, 14, 512)),
    "mixed_4c": (512 * 360 + 27 * (112 * 224 + 24 * 64) + 648, (4, 14, 14, 512)),
    "mixed_4d": (512 * 344 + 27 * (128 * 256 + 24 * 64) + 664, (4, 14, 14, 512)),
    "mixed_4e": (512 * 352 + 27 * (144 * 288 + 32 * 64) + 704, (4, 14, 14, 528)),
    "mixed_4f": (528 * 576 + 27 * (160 * 320 + 32 * 128) + 1024, (4, 14, 14, 832)),
    "maxpool_5a": (0, (2, 7, 7, 832)),
    "mixed_5b": (832 * 576 + 27 * (160 * 320 + 32 * 128) + 1024, (2, 7, 7, 832)),
    "mixed_5c": (832 * 752 + 27 * (192 * 384 + 48 * 128) + 1264, (2, 7, 7, 1024)),
}


def learned(layer: keras.layers.Layer) -> int:
    return sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)


def units_by_scope(tower: i3d.I3D) -> dict[str, video_layers.ConvUnit]:
    """Names the units as the Kinetics checkpoint does.

    It misnames one: branch 2 of Mixed_5b ends in "0a_3x3" and not "0b_3x3".
    """
    scopes = {
        "Conv3d_1a_7x7": tower.conv1,
        "Conv3d_2b_1x1": tower.conv_2b,
        "Conv3d_2c_3x3": tower.conv_2c,
    }
    for block in tower.blocks:
        name = block.name.capitalize()
        misnamed = block.name == "mixed_5b"
        scopes |= {
            f"{name}/Branch_0/Conv3d_0a_1x1": block.b0,
            f"{name}/Branch_1/Conv3d_0a_1x1": block.b1_a,
            f"{name}/Branch_1/Conv3d_0b_3x3": block.b1_b,
            f"{name}/Branch_2/Conv3d_0a_1x1": block.b2_a,
            f"{name}/Branch_2/Conv3d_0{'a' if misnamed else 'b'}_3x3": block.b2_b,
            f"{name}/Branch_3/Conv3d_0b_1x1": block.b3,
        }
    return scopes


@pytest.fixture(scope="module")
def full_tower():
    tower = i3d.I3D()
    tower.build()
    return tower


@pytest.fixture(scope="module")
def small_tower():
    keras.utils.set_random_seed(1)
    tower = i3d.I3D(width=0.05, embedding_size=8)
    tower.build()
    return tower


def test_parameters_of_each_stage_are_those_of_the_layout(full_tower):
    assert {unit.name: learned(unit) for unit in full_tower.units} == {
        name: count for name, (count, _) in STAGES.items() if count
    }
    assert learned(full_tower.head) == 1024 * 512 + 512
    assert learned(full_tower) == 12_279_984 + 524_800


def test_units_are_those_of_the_kinetics_checkpoint(full_tower, shared_data):
    root = "RGB/inception_i3d/"
    published = {
        name.removeprefix(root): list(shape)
        for name, shape in tf.train.list_variables(
            str(shared_data / "i3d" / "rgb_imagenet_model.ckpt")
        )
        if "/Logits/" not in name
    }
    ours = {}
    for scope, unit in units_by_scope(full_tower).items():
        for name, weight in (
            ("conv_3d/w", unit.convolution.kernel),
            ("batch_norm/beta", unit.norm.beta),
            ("batch_norm/moving_mean", unit.norm.moving_mean),
            ("batch_norm/moving_variance", unit.norm.moving_variance),
        ):
            ours[f"{scope}/{name}"] = list(weight.shape)
    assert ours == published


def test_shape_of_each_stage_for_16_frames_of_224_pixels(small_tower):
    outputs = small_tower.stages(np.zeros((1, 16, 224, 224, 3), np.float32))
    assert {name: tuple(output.shape[1:4]) for name, output in outputs.items()} == {
        name: shape[:3] for name, (_, shape) in STAGES.items()
    }
    assert list(outputs) == list(STAGES)
    # 4 * round(384 * 0.05 / 4), of 384, 384, 128 and 128 channels.
    assert outputs["mixed_5c"].shape[4] == 20 + 20 + 8 + 8


def test_feature_is_the_mean_of_the_last_stage(small_tower):
    clips = np.random.default_rng(0).random((2, 16, 64, 64, 3), np.float32)
    last = small_tower.stages(clips)["mixed_5c"]
    outputs = small_tower(clips)
    assert tuple(last.shape) == (2, 2, 2, 2, 56)
    np.testing.assert_allclose(
        outputs["mixed_5c"], np.mean(last, axis=(1, 2, 3)), rtol=1e-5, atol=1e-7
    )
    kernel, bias = small_tower.head.get_weights()
    np.testing.assert_allclose(
        outputs["video_embedding"], outputs["mixed_5c"] @ kernel + bias, rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size", [(1, 1, 1), (4, 10, 12), (5, 9, 11), (2, 7, 8), (3, 6, 13)])
def test_stem_convolves_as_tensorflows_same(small_tower, size, known):
    video = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    convolution = small_tower.conv1.convolution
    shape = video.shape if known else (None, None, None, None, 3)
    stem = tf.function(
        lambda x: convolution(small_tower.prepare(x)), input_signature=[tf.TensorSpec(shape)]
    )
    expected = tf.nn.conv3d(video, convolution.kernel.value, (1, 2, 2, 2, 1), "SAME")
    np.testing.assert_allclose(stem(video), expected, rtol=1e-4, atol=1e-5)


def test_padding_of_other_windows_and_strides():
    ones = np.ones((1, 7, 8, 9, 1), np.float32)
    # SAME: 7 by 3 gives 3 windows of 4, which reach over 10: 1 before, 2 after. 8 by 4 gives 2
    # windows of 5 over 9: 0 and 1. 9 by 1 gives 9 windows of 2 over 10: 0 and 1.
    padded = np.asarray(i3d.pad_same(ones, (4, 5, 2), (3, 4, 1)))
    expected = np.pad(ones, [(0, 0), (1, 2), (0, 1), (0, 1), (0, 0)])
    np.testing.assert_array_equal(padded, expected)


def test_inner_convolutions_are_tensorflows_same(small_tower):
    video = np.random.default_rng(0).normal(size=(1, 2, 5, 4, 4)).astype(np.float32)
    convolution = small_tower.conv_2c.convolution
    expected = tf.nn.conv3d(video, convolution.kernel.value, (1, 1, 1, 1, 1), "SAME")
    np.testing.assert_allclose(convolution(video), expected, rtol=1e-4, atol=1e-5)


def test_tower_traces_with_unknown_sizes(small_tower):
    traced = tf.function(
        lambda video: small_tower(video)["video_embedding"],
        input_signature=[tf.TensorSpec([None, None, None, None, 3], tf.float32)],
    )
    clips = np.random.default_rng(0).random((2, 7, 33, 48, 3), np.float32)
    np.testing.assert_allclose(
        traced(clips), small_tower(clips)["video_embedding"], rtol=1e-4, atol=1e-7
    )
    assert np.all(np.isfinite(traced(clips[:1, :1, :1, :1])))
    assert traced(clips[:0]).shape == (0, 8)


def test_outputs_stay_in_float32_where_the_tower_computes_in_bfloat16():
    tower = i3d.I3D(width=0.05, embedding_size=8, dtype="mixed_bfloat16")
    clips = np.zeros((1, 2, 8, 8, 3), np.float32)
    assert tower.stages(clips)["mixed_5c"].dtype == tf.bfloat16
    assert {output.dtype for output in tower(clips).values()} == {tf.float32}


def test_batch_normalisation_is_that_of_sonnet(small_tower):
    norm = small_tower.blocks[0].b1_b.norm
    assert (norm.momentum, norm.epsilon, norm.scale, norm.center) == (0.999, 1e-3, False, True)
    unit = i3d.I3D(width=0.05, embedding_size=8, momentum=0.75).conv_2b
    unit.build((None, None, None, None, 1))
    unit.convolution.kernel.assign([[[[[1.0, 0.0, 0.0, 0.0]]]]])
    video = np.array([0.0, 0.2], np.float32).reshape(1, 2, 1, 1, 1)
    # Mean 0.1, variance 0.01: (0.2 - 0.1) / sqrt(0.01 + 0.001) = 0.95346.
    out = unit(video, training=True)[0, :, 0, 0, 0]
    np.testing.assert_allclose(out, [0.0, 0.95346], rtol=1e-4)
    np.testing.assert_allclose(unit.norm.moving_mean[0], 0.25 * 0.1, rtol=1e-5)
    np.testing.assert_allclose(unit.norm.moving_variance[0], 0.75 + 0.25 * 0.01, rtol=1e-5)


def test_inception_block_concatenates_its_branches_in_order():
    block = i3d.InceptionBlock((1, 2, 2, 1, 1, 2), video_layers.Normalization(scale=False))
    block.build((None, None, None, None, 3))
    for weight in block.trainable_weights:
        weight.assign(np.zeros(weight.shape))
    # Zero kernels leave the offsets.
    block.b0.norm.beta.assign([1.0])
    block.b1_b.norm.beta.assign([2.0, 3.0])
    block.b2_b.norm.beta.assign([4.0])
    block.b3.norm.beta.assign([5.0, -6.0])
    out = block(np.ones((1, 2, 3, 3, 3), np.float32))
    np.testing.assert_array_equal(out[0, 1, 2, 2], [1, 2, 3, 4, 5, 0])


def test_inception_block_pools_before_the_last_convolution():
    block = i3d.InceptionBlock(
        (1, 1, 1, 1, 1, 1), video_layers.Normalization(epsilon=0.0, scale=False)
    )
    block.build((None, None, None, None, 1))
    # With a kernel of -1 pooling first gives -3 + 4 = 1 everywhere, pooling last 4 - 0 = 4.
    block.b3.convolution.kernel.assign(-np.ones((1, 1, 1, 1, 1)))
    block.b3.norm.beta.assign([4.0])
    video = np.array([0.0, 3.0, 0.0], np.float32).reshape(1, 1, 1, 3, 1)
    np.testing.assert_allclose(np.ravel(block(video)[..., 3]), [1, 1, 1], rtol=1e-6)


def test_a_training_step_reaches_every_weight_and_updates_the_stored_statistics():
    tower = i3d.I3D(width=0.05, embedding_size=4)
    tower.build()
    clips = np.random.default_rng(0).random((4, 4, 16, 16, 3), np.float32)
    before = [np.array(weight) for weight in tower.non_trainable_weights]
    with tf.GradientTape() as tape:
        embeddings = tower(clips, training=True)["video_embedding"]
        loss = tf.reduce_mean((embeddings - 1.0) ** 2)
    gradients = tape.gradient(loss, [weight.value for weight in tower.trainable_weights])
    for weight, gradient in zip(tower.trainable_weights, gradients, strict=True):
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path
    # A mean and a variance for each of the 57 units.
    assert len(before) == 2 * 57
    for weight, old in zip(tower.non_trainable_weights, before, strict=True):
        assert not np.array_equal(weight, old)


@pytest.mark.parametrize(
    ("unit", "channels", "frames"), [("conv1", 3, 9), ("conv_2c", 16, 1), ("conv_2c", 16, 2)]
)
def test_bfloat16_gradients_of_a_convolution(unit, channels, frames):
    # 16 frames reach two frames in the last blocks, fewer than the kernel's three: TensorFlow's own
    # 3-D convolution gives no usable gradient there on some CPUs.
    rng = np.random.default_rng(0)
    video = tf.constant(rng.normal(size=(4, frames, 7, 7, channels)), tf.float32)
    gradients, kernel = {}, None
    for policy in ("float32", "mixed_bfloat16"):
        convolution = getattr(i3d.I3D(width=0.25, dtype=policy), unit).convolution
        convolution.build(video.shape)
        kernel = rng.normal(size=convolution.kernel.shape) if kernel is None else kernel
        convolution.kernel.assign(kernel)
        with tf.GradientTape() as tape:
            tape.watch(video)
            out = tf.cast(convolution(video), tf.float32)
            loss = tf.reduce_sum(out * np.random.default_rng(1).normal(size=out.shape))
        gradients[policy] = tape.gradient(loss, [video, convolution.kernel.value])
    for exact, rounded in zip(*gradients.values(), strict=True):
        assert np.linalg.norm(rounded - exact) < 0.01 * np.linalg.norm(exact)


def test_settings_survive_serialisation():
    tower = i3d.I3D(width=0.5, embedding_size=16, kernel_initializer="he_normal", momentum=0.9)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(tower))
    assert isinstance(copy, i3d.I3D)
    assert copy.get_config() == tower.get_config()
    assert (copy.width, copy.embedding_size, copy.momentum) == (0.5, 16, 0.9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width must be positive"),
        ({"embedding_size": 0}, "embedding_size must be at least 1"),
        ({"momentum": 1.0}, "momentum must be at least 0 and less than 1, not 1.0"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        i3d.I3D(**settings)
