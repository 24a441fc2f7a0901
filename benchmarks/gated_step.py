"""Times one training step of the gated model beside the same maths in plain PyTorch.

    make benchmark-gated-step     three minutes on two cores; writes benchmarks/gated_step.json

A step is forward, loss, backward and Adam at the paper's sizes: 32 videos of 64 pairs, clip vectors
of 4096, captions of 20 words, d = 4096. Both sides start from the same weights and take the same
batch. No caption is padded. Each video has 200 words of its own, drawn by Zipf's law from MIL-NCE's
vocabulary, which its captions use by the same law. So a batch has some 3,400 distinct words, which
matters as our side embeds each once; in 32 videos of HowTo100M, with 64 captions each that were
grown to 20 words, there are 2,730.

The sides take turns on all cores, and the median counts. Their losses are compared twice: before
the first step, which shows that the forward maths is the same, and after it, which shows it of the
gradients and of Adam.
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
from collections.abc import Callable, Mapping
from importlib import metadata

import keras
import numpy as np
import psutil
import tensorflow as tf

from models import max_margin
from models.gated import FEATURES, NEGATIVES, WORD_IDS, GatedTextVideoModel

_FOLDER = pathlib.Path(__file__).resolve().parent
_RIVAL = _FOLDER / "gated_step_torch.py"
_NUM_VIDEOS = 32
_PAIRS_PER_VIDEO = 64
_NUM_PAIRS = _NUM_VIDEOS * _PAIRS_PER_VIDEO
_NUM_WORDS = 20
_WORDS_OF_VIDEO = 200
_VOCABULARY = 66_250
_WORD_SIZE = 300
_STREAM_SIZES = (2048, 2048)
_LEARNING_RATE = 1e-4
# Keras and PyTorch add Adam's epsilon at different places; one this small tells on neither.
_EPSILON = 1e-12
_GIGABYTE = 2**30

# A step's loss and seconds.
_Step = Callable[[], tuple[float, float]]


def _draw_batch(rng: np.random.Generator) -> dict[str, np.ndarray]:
    streams = [rng.random((_NUM_PAIRS, size), np.float32) for size in _STREAM_SIZES]
    streams = [stream / np.linalg.norm(stream, axis=1, keepdims=True) for stream in streams]
    return {
        FEATURES: np.concatenate(streams, axis=1),
        WORD_IDS: np.concatenate([_draw_captions(rng) for _ in range(_NUM_VIDEOS)]),
        NEGATIVES: max_margin.sampled_negatives(rng, _NUM_VIDEOS, _PAIRS_PER_VIDEO),
    }


def _zipf(num_words: int) -> np.ndarray:
    shares = 1.0 / np.arange(1, num_words + 1)
    return shares / shares.sum()


def _draw_captions(rng: np.random.Generator) -> np.ndarray:
    """Returns the word ids of a video's captions, int64 [P, L]."""
    known = _VOCABULARY - 1
    words = rng.choice(np.arange(1, _VOCABULARY), _WORDS_OF_VIDEO, replace=False, p=_zipf(known))
    return rng.choice(words, (_PAIRS_PER_VIDEO, _NUM_WORDS), p=_zipf(_WORDS_OF_VIDEO))


def _draw_vectors(rng: np.random.Generator) -> np.ndarray:
    vectors = rng.standard_normal((_VOCABULARY, _WORD_SIZE), np.float32)
    vectors[0] = 0.0
    return vectors


def _dense_layers(model: GatedTextVideoModel) -> Mapping[str, keras.layers.Dense]:
    return {
        "words": model.caption_layer.words,
        "text.linear": model.text_unit.linear,
        "text.gate": model.text_unit.gate,
        "video.linear": model.video_unit.linear,
        "video.gate": model.video_unit.gate,
    }


def _weights(model: GatedTextVideoModel) -> dict[str, np.ndarray]:
    return {
        f"{name}.{weight.name}": np.asarray(weight)
        for name, layer in _dense_layers(model).items()
        for weight in layer.weights
    }


def _make_model(policy: str, vectors: np.ndarray) -> GatedTextVideoModel:
    keras.utils.set_random_seed(1)
    model = GatedTextVideoModel(sum(_STREAM_SIZES), vectors, dtype=policy)
    model.build()
    optimizer = keras.optimizers.Adam(_LEARNING_RATE, epsilon=_EPSILON)
    # As the trainer does on CPUs, where XLA is slower.
    model.compile(optimizer, jit_compile=False)
    return model


def _our_step(model: GatedTextVideoModel, batch: Mapping[str, np.ndarray]) -> _Step:
    batch = {name: tf.constant(array) for name, array in batch.items()}

    def step() -> tuple[float, float]:
        model.reset_metrics()
        started = time.perf_counter()
        loss = float(model.train_on_batch(batch))
        return loss, time.perf_counter() - started

    return step


def _rival_step(process: subprocess.Popen, software: dict[str, str]) -> _Step:
    def step() -> tuple[float, float]:
        process.stdin.write("\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise SystemExit(f"{_RIVAL.name} ended with status {process.wait()}")
        answer = json.loads(answer)
        software["torch"] = answer["torch"]
        return answer["loss"], answer["seconds"]

    return step


def _measure(steps: Mapping[str, _Step], repetitions: int) -> tuple[dict, dict]:
    """Returns each side's losses of two steps that are not timed, and its pairs a second."""
    losses = {name: [step()[0] for _ in range(2)] for name, step in steps.items()}
    rates = {name: [] for name in steps}
    for _ in range(repetitions):
        for name, step in steps.items():
            rates[name].append(_NUM_PAIRS / step()[1])
    return losses, {name: statistics.median(values) for name, values in rates.items()}


def _processor() -> str:
    model = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())
    return model[1] if model else platform.processor()


def main() -> None:
    """Runs the benchmark and writes the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", default=".venv-torch/bin/python")
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    rng = np.random.default_rng(0)
    batch, vectors = _draw_batch(rng), _draw_vectors(rng)
    models = {policy: _make_model(policy, vectors) for policy in ("float32", "mixed_bfloat16")}
    software = {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("tensorflow", "keras", "numpy")},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, array in {**batch, "vectors": vectors}.items():
            np.save(pathlib.Path(folder) / f"{name}.npy", array)
        np.savez(pathlib.Path(folder) / "weights.npz", **_weights(models["float32"]))
        settings = [str(cores), str(_LEARNING_RATE), str(_EPSILON)]
        with subprocess.Popen(
            [arguments.torch_python, str(_RIVAL), folder, *settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            steps = {"pytorch float32": _rival_step(process, software)}
            for policy, model in models.items():
                steps[f"tensorflow {policy}"] = _our_step(model, batch)
            losses, rates = _measure(steps, arguments.repetitions)
            process.stdin.close()
    rival = rates["pytorch float32"]
    figures = {
        "machine": {
            "processor": _processor(),
            "cores": cores,
            "memory_gib": round(psutil.virtual_memory().total / _GIGABYTE),
            "system": platform.platform(),
        },
        "software": software,
        "setting": {
            "videos": _NUM_VIDEOS,
            "pairs_per_video": _PAIRS_PER_VIDEO,
            "words": _NUM_WORDS,
            "distinct_words": len(np.unique(batch[WORD_IDS])),
            "embedding_size": models["float32"].embedding_size,
            "caption_size": models["float32"].caption_size,
            "repetitions": arguments.repetitions,
        },
        "first_losses": losses,
        "pairs_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "ratio": {name: round(rate / rival, 2) for name, rate in rates.items()},
    }
    text = json.dumps(figures, indent=2) + "\n"
    print(text, end="")
    ours, theirs = losses["tensorflow float32"], losses["pytorch float32"]
    # Before the first step the loss is all but twice the margin whatever the weights are.
    if not np.allclose(ours, theirs, rtol=0.0, atol=[1e-6, 1e-4]):
        sys.exit(f"the losses {ours} and {theirs} differ: this is not the same maths")
    (_FOLDER / "gated_step.json").write_text(text)


if __name__ == "__main__":
    main()
