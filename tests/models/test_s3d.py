import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from models import s3d, video_layers

# Stage: learned parameters with normalisation and gates, and shape for a clip of 16x224x224.
STAGES = {
    "conv1": (49_280, (8, 112, 112, 64)),
    "maxpool_2a": (0, (8, 56, 56, 64)),
    "conv_2b": (4_224, (8, 56, 56, 64)),
    "conv_2c": (221_952, (8, 56, 56, 192)),
    "gating": (37_056, (8, 56, 56, 192)),
    "maxpool_3a": (0, (8, 28, 28, 192)),
    "mixed_3b": (231_200, (8, 28, 28, 256)),
    "mixed_3c": (546_080, (8, 28, 28, 480)),
    "maxpool_4a": (0, (4, 14, 14, 480)),
    "mixed_4b": (588_768, (4, 14, 14, 512)),
    "mixed_4c": (673_104, (4, 14, 14, 512)),
    "mixed_4d": (786_352, (4, 14, 14, 512)),
    "mixed_4e": (939_344, (4, 14, 14, 528)),
    "mixed_4f": (1_362_624, (4, 14, 14, 832)),
    "maxpool_5a": (0, (2, 7, 7, 832)),
    "mixed_5b": (1_537_728, (2, 7, 7, 832)),
    "mixed_5c": (2_168_288, (2, 7, 7, 1024)),
}


def learned(layer: keras.layers.Layer) -> int:
    return sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)


def parts(tower: s3d.S3D) -> dict[str, keras.layers.Layer]:
    return {
        layer.name: layer
        for layer in (tower.conv1, tower.conv_2b, tower.conv_2c, tower.gating, *tower.blocks)
    }


def naive_convolution(video, kernel, strides, padding):
    """Convolves one clip [T, H, W, C] by the definition, in float64."""
    video = np.pad(np.asarray(video, np.float64), [*padding, (0, 0)])
    size = kernel.shape[:3]
    counts = [(n - k) // s + 1 for n, k, s in zip(video.shape, size, strides, strict=False)]
    out = np.zeros((*counts, kernel.shape[-1]))
    for position in itertools.product(*map(range, counts)):
        window = video[
            tuple(slice(p * s, p * s + k) for p, s, k in zip(position, strides, size, strict=True))
        ]
        out[position] = np.tensordot(window, kernel.astype(np.float64), axes=4)
    return out


@pytest.fixture(scope="module")
def small_tower():
    keras.utils.set_random_seed(1)
    tower = s3d.S3D(width=0.125, embedding_size=8)
    tower.build()
    return tower


@pytest.fixture(scope="module")
def full_tower():
    tower = s3d.S3D()
    tower.build()
    return tower


def test_parameters_of_each_stage_are_those_of_the_reference(full_tower):
    assert {name: learned(part) for name, part in parts(full_tower).items()} == {
        name: count for name, (count, _) in STAGES.items() if count
    }
    assert learned(full_tower.head) == 524_800
    assert learned(full_tower) == 9_670_800
    assert learned(full_tower) - learned(full_tower.head) == 9_146_000


def test_parameters_with_the_convolutional_stem():
    tower = s3d.S3D(stem="conv")
    tower.build()
    assert learned(tower.conv1) == 28_352
    assert learned(tower) == 9_649_872
    assert learned(tower) - learned(tower.head) == 9_125_072


def test_shape_of_each_stage_for_16_frames_of_224_pixels(full_tower):
    outputs = full_tower.stages(np.zeros((1, 16, 224, 224, 3), np.float32))
    assert {name: tuple(output.shape[1:]) for name, output in outputs.items()} == {
        name: shape for name, (_, shape) in STAGES.items()
    }


@pytest.mark.parametrize("stem", ["space_to_depth", "conv"])
def test_eight_frames_of_64_pixels_shrink_to_one_frame(stem):
    tower = s3d.S3D(width=0.125, embedding_size=8, stem=stem)
    clips = np.random.default_rng(0).random((2, 8, 64, 64, 3), np.float32)
    last = tower.stages(clips)["mixed_5c"]
    outputs = tower(clips)
    assert tuple(last.shape) == (2, 1, 2, 2, 128)
    np.testing.assert_allclose(
        outputs["mixed_5c"], np.mean(last, axis=(1, 2, 3)), rtol=1e-5, atol=1e-6
    )
    kernel, bias = tower.head.get_weights()
    np.testing.assert_allclose(
        outputs["video_embedding"], outputs["mixed_5c"] @ kernel + bias, rtol=1e-4, atol=1e-6
    )


def test_tower_traces_with_unknown_sizes(small_tower):
    traced = tf.function(
        lambda video: small_tower(video)["video_embedding"],
        input_signature=[tf.TensorSpec([None, None, None, None, 3], tf.float32)],
    )
    rng = np.random.default_rng(0)
    for shape in ((1, 4, 32, 32, 3), (2, 7, 33, 48, 3), (1, 1, 1, 1, 3)):
        clips = rng.random(shape, np.float32)
        np.testing.assert_allclose(
            traced(clips), small_tower(clips)["video_embedding"], rtol=1e-4, atol=1e-6
        )
    assert traced(np.zeros((0, 4, 32, 32, 3), np.float32)).shape == (0, 8)


def test_odd_sizes_equal_the_clip_extended_by_zeros(small_tower):
    clip = np.random.default_rng(0).random((1, 7, 31, 33, 3), np.float32)
    extended = np.pad(clip, [(0, 0), (0, 1), (0, 1), (0, 1), (0, 0)])
    np.testing.assert_allclose(
        small_tower(clip)["video_embedding"],
        small_tower(extended)["video_embedding"],
        rtol=1e-5,
        atol=1e-7,
    )


def test_space_to_depth_puts_time_slowest_and_colour_fastest():
    # One block whose value at (dt, dh, dw, c) is dt*1000 + dh*100 + dw*10 + c.
    dt, dh, dw, c = np.meshgrid(*map(range, (2, 2, 2, 3)), indexing="ij")
    block = (dt * 1000 + dh * 100 + dw * 10 + c).astype(np.float32)[None]
    assert np.ravel(video_layers.space_to_depth(block)).tolist() == [
        *(0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112),
        *(1000, 1001, 1002, 1010, 1011, 1012, 1100, 1101, 1102, 1110, 1111, 1112),
    ]


def test_space_to_depth_keeps_blocks_in_place():
    video = np.random.default_rng(0).random((2, 4, 6, 8, 3), np.float32)
    deep = np.asarray(video_layers.space_to_depth(video))
    assert deep.shape == (2, 2, 3, 4, 24)
    # Block (1, 2, 3), offset (dt, dh, dw) = (1, 0, 1), colour 2: channel ((1*2+0)*2+1)*3+2 = 17.
    assert deep[1, 1, 2, 3, 17] == video[1, 3, 4, 7, 2]


@pytest.mark.parametrize(
    ("kernel_size", "strides", "padding"),
    [
        ((1, 1, 1), (1, 1, 1), ((0, 0), (0, 0), (0, 0))),
        ((1, 3, 3), (1, 1, 1), ((0, 0), (1, 1), (1, 1))),
        ((3, 1, 1), (1, 1, 1), ((1, 1), (0, 0), (0, 0))),
        # The space-to-depth stem: padding by (1, 2, 2) on both sides and dropping the first
        # output of each axis leaves the first index of each padding unused.
        ((2, 4, 4), (1, 1, 1), ((0, 1), (1, 2), (1, 2))),
        ((3, 7, 7), (2, 2, 2), ((1, 1), (3, 3), (3, 3))),
    ],
)
@pytest.mark.parametrize("size", [(1, 5, 4), (4, 6, 7)])
def test_convolution_equals_its_definition(kernel_size, strides, padding, size):
    rng = np.random.default_rng(0)
    video = rng.normal(size=(2, *size, 3)).astype(np.float32)
    kernel = rng.normal(size=(*kernel_size, 3, 5)).astype(np.float32)
    given = padding if strides != (1, 1, 1) else None
    layer = video_layers.Convolution(5, kernel_size, strides, given)
    layer.build(video.shape)
    layer.kernel.assign(kernel)
    expected = [naive_convolution(clip, kernel, strides, padding) for clip in video]
    np.testing.assert_allclose(layer(video), expected, rtol=1e-4, atol=1e-4)


def test_stems_pad_as_the_reference():
    # Ones through a kernel of ones count the positions of the window inside the clip.
    count = {}
    for stem in ("space_to_depth", "conv"):
        tower = s3d.S3D(width=0.125, embedding_size=8, stem=stem)
        tower.build()
        convolution = tower.conv1.convolution
        convolution.kernel.assign(np.ones(convolution.kernel.shape))
        channels = convolution.kernel.shape[3]
        size = (4, 8, 8) if stem == "space_to_depth" else (8, 16, 16)
        ones = np.ones((1, *size, channels), np.float32)
        out = np.asarray(convolution(ones))[0, ..., 0] / channels
        assert out.shape == (4, 8, 8)
        count[stem] = (out[:, 3, 3] / out[1, 3, 3], out[1, :, 3] / out[1, 3, 3])
    # Window 2 from t to t+1, then window 4 from h-1 to h+2.
    np.testing.assert_allclose(count["space_to_depth"][0], [1, 1, 1, 1 / 2])
    np.testing.assert_allclose(count["space_to_depth"][1], [3 / 4, 1, 1, 1, 1, 1, 3 / 4, 2 / 4])
    # Window 3 from 2t-1 to 2t+1 and window 7 from 2h-3 to 2h+3.
    np.testing.assert_allclose(count["conv"][0], [2 / 3, 1, 1, 1])
    np.testing.assert_allclose(count["conv"][1], [4 / 7, 6 / 7, 1, 1, 1, 1, 1, 5 / 7], rtol=1e-6)


def test_max_pool_pads_as_tensorflow():
    rows = np.array([1, 5, 2, 4, 3], np.float32)
    # Odd: one row of padding on each side; windows {0,1}, {1,2,3}, {3,4}.
    odd = video_layers.max_pool(rows.reshape(1, 1, 5, 1, 1), (1, 3, 3), (1, 2, 2))
    assert np.ravel(odd).tolist() == [5, 5, 4]
    # Even: padding at the end alone; windows {0,1,2}, {2,3}.
    even = video_layers.max_pool(rows[:4].reshape(1, 1, 4, 1, 1), (1, 3, 3), (1, 2, 2))
    assert np.ravel(even).tolist() == [5, 4]
    # The same along time.
    odd = video_layers.max_pool(rows.reshape(1, 5, 1, 1, 1), (3, 3, 3), (2, 2, 2))
    assert np.ravel(odd).tolist() == [5, 5, 4]


def test_max_pool_takes_the_maximum_of_the_box():
    video = np.random.default_rng(0).normal(size=(2, 4, 6, 8, 3)).astype(np.float32)
    boxes = video.reshape(2, 2, 2, 3, 2, 4, 2, 3)
    np.testing.assert_array_equal(
        video_layers.max_pool(video, (2, 2, 2), (2, 2, 2)), boxes.max(axis=(2, 4, 6))
    )
    centre = video_layers.max_pool(video, (3, 3, 3), (1, 1, 1))[0, 2, 3, 5]
    np.testing.assert_array_equal(centre, video[0, 1:4, 2:5, 4:7].max(axis=(0, 1, 2)))


def test_self_gating_multiplies_by_the_sigmoid_of_the_means():
    gating = s3d.SelfGating()
    gating.build((None, None, None, None, 2))
    # Channel means 2 and 3: the gates' inputs are 2 - 3 + 1 = 0 and ln(3) - 0.
    gating.dense.set_weights([np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([1.0, np.log(3.0)])])
    video = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32).reshape(1, 2, 1, 1, 2)
    np.testing.assert_allclose(
        np.reshape(gating(video), (2, 2)), [[0.5, 1.5], [1.5, 3.0]], rtol=1e-6
    )


def test_inception_block_concatenates_its_gated_branches_in_order():
    block = s3d.InceptionBlock((1, 2, 2, 1, 1, 2))
    block.build((None, None, None, None, 3))
    for weight in block.weights:
        if not weight.path.endswith("moving_variance"):
            weight.assign(np.zeros(weight.shape))
    # Zero kernels leave the offsets; zero gates halve them.
    block.b0.norm.beta.assign([2.0])
    block.b1_b.temporal.norm.beta.assign([4.0, 6.0])
    block.b2_b.temporal.norm.beta.assign([8.0])
    block.b3.norm.beta.assign([10.0, -12.0])
    out = block(np.ones((1, 2, 3, 3, 3), np.float32))
    np.testing.assert_array_equal(out[0, 1, 2, 2], [1, 2, 3, 4, 5, 0])


def test_inception_block_pools_before_the_last_convolution():
    block = s3d.InceptionBlock((1, 1, 1, 1, 1, 1))
    block.build((None, None, None, None, 1))
    # With a kernel of -1 pooling first gives -3 + 4 = 1 everywhere, pooling last 4 - 0 = 4.
    block.b3.convolution.kernel.assign(-np.ones((1, 1, 1, 1, 1)))
    block.b3.norm.beta.assign([4.0])
    block.gates[3].dense.set_weights([np.zeros((1, 1)), np.zeros(1)])
    video = np.array([0.0, 3.0, 0.0], np.float32).reshape(1, 1, 1, 3, 1)
    out = np.ravel(block(video)[..., 3])
    np.testing.assert_allclose(out, [0.5, 0.5, 0.5], rtol=1e-4)


def test_separable_convolution_is_spatial_first():
    unit = s3d.SeparableConvUnit(4)
    unit.build((None, None, None, None, 2))
    assert unit.spatial.convolution.kernel.shape == (1, 3, 3, 2, 4)
    assert unit.temporal.convolution.kernel.shape == (3, 1, 1, 4, 4)
    # A negative spatial output is cut off before the temporal half, which then sees nothing.
    unit.spatial.convolution.kernel.assign(-np.ones((1, 3, 3, 2, 4)))
    unit.temporal.convolution.kernel.assign(-np.ones((3, 1, 1, 4, 4)))
    assert not np.any(unit(np.ones((1, 3, 3, 3, 2), np.float32)))


def test_batch_normalisation_uses_the_reference_constants():
    unit = video_layers.ConvUnit(1, (1, 1, 1))
    unit.build((None, None, None, None, 1))
    unit.convolution.kernel.assign(np.ones((1, 1, 1, 1, 1)))
    video = np.array([0.0, 0.002], np.float32).reshape(1, 2, 1, 1, 1)
    # Mean 0.001, variance 1e-6: (0.002 - 0.001) / sqrt(1e-6 + 1e-5) = 0.30151.
    out = np.ravel(unit(video, training=True))
    np.testing.assert_allclose(out, [0.0, 0.30151], rtol=1e-4)
    np.testing.assert_allclose(unit.norm.moving_mean, [0.1 * 0.001], rtol=1e-4)
    np.testing.assert_allclose(unit.norm.moving_variance, [0.9 + 0.1 * 1e-6], rtol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 4])
@pytest.mark.parametrize("kernel_size", [(1, 1, 1), (1, 3, 3), (3, 1, 1), (2, 4, 4), (3, 7, 7)])
def test_bfloat16_gradients_of_a_convolution(kernel_size, frames):
    rng = np.random.default_rng(0)
    video = tf.constant(rng.normal(size=(4, frames, 7, 7, 16)), tf.float32)
    upstream = tf.constant(rng.normal(size=(4, frames, 7, 7, 32)), tf.float32)
    gradients = {}
    kernel = rng.normal(size=(*kernel_size, 16, 32))
    for policy in ("float32", "mixed_bfloat16"):
        layer = video_layers.Convolution(32, kernel_size, dtype=policy)
        layer.build(video.shape)
        layer.kernel.assign(kernel)
        with tf.GradientTape() as tape:
            tape.watch(video)
            loss = tf.reduce_sum(tf.cast(layer(video), tf.float32) * upstream)
        gradients[policy] = tape.gradient(loss, [video, layer.kernel.value])
    for exact, rounded in zip(*gradients.values(), strict=True):
        assert relative_error(rounded, exact) < 0.01


def test_bfloat16_gradients_of_the_tower():
    # 16 frames reach two frames, fewer than the kernel's three, in the last blocks. With batch
    # statistics the gradients of a fresh tower are too sensitive to compare: rounding nothing but
    # its weights already turns them. With stored statistics they are not.
    rng = np.random.default_rng(0)
    clips = tf.constant(rng.random((2, 16, 32, 32, 3)), tf.float32)
    upstream = tf.constant(rng.normal(size=(2, 8)), tf.float32)
    gradients, weights = {}, None
    for policy in ("float32", "mixed_bfloat16"):
        tower = s3d.S3D(width=0.125, embedding_size=8, dtype=policy)
        tower.build()
        weights = weights or tower.get_weights()
        tower.set_weights(weights)
        variables = [weight.value for weight in tower.trainable_weights]
        for training in (False, True):
            with tf.GradientTape() as tape:
                outputs = tower(clips, training=training)
                loss = tf.reduce_sum(outputs["video_embedding"] * upstream)
            assert outputs["video_embedding"].dtype == outputs["mixed_5c"].dtype == tf.float32
            flat = [np.ravel(gradient) for gradient in tape.gradient(loss, variables)]
            gradients[policy, training] = np.concatenate(flat)
    assert np.isfinite(gradients["mixed_bfloat16", True]).all()
    assert relative_error(gradients["mixed_bfloat16", False], gradients["float32", False]) < 0.03


def relative_error(value, expected) -> float:
    value, expected = np.asarray(value, np.float64), np.asarray(expected, np.float64)
    return float(np.linalg.norm(value - expected) / np.linalg.norm(expected))


def test_width_rounds_to_multiples_of_four():
    assert [video_layers.scale_channels(count, 0.25) for count in (16, 24, 48, 112, 528, 8)] == [
        *(4, 8, 12, 28, 132, 4),
    ]
    assert video_layers.scale_channels(64, 0.01) == 4
    assert video_layers.scale_channels(64, 1.5) == 96
    tower = s3d.S3D(width=0.25, embedding_size=32)
    assert tower(np.zeros((1, 2, 8, 8, 3), np.float32))["mixed_5c"].shape == (1, 256)


def test_settings_survive_serialisation():
    tower = s3d.S3D(width=0.5, embedding_size=16, stem="conv", kernel_initializer="he_normal")
    copy = s3d.S3D.from_config(tower.get_config())
    assert copy.get_config() == tower.get_config()
    assert (copy.width, copy.embedding_size, copy.stem) == (0.5, 16, "conv")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width must be positive"),
        ({"embedding_size": 0}, "embedding_size must be at least 1"),
        ({"stem": "7x7"}, "stem must be 'space_to_depth' or 'conv', not '7x7'"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        s3d.S3D(**settings)
