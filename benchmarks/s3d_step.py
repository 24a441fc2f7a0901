"""Times one training step of MIL-NCE's S3D beside the same network in plain PyTorch.

    make benchmark-s3d-step     some minutes on two cores; writes benchmarks/s3d_step.json

A step is forward, MIL-NCE loss, backward and Adam, at full width, on clips of bytes with five
candidate captions each. The rival computes in float32 as its reference code does, and tuned: with
the channels last and in bfloat16. Both start from the same fresh weights, which our import of the
public checkpoint reads, and take the same batches. The sides take turns on all cores, and the
median counts.

First the gradients are compared, given the same gradient of the embeddings. The smaller clips are
so short that the last stages see two frames, fewer than their kernels (where oneDNN's 3-D
convolutions in bfloat16 may go wrong):

- at both sizes those of the whole network, in float32 and in bfloat16, with the rival's in float32.
  These are held to be equal where the network normalises by the statistics stored at first. With
  batch statistics a fresh network is chaotic: the last bit of float32 shows in the second digit of
  its gradient, and nothing of bfloat16's is left; these are compared too, and not judged.
- at the smaller size those of each convolution and of each normalisation by batch statistics, in
  bfloat16 with the same in float32, given the input and the upstream gradient that they have in the
  float32 network. A ReLU belongs to each normalisation: where rounding moves one value in 500
  across its zero, the gradient moves by the root of that, 4 %.

Then the losses of the first step are. If anything differs that should not, nothing is written.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any

import keras
import numpy as np
import psutil
import tensorflow as tf

from models.adam import Adam
from models.batch_normalization import BatchNormalization
from models.import_milnce import make_model
from models.milnce import VIDEO, WORD_IDS, TextVideoModel
from models.s3d import S3D
from models.text_tower import TextTower
from models.video_layers import Convolution

_FOLDER = pathlib.Path(__file__).resolve().parent
_RIVAL = _FOLDER / "s3d_step_torch.py"
_FLOAT32 = "tensorflow float32"
_BFLOAT16 = "tensorflow mixed_bfloat16"
_PLAIN = "pytorch float32"
_TUNED = "pytorch channels_last_3d bfloat16"
# Clips, frames and pixels. The first is measured first, with the weights that all sides share at
# the start: only there do the losses of the first step compare.
_SMALL = "4x16x112x112"
_SIZES = {_SMALL: (4, 16, 112), "2x32x200x200": (2, 32, 200)}
_CANDIDATES = 5
_NUM_WORDS = 20
_VOCABULARY = 1000
_EMBEDDING_SIZE = 512
_LEARNING_RATE = 1e-5
# Keras and PyTorch add Adam's epsilon at different places; one this small tells on neither.
_EPSILON = 1e-12
_COMPARED_STEPS = 3
_GIGABYTE = 2**30
# By how much of its norm the gradient may differ of all weights together, and in float32 of each
# weight: rounding decides the branch of a few ReLUs and maxima, which tells on the first layers,
# whose gradient is small.
_FLOAT32_TOLERANCE = 1e-5
_WEIGHT_TOLERANCE = 0.05
_BFLOAT16_TOLERANCE = 0.05
_CONVOLUTION_TOLERANCE = 0.02
_NORMALIZATION_TOLERANCE = 0.2

# A step's loss, or None, and seconds.
_Step = Callable[[], tuple[float | None, float]]


def _draw_batch(rng: np.random.Generator, clips: int, frames: int, pixels: int) -> dict[str, Any]:
    """Draws clips of smooth noise, which have edges and flat parts as films do."""
    coarse = rng.integers(0, 256, (clips, frames // 4, 8, 8, 3)).astype(np.float32)
    images = tf.image.resize(coarse.reshape(-1, 8, 8, 3), (pixels, pixels)).numpy()
    video = images.reshape(clips, frames // 4, pixels, pixels, 3).repeat(4, axis=1)
    video = video + rng.normal(0.0, 10.0, video.shape)
    word_ids = rng.integers(1, _VOCABULARY + 1, (clips, _CANDIDATES, _NUM_WORDS))
    return {VIDEO: np.clip(video, 0, 255).astype(np.uint8), WORD_IDS: word_ids}


def _draw_upstream(rng: np.random.Generator, clips: int) -> dict[str, np.ndarray]:
    """Draws a gradient of the embeddings."""
    counts = {"video": clips, "text": clips * _CANDIDATES}
    return {
        name: rng.standard_normal((n, _EMBEDDING_SIZE), np.float32) for name, n in counts.items()
    }


class _Rival:
    """The process that computes with PyTorch."""

    def __init__(self, process: subprocess.Popen):
        self.process = process
        self.version = self._read()["torch"]

    def _read(self) -> dict[str, Any]:
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{_RIVAL.name} ended with status {self.process.wait()}")
        return json.loads(answer)

    def ask(self, side: str, work: str, size: str, **more: Any) -> dict[str, Any]:
        """Has one of its sides do a work on the batch of a size."""
        name = side.removeprefix("pytorch ")
        request = {"side": name, "work": work, "batch": f"{size}.npz", **more}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def timed(self, side: str, work: str, size: str) -> _Step:
        """Returns what has it do a timed work once more."""

        def step() -> tuple[float | None, float]:
            answer = self.ask(side, work, size)
            return answer["loss"], answer["seconds"]

        return step


def _make_model(arrays: Mapping[str, np.ndarray], policy: str) -> TextVideoModel:
    """Returns the model of a checkpoint that computes by a policy."""
    imported = make_model(arrays)
    text = imported.text_tower
    model = TextVideoModel(
        S3D(embedding_size=text.embedding_size, dtype=policy),
        TextTower(
            arrays["text_module.word_embd.weight"],
            text.hidden_size,
            text.embedding_size,
            dtype=policy,
        ),
    )
    model.build()
    model.set_weights(imported.get_weights())
    # As the trainer does on CPUs, where XLA is slower.
    optimizer = Adam(_LEARNING_RATE, epsilon=_EPSILON)
    model.compile(optimizer, jit_compile=False)
    return model


def _tensors(batch: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in batch.items()}


def _our_step(model: TextVideoModel, batch: Mapping[str, np.ndarray]) -> _Step:
    batch = _tensors(batch)

    def step() -> tuple[float, float]:
        model.reset_metrics()
        started = time.perf_counter()
        loss = float(model.train_on_batch(batch))
        return loss, time.perf_counter() - started

    return step


def _our_inference(model: TextVideoModel, batch: Mapping[str, np.ndarray]) -> _Step:
    video = tf.constant(batch[VIDEO])
    embed = tf.function(lambda: model.embed_video(video, training=False))

    def step() -> tuple[None, float]:
        started = time.perf_counter()
        embed().numpy()
        return None, time.perf_counter() - started

    return step


def _our_gradients(
    model: TextVideoModel,
    batch: Mapping[str, np.ndarray],
    upstream: Mapping[str, np.ndarray],
    training: bool,
) -> list[np.ndarray]:
    """Returns each weight's gradient of the embeddings' product with `upstream`."""
    batch = _tensors(batch)
    stored = model.get_weights()

    @tf.function(autograph=False)
    def compute() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            embeddings = model(batch, training=training)
        weights = [weight.value for weight in model.trainable_weights]
        return tape.gradient(embeddings, weights, _tensors(upstream))

    gradients = [tf.convert_to_tensor(gradient).numpy() for gradient in compute()]
    model.set_weights(stored)
    return gradients


def _layers(model: TextVideoModel, kind: type) -> list[keras.layers.Layer]:
    layers = model.video_tower._flatten_layers(include_self=False)
    return [layer for layer in layers if isinstance(layer, kind)]


def _compare_layers(
    models: Mapping[str, TextVideoModel],
    batch: Mapping[str, np.ndarray],
    upstream: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Compares the gradients of each layer in bfloat16 with those in float32."""
    stored = models[_FLOAT32].get_weights()
    kinds = {"convolutions": Convolution, "normalisations": BatchNormalization}
    layers = [layer for kind in kinds.values() for layer in _layers(models[_FLOAT32], kind)]
    seen = {}

    def record(layer: keras.layers.Layer) -> None:
        call = layer.call

        def recording(video: Any, **options: Any) -> Any:
            seen[layer] = (video, call(video, **options))
            return seen[layer][1]

        layer.call = recording

    for layer in layers:
        record(layer)
    with tf.GradientTape() as tape:
        embeddings = models[_FLOAT32](_tensors(batch), training=True)
    outputs = [seen[layer][1] for layer in layers]
    gradients = tape.gradient(embeddings, outputs, _tensors(upstream))
    upstreams = dict(zip(layers, gradients, strict=True))
    for layer in layers:
        del layer.call
    figures = {}
    for name, kind in kinds.items():
        errors = {}
        pairs = zip(*(_layers(models[side], kind) for side in (_BFLOAT16, _FLOAT32)), strict=True)
        for rounded, exact in pairs:
            video, upstream = seen[exact][0], upstreams[exact]
            found, expected = (_layer_gradients(x, video, upstream) for x in (rounded, exact))
            for key, gradient in expected.items():
                errors[f"{exact.path} {key}"] = _relative_error(found[key], gradient)
        worst = max(errors, key=errors.get)
        figures[name] = {
            "median_error": float(f"{statistics.median(errors.values()):.2g}"),
            "largest_error": float(f"{errors[worst]:.2g}"),
            "gradient_with_the_largest_error": worst.split("/", 2)[-1],
        }
    for model in models.values():
        model.set_weights(stored)
    return figures


def _layer_gradients(
    layer: keras.layers.Layer, video: tf.Tensor, upstream: tf.Tensor
) -> dict[str, np.ndarray]:
    """Returns the gradients of a layer's input and weights."""
    options = {"training": True} if isinstance(layer, BatchNormalization) else {}
    video = tf.cast(video, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(video)
        outputs = tf.cast(layer(video, **options), "float32")
    sources = {"input": video, **{w.name: w.value for w in layer.trainable_weights}}
    gradients = tape.gradient(outputs, sources, upstream)
    return {name: tf.cast(gradient, "float32").numpy() for name, gradient in gradients.items()}


def _in_our_layout(gradient: np.ndarray) -> np.ndarray:
    """PyTorch keeps outputs and inputs of a kernel in front, Keras behind."""
    return gradient if gradient.ndim == 1 else np.moveaxis(gradient, (0, 1), (-1, -2))


def _relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    # In float64, as the rival's worst gradients are beyond the squares that float32 holds.
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def _compare(
    names: Sequence[str], gradients: Sequence[np.ndarray], exact: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Says how far the gradients are from those of the rival in float32."""
    errors = {
        name: _relative_error(ours, theirs)
        for name, ours, theirs in zip(names, gradients, exact, strict=True)
    }
    ours, theirs = (
        np.concatenate([np.ravel(x) for x in side]).astype(np.float64)
        for side in (gradients, exact)
    )
    if not np.isfinite(ours).all():
        return {
            "not_finite": [
                n for n, x in zip(names, gradients, strict=True) if not np.isfinite(x).all()
            ]
        }
    cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
    worst = max(errors, key=errors.get)
    return {
        "cosine": round(float(cosine), 6),
        "relative_error": float(f"{_relative_error(ours, theirs):.2g}"),
        "median_error_of_weights": float(f"{statistics.median(errors.values()):.2g}"),
        "largest_error_of_a_weight": float(f"{errors[worst]:.2g}"),
        "weight_with_the_largest_error": worst,
    }


def _compare_gradients(
    size: str,
    models: Mapping[str, TextVideoModel],
    batch: Mapping[str, np.ndarray],
    rival: _Rival,
    folder: pathlib.Path,
) -> dict[str, Any]:
    """Compares the gradients of all sides, and ends the program if ours are wrong."""
    upstream = _draw_upstream(np.random.default_rng(1), len(batch[VIDEO]))
    np.savez(folder / "upstream.npz", **upstream)
    figures = {}
    for statistics_of, training in (("stored_statistics", False), ("batch_statistics", True)):
        sides = {}
        for side in (_PLAIN, _TUNED):
            answer = rival.ask(side, "gradients", size, training=training)
            with np.load(folder / "gradients.npz", allow_pickle=False) as file:
                sides[side] = [_in_our_layout(array) for array in file.values()]
        for side, model in models.items():
            sides[side] = _our_gradients(model, batch, upstream, training)
        figures[statistics_of] = {
            side: _compare(answer["names"], gradients, sides[_PLAIN])
            for side, gradients in sides.items()
            if side != _PLAIN
        }
    print(json.dumps({size: figures}, indent=2), flush=True)
    stored = figures["stored_statistics"]
    if not (
        stored[_FLOAT32].get("relative_error", np.inf) < _FLOAT32_TOLERANCE
        and stored[_FLOAT32].get("largest_error_of_a_weight", np.inf) < _WEIGHT_TOLERANCE
        and stored[_BFLOAT16].get("relative_error", np.inf) < _BFLOAT16_TOLERANCE
    ):
        sys.exit("the gradients differ: this is not the same maths")
    return figures


def _check_layers(layers: Mapping[str, Any]) -> None:
    """Ends the program if a layer's gradients in bfloat16 are not those in float32."""
    if not (
        layers["convolutions"]["largest_error"] < _CONVOLUTION_TOLERANCE
        and layers["normalisations"]["largest_error"] < _NORMALIZATION_TOLERANCE
    ):
        sys.exit("the gradients of a layer differ: this is not the same maths")


def _measure(steps: Mapping[str, _Step], clips: int, repetitions: int) -> tuple[dict, dict]:
    """Returns each side's losses of the first steps, not timed, and its clips a second."""
    losses = {name: [step()[0] for _ in range(_COMPARED_STEPS)] for name, step in steps.items()}
    # JSON has no word for what is not a number.
    losses = {
        name: [loss if loss is None or np.isfinite(loss) else str(loss) for loss in values]
        for name, values in losses.items()
    }
    rates = {name: [] for name in steps}
    for _ in range(repetitions):
        for name, step in steps.items():
            rates[name].append(clips / step()[1])
    return losses, {name: round(statistics.median(values), 2) for name, values in rates.items()}


def _measure_size(
    size: str,
    models: Mapping[str, TextVideoModel],
    batch: Mapping[str, np.ndarray],
    rival: _Rival,
    repetitions: int,
) -> dict[str, Any]:
    clips = _SIZES[size][0]
    figures = {}
    for work, ours in (("step", _our_step), ("inference", _our_inference)):
        steps = {side: rival.timed(side, work, size) for side in (_PLAIN, _TUNED)}
        steps |= {side: ours(model, batch) for side, model in models.items()}
        losses, rates = _measure(steps, clips, repetitions)
        if work == "step":
            figures["first_losses"] = losses
        figures[work] = {
            "clips_per_second": rates,
            "ratio_to_tuned": {n: round(rate / rates[_TUNED], 2) for n, rate in rates.items()},
            "ratio_to_plain": {n: round(rate / rates[_PLAIN], 2) for n, rate in rates.items()},
        }
    return figures


def _check_losses(size: str, losses: Mapping[str, Sequence[float]]) -> None:
    """Ends the program if the losses of our first steps are not those of the same maths."""
    theirs = losses[_PLAIN][0]
    ours = np.array([losses[side] for side in (_FLOAT32, _BFLOAT16)], np.float64)
    close = np.isclose(ours[:, 0], theirs, rtol=np.array([1e-3, 0.2])) if size == _SMALL else True
    if not (np.isfinite(ours).all() and np.all(close)):
        sys.exit("the losses differ: this is not the same maths")


def _machine() -> dict[str, Any]:
    model = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())
    return {
        "processor": model[1] if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / _GIGABYTE),
        "system": platform.platform(),
    }


def main() -> None:
    """Runs the benchmark and writes the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", default=".venv-torch/bin/python")
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    machine = _machine()
    rng = np.random.default_rng(0)
    batches = {size: _draw_batch(rng, *shape) for size, shape in _SIZES.items()}
    software = {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("tensorflow", "keras", "numpy")},
    }
    settings = {
        "cores": machine["cores"],
        "learning_rate": _LEARNING_RATE,
        "epsilon": _EPSILON,
        "num_words": _VOCABULARY,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for size, batch in batches.items():
            np.savez(folder / f"{size}.npz", **batch)
        with subprocess.Popen(
            [arguments.torch_python, str(_RIVAL), name, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            rival = _Rival(process)
            with np.load(folder / "weights.npz", allow_pickle=False) as file:
                arrays = dict(file)
            models = {
                side: _make_model(arrays, side.removeprefix("tensorflow "))
                for side in (_FLOAT32, _BFLOAT16)
            }
            gradients = {
                size: _compare_gradients(size, models, batch, rival, folder)
                for size, batch in batches.items()
            }
            upstream = _draw_upstream(rng, _SIZES[_SMALL][0])
            layers = _compare_layers(models, batches[_SMALL], upstream)
            print(json.dumps(layers, indent=2), flush=True)
            _check_layers(layers)
            sizes = {}
            for size, batch in batches.items():
                sizes[size] = _measure_size(size, models, batch, rival, arguments.repetitions)
                print(json.dumps({size: sizes[size]}, indent=2), flush=True)
                _check_losses(size, sizes[size]["first_losses"])
            process.stdin.close()
    figures = {
        "machine": machine,
        "software": {**software, "torch": rival.version},
        "setting": {
            "candidates": _CANDIDATES,
            "words": _NUM_WORDS,
            "learned_parameters": sum(
                int(np.prod(w.shape)) for w in models[_FLOAT32].trainable_weights
            ),
            "repetitions": arguments.repetitions,
        },
        "gradients_against_pytorch_float32": gradients,
        f"bfloat16_layer_by_layer_at_{_SMALL}": layers,
        **sizes,
    }
    (_FOLDER / "s3d_step.json").write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
