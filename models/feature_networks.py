"""The frozen networks whose outputs are the features of HowTo100M, with weights given by path.

Miech et al., "HowTo100M", section 4: ResNet-152 on single frames, ResNeXt-101 on 16 frames; what
each takes is in facts/protocols.md, section 8.
"""

import os
import textwrap
import zipfile

import h5py
import keras

from models.resnext3d import build_resnext3d, load_torch_weights
from models.torch_checkpoint import read_checkpoint

# A file of either suffix holds weights by Keras's own numbering, one of the last two by the names
# of the layers, as keras.applications publishes them.
_KERAS_SUFFIXES = (".weights.h5", ".keras")
_NAMED_SUFFIXES = (".h5", ".hdf5")
_TORCH_SUFFIXES = (".pth", ".pt")

_LONGEST_REASON = 400


def load_resnet152(path: str | os.PathLike[str]) -> keras.Model:
    """Returns the network of the 2D features, with weights from a Keras file.

    It is `keras.applications.ResNet152` up to its mean over the picture, behind the preprocessing
    of that network's published weights: blue, green, red less their ImageNet means. The authors of
    HowTo100M used torchvision's weights, so features of theirs and of this network do not mix.

    Args:
      path: the published `resnet152_weights_tf_dim_ordering_tf_kernels*.h5`, with or without the
        classes, or a `.weights.h5` or `.keras` file of `keras.applications.ResNet152`. Weights
        alone are read; no code of a file is run.

    Returns:
      A frozen model from [B, H, W, 3] RGB in 0..255, of any number type and with H and W free, to
      float32 [B, 2048].

    Raises:
      ValueError: there is no such file, it is none of these, or its weights do not fit; the
        message then names the layer and both shapes.
    """
    frames = keras.Input((None, None, 3), name="frames")
    network = keras.applications.ResNet152(
        include_top=False,
        weights=None,
        pooling="avg",
        input_tensor=keras.applications.resnet.preprocess_input(frames),
    )
    # As a model of its own, since that one wants its input in a list.
    model = keras.Model(frames, network.output, name="resnet152")
    load_keras_weights(model, path)
    model.trainable = False
    return model


def load_resnext101(path: str | os.PathLike[str]) -> keras.Model:
    """Returns the network of the 3D features, with weights from a Keras or a PyTorch file.

    Args:
      path: the public checkpoint `resnext-101-kinetics.pth` of 3D-ResNets-PyTorch (PyTorch has to
        be installed to read it), or a `.weights.h5` or `.keras` file of this model. Weights alone
        are read; no code of a file is run.

    Returns:
      A frozen model from [B, 16, 112, 112, 3] RGB in 0..255, of any number type, to float32
      [B, 2048]. The mean of Kinetics is taken off inside.

    Raises:
      ValueError: there is no such file, it is none of these, or its weights do not fit; the
        message then names the layer and both shapes.
    """
    model = build_resnext3d()
    if os.fspath(path).endswith(_TORCH_SUFFIXES):
        arrays = read_checkpoint(path)
        try:
            load_torch_weights(model, arrays)
        except ValueError as error:
            raise ValueError(f"{path} does not fit the network {model.name}: {error}") from error
    else:
        load_keras_weights(model, path)
    return model


def load_keras_weights(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Fills a built model from a file of Keras, which may hold more layers than the model has.

    Args:
      model: the model, changed in place.
      path: a `.weights.h5` file, a `.keras` file, or an `.h5` file whose weights bear the names of
        the layers. Its weights alone are read; no code of a file is run.

    Raises:
      ValueError: there is no such file, it is none of these, or its weights do not fit; the
        message then names the layer and both shapes. The model may be half filled then.
    """
    name = os.fspath(path)
    by_name = name.endswith(_NAMED_SUFFIXES) and not name.endswith(_KERAS_SUFFIXES)
    if not by_name and not name.endswith(_KERAS_SUFFIXES):
        raise ValueError(
            f"{name} is no file of weights that can be read here: its name has to end in "
            f"{', '.join(_KERAS_SUFFIXES + _NAMED_SUFFIXES)}"
        )
    try:
        if by_name:
            _check_layer_names(model, name)
            model.load_weights(name, by_name=True)
        else:
            model.load_weights(name)
    except FileNotFoundError as error:
        raise ValueError(f"there is no file of weights {name}") from error
    except (OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{name} is damaged or no file of Keras weights: {error}") from error
    except ValueError as error:
        # Keras goes on to print the weight's values and every other layer.
        reason = textwrap.shorten(str(error), _LONGEST_REASON, placeholder=" ...")
        raise ValueError(f"{name} does not fit the network {model.name}: {reason}") from error


def _check_layer_names(model: keras.Model, name: str) -> None:
    """Raises ValueError unless the file has each layer with weights: Keras passes over the rest."""
    with h5py.File(name) as file:
        stored = set(file.get("model_weights", file))
    missing = [layer.name for layer in model.layers if layer.weights and layer.name not in stored]
    if missing:
        raise ValueError(
            f"it has no weights for {len(missing)} layers, the first being {missing[0]}"
        )
