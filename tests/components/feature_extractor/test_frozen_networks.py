import numpy as np
import pytest
import tensorflow as tf

from components.feature_extractor import networks
from components.feature_extractor.config import FeaturesConfig
from components.feature_extractor.networks import LoadedNetwork, NetworkHandler


@pytest.fixture(autouse=True)
def fixture_empty_cache():
    networks.load.cache_clear()
    yield
    networks.load.cache_clear()


@pytest.fixture(name="hub")
def fixture_hub(tmp_path, clock_world):
    clock_world.write_model(tmp_path / "model" / "1")
    clock_world.write_model(tmp_path / "model" / "12")
    return tmp_path / "model"


def weights(tmp_path):
    for name in ("2d.h5", "3d.h5"):
        (tmp_path / name).touch()
    return {"weights_2d": str(tmp_path / "2d.h5"), "weights_3d": str(tmp_path / "3d.h5")}


def test_networks_of_the_paper(tmp_path):
    first, second = networks.networks_of(FeaturesConfig(**weights(tmp_path)))
    assert (first.stream, first.rate, first.kind) == ("2d", 1.0, "resnet152")
    assert (first.sampling.frame_rate, first.sampling.short_side) == (1.0, 224)
    assert (second.stream, second.rate, second.kind) == ("3d", 1.5, "resnext101")
    # 24 frames a second and 16 of them in a chunk.
    assert (second.sampling.frame_rate, second.sampling.short_side) == (24.0, 112)
    maker = second.make_inputs()
    chunks = [c for _ in range(17) for c in maker.add(np.ones([112, 150, 3], np.uint8))]
    assert [chunk.shape for chunk in [*chunks, *maker.finish()]] == [(16, 112, 112, 3)] * 2


def test_newest_version_of_a_pushed_model_is_taken(hub):
    config = FeaturesConfig(source=f"hub:{hub}", hub_rate=2.0, hub_image_size=32)
    (network,) = networks.networks_of(config)
    assert (network.stream, network.rate) == ("mixed_5c", 2.0)
    assert network.path == str(hub / "12")
    assert (network.sampling.frame_rate, network.sampling.short_side) == (10.0, 32)


def test_hub_model_sees_frames_from_zero_to_one(hub):
    loaded = networks.load("hub", str(hub / "1"))
    windows = np.zeros([2, 4, 8, 8, 3], np.uint8)
    windows[1, 0] = 255
    windows[1, -1] = 51
    rows = loaded(windows)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0, 0, 1], [1, 0.2, 1]], atol=1e-6)
    assert networks.load("hub", str(hub / "1")) is loaded


def test_model_without_the_output_is_refused(tmp_path, clock_world):
    path = clock_world.write_model(tmp_path / "m", output="video_embedding")
    with pytest.raises(networks.NetworkError, match="no signature `video` with the output mixed"):
        networks.load("hub", path)
    (tmp_path / "m" / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(networks.NetworkError, match="not a SavedModel that loads"):
        networks.load("hub", path)


@pytest.mark.parametrize(
    ("kind", "function", "shape"),
    [
        ("resnet152", "load_resnet152", (1, 6, 8, 3)),
        ("resnext101", "load_resnext101", (1, 16, 112, 112, 3)),
    ],
)
def test_keras_networks_see_frames_from_0_to_255(monkeypatch, kind, function, shape):
    from models import feature_networks

    def load(path):
        assert path == "weights"
        return lambda frames, training: tf.reduce_mean(frames, [*range(1, len(shape) - 1)])

    monkeypatch.setattr(feature_networks, function, load)
    frames = np.full(shape, 255, np.uint8)
    frames[..., 1] = 7
    np.testing.assert_allclose(networks.load(kind, "weights")(frames), [[255, 7, 255]], rtol=0.01)


def handler(hub, batch_size):
    (network,) = networks.networks_of(FeaturesConfig(source=f"hub:{hub}"))
    return NetworkHandler(network, batch_size)


def test_inputs_of_several_shapes_are_computed_apart_in_full_batches(hub):
    batches = []

    def function(batch):
        batches.append(batch.shape)
        return batch.reshape(len(batch), -1)[:, :1].astype(np.float32)

    inputs = [np.full([2, 3 + n % 2, 3], n, np.uint8) for n in range(5)]
    results = handler(hub, 4).run_inference(inputs, LoadedNetwork(function, None))
    assert [row.tolist() for row in results] == [[0], [1], [2], [3], [4]]
    assert sorted(batches) == [(4, 2, 3, 3), (4, 2, 4, 3)]


def test_handler_asks_for_batches_of_the_size_that_is_set(hub):
    kwargs = handler(hub, 7).batch_elements_kwargs()
    assert (kwargs["min_batch_size"], kwargs["max_batch_size"]) == (7, 7)
    assert isinstance(handler(hub, 7).load_model(), LoadedNetwork)
