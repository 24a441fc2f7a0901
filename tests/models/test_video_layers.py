import itertools

import numpy as np
import pytest
import tensorflow as tf

from models import video_layers


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


@pytest.mark.parametrize("sizes", [(2, 4, 6), (3, 5, 7)])
@pytest.mark.parametrize("known", [True, False])
def test_space_to_depth_pads_odd_sizes_with_zeros(sizes, known):
    video = np.random.default_rng(0).random((2, *sizes, 3), np.float32)
    extended = np.pad(video, [(0, 0), *((0, size % 2) for size in sizes), (0, 0)])
    shape = video.shape if known else [None] * 4 + [3]
    traced = tf.function(
        video_layers.space_to_depth, input_signature=[tf.TensorSpec(shape, tf.float32)]
    )
    np.testing.assert_array_equal(traced(video), video_layers.space_to_depth(extended))


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
        # A kernel of one pixel is a matrix product only if it visits every one.
        ((1, 1, 1), (1, 2, 2), ((0, 0), (0, 0), (0, 0))),
        ((1, 1, 1), (2, 1, 1), ((0, 0), (0, 0), (0, 0))),
        ((3, 1, 1), (1, 2, 1), ((1, 1), (0, 0), (0, 0))),
        ((3, 1, 1), (2, 1, 1), ((1, 1), (0, 0), (0, 0))),
        ((3, 1, 1), (2, 2, 2), ((1, 1), (0, 1), (1, 0))),
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


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5])
def test_gradients_of_a_temporal_convolution_equal_those_of_a_3d_one(taps, frames):
    rng = np.random.default_rng(0)
    video = tf.constant(rng.standard_normal((2, frames, 3, 2, 4)), tf.float32)
    upstream = tf.constant(rng.standard_normal((2, frames, 3, 2, 5)), tf.float32)
    layer = video_layers.Convolution(5, (taps, 1, 1))
    layer.build(video.shape)
    kernel = layer.kernel.value
    gradients = []
    for convolve in (layer, lambda v: tf.nn.conv3d(v, kernel, [1] * 5, "SAME")):
        with tf.GradientTape() as tape:
            tape.watch(video)
            outputs = convolve(video)
        gradients.append(tape.gradient(outputs, [video, kernel], upstream))
    for found, expected in zip(*gradients, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def relative_error(value, expected) -> float:
    value, expected = np.asarray(value, np.float64), np.asarray(expected, np.float64)
    return float(np.linalg.norm(value - expected) / np.linalg.norm(expected))


def test_width_rounds_to_multiples_of_four():
    assert [video_layers.scale_channels(count, 0.25) for count in (16, 24, 48, 112, 528, 8)] == [
        *(4, 8, 12, 28, 132, 4),
    ]
    assert video_layers.scale_channels(64, 0.01) == 4
    assert video_layers.scale_channels(64, 1.5) == 96
