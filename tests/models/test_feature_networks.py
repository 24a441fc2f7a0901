import functools
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from models import feature_networks
from models.feature_networks import load_keras_weights, load_resnet152, load_resnext101
from models.resnext3d import build_resnext3d

TINY = {"block_counts": (1,), "planes": (64,), "cardinality": 2, "clip_shape": (2, 16, 16)}


def make_network(filters=3, names=("conv", "norm", "last"), classes=False):
    images = keras.Input((6, 6, 3))
    out = layers.Conv2D(filters, 3, name=names[0])(images)
    out = layers.BatchNormalization(name=names[1])(out)
    out = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name=names[2])(out))
    if classes:
        out = layers.Dense(2, name="predictions")(out)
    network = keras.Model(images, out, name="small")
    rng = np.random.default_rng(filters)
    for weight in network.weights:
        weight.assign(rng.uniform(0.5, 1, weight.shape))
    return network


def save_by_name(network, path):
    """Writes weights as those of keras.applications are published."""
    with h5py.File(path, "w") as file:
        kept = [layer for layer in network.layers if layer.weights]
        file.attrs["layer_names"] = [layer.name.encode() for layer in kept]
        for layer in kept:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights, strict=True):
                group[name] = np.asarray(weight)


def save(network, path):
    if path.name.startswith("by_name"):
        save_by_name(network, path)
    elif path.name.endswith(".weights.h5"):
        network.save_weights(path)
    else:
        network.save(path)


FILES = ["small.weights.h5", "small.keras", "small.h5", "by_name.h5"]


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_weights_come_from_each_kind_of_file(tmp_path, name, classes):
    source = make_network(classes=classes)
    save(source, tmp_path / name)
    network = make_network()
    for weight in network.weights:
        weight.assign(np.zeros(weight.shape))
    load_keras_weights(network, tmp_path / name)
    for weight, expected in zip(network.weights, source.weights, strict=False):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("name", FILES)
def test_weights_of_another_shape_name_the_layer_and_both_shapes(tmp_path, name):
    save(make_network(filters=5), tmp_path / name)
    with pytest.raises(ValueError, match="does not fit the network small") as error:
        load_keras_weights(make_network(), tmp_path / name)
    message = str(error.value)
    assert "conv" in message
    assert "(3, 3, 3, 3)" in message
    assert "(3, 3, 3, 5)" in message
    assert "\n" not in message
    assert len(message) < 700


@pytest.mark.parametrize("name", ["small.h5", "by_name.h5"])
def test_layers_that_a_file_does_not_name_are_missed(tmp_path, name):
    save(make_network(names=("conv", "batch", "end")), tmp_path / name)
    with pytest.raises(ValueError, match="no weights for 2 layers, the first being norm"):
        load_keras_weights(make_network(), tmp_path / name)


def test_layers_that_a_file_does_not_number_are_missed(tmp_path):
    images = keras.Input((6, 6, 3))
    keras.Model(images, layers.Conv2D(3, 3)(images)).save_weights(tmp_path / "small.weights.h5")
    with pytest.raises(ValueError, match=r"does not fit.*'norm' expected 4 variables"):
        load_keras_weights(make_network(), tmp_path / "small.weights.h5")


@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras", "w.h5"])
def test_a_damaged_or_missing_file_is_one_line(tmp_path, name):
    with pytest.raises(ValueError, match=f"there is no file of weights .*{name}$"):
        load_keras_weights(make_network(), tmp_path / name)
    (tmp_path / name).write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="damaged or no file of Keras weights") as error:
        load_keras_weights(make_network(), tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_file_of_no_known_kind(tmp_path):
    (tmp_path / "weights.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"has to end in \.weights\.h5, \.keras, \.h5"):
        load_keras_weights(make_network(), tmp_path / "weights.npy")
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match="damaged or no file of Keras weights"):
        load_keras_weights(make_network(), tmp_path / "empty.keras")


def test_nothing_but_the_weights_of_a_keras_file_is_read(tmp_path):
    source = make_network()
    source.save(tmp_path / "plain.keras")
    # A configuration can name code to run; one that is not even JSON shows that nobody reads it.
    with (
        zipfile.ZipFile(tmp_path / "plain.keras") as plain,
        zipfile.ZipFile(tmp_path / "odd.keras", "w") as odd,
    ):
        odd.writestr("config.json", "import os")
        odd.writestr("model.weights.h5", plain.read("model.weights.h5"))
    network = make_network()
    network.set_weights([np.zeros(weight.shape) for weight in network.weights])
    load_keras_weights(network, tmp_path / "odd.keras")
    np.testing.assert_array_equal(network.weights[0], source.weights[0])


def test_weights_kept_in_another_file_are_refused(tmp_path):
    source = make_network()
    save_by_name(source, tmp_path / "other.h5")
    save_by_name(source, tmp_path / "linked.h5")
    with h5py.File(tmp_path / "linked.h5", "a") as file:
        del file["conv/conv/kernel:0"]
        target = h5py.ExternalLink(str(tmp_path / "other.h5"), "conv/conv/kernel:0")
        file["conv/conv/kernel:0"] = target
    with pytest.raises(ValueError, match="Not allowed: H5 file with ExternalLink"):
        load_keras_weights(make_network(), tmp_path / "linked.h5")


def test_resnext101_takes_files_of_keras_and_of_pytorch(tmp_path, monkeypatch):
    # The whole network is built in test_resnext3d; its loader needs no more than its layers.
    build = functools.partial(build_resnext3d, **TINY)
    source = build()
    for weight in source.weights:
        weight.assign(np.random.default_rng(0).uniform(0.1, 1, weight.shape))
    arrays = {}
    for layer in source.layers:
        if isinstance(layer, layers.BatchNormalization):
            keys = ("weight", "bias", "running_mean", "running_var")
            for key, value in zip(keys, layer.get_weights(), strict=True):
                arrays[f"module.{layer.name}.{key}"] = value
        elif layer.weights:
            kernel = layer.get_weights()[0]
            arrays[f"module.{layer.name}.weight"] = kernel.transpose(4, 3, 0, 1, 2)
    source.save_weights(tmp_path / "resnext.weights.h5")
    source.save(tmp_path / "resnext.keras")
    monkeypatch.setattr(feature_networks, "build_resnext3d", build)
    monkeypatch.setattr(feature_networks, "read_checkpoint", {tmp_path / "r.pth": arrays}.get)
    clips = np.random.default_rng(0).integers(0, 256, (2, 2, 16, 16, 3), np.uint8)
    expected = np.asarray(source(clips))
    for name in ("resnext.weights.h5", "resnext.keras", "r.pth"):
        np.testing.assert_array_equal(load_resnext101(tmp_path / name)(clips), expected)
    arrays["module.conv1.weight"] = arrays["module.conv1.weight"][..., :5]
    with pytest.raises(ValueError, match=r"r\.pth does not fit.*conv1\.weight.*5\].*7\]"):
        load_resnext101(tmp_path / "r.pth")


def test_resnet152_preprocesses_and_takes_any_size(tmp_path):
    network = keras.applications.ResNet152(weights=None)
    save_by_name(network, tmp_path / "resnet152_weights.h5")
    model = load_resnet152(tmp_path / "resnet152_weights.h5")
    # The 60,419,944 that Keras states, less its 1,000 classes.
    assert model.count_params() == 60_419_944 - 1000 * 2048 - 1000
    assert model.output_shape == (None, 2048)
    assert not model.trainable_weights
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    features = np.asarray(model(frames))
    assert features.dtype == np.float32
    assert np.std(features) > 0
    # Blue, green, red less their means, through the layers of the network that was saved.
    pixels = frames[..., ::-1] - np.array([103.939, 116.779, 123.68])
    body = keras.applications.ResNet152(include_top=False, weights=None, pooling="avg")
    body.set_weights(network.get_weights()[:-2])
    np.testing.assert_allclose(features, body(pixels), rtol=1e-4, atol=1e-4 * features.max())
