import keras
import numpy as np
import pytest
import tensorflow as tf

from models import s3d

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


def test_width_scales_the_channels():
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
