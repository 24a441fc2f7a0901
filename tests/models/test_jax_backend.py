import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)

_PROGRAM = pathlib.Path(__file__).with_name("jax_trial.py")
_REPOSITORY = _PROGRAM.parents[2]
# TensorFlow cannot be imported where JAX is to do without.
_ON_JAX = """
import runpy, sys
sys.modules["tensorflow"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
assert sys.modules["tensorflow"] is None
"""
_TEXT_MODELS = {"max_pool", "lstm", "gru", "transformer", "netvlad"}
_LOSSES = {
    *("mil_nce", "max_nce", "attention_nce", "concatenation_nce", "nce", "max_margin", "binary"),
}


def run(backend: str, weights: pathlib.Path, output: pathlib.Path) -> dict[str, np.ndarray]:
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(_REPOSITORY), *sys.path]),
        # Compiling takes longer than running, but at level 0 newer versions of XLA give wrong
        # gradients.
        "XLA_FLAGS": "--xla_backend_optimization_level=1 --xla_llvm_disable_expensive_passes=true",
    }
    options = ["-c", _ON_JAX] if backend == "jax" else []
    process = subprocess.run(
        [sys.executable, *options, str(_PROGRAM), str(weights), str(output)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    with np.load(output, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Returns the results on TensorFlow and on JAX, and the weights that both started from."""
    folder = tmp_path_factory.mktemp("backends")
    weights = folder / "weights.npz"
    on_tensorflow = run("tensorflow", weights, folder / "tensorflow.npz")
    on_jax = run("jax", weights, folder / "jax.npz")
    with np.load(weights, allow_pickle=False) as arrays:
        return on_tensorflow, on_jax, dict(arrays)


def part(results: dict[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    return {name: value for name, value in results.items() if f": {kind}" in name}


def test_all_towers_and_losses_are_compared(results):
    trials = {name.split(": ")[0] for name in results[0]}
    towers, text_models, losses = zip(*(trial.split() for trial in trials), strict=True)
    assert {"s3d", "i3d"} < set(towers)
    assert set(text_models) == _TEXT_MODELS
    assert set(losses) == _LOSSES
    assert results[0].keys() == results[1].keys()


@pytest.mark.parametrize("kind", ["video", "text"])
def test_embeddings_are_equal(results, kind):
    on_tensorflow, on_jax = (part(result, kind) for result in results[:2])
    for name, value in on_tensorflow.items():
        assert np.ptp(value, axis=0).max() > 1e-3, name
        np.testing.assert_allclose(on_jax[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_losses_are_equal(results):
    on_tensorflow, on_jax = (part(result, "loss") for result in results[:2])
    for name, value in on_tensorflow.items():
        assert value > 1e-3, name
        np.testing.assert_allclose(on_jax[name], value, rtol=1e-4, err_msg=name)


def test_weights_and_statistics_move_alike_in_a_step(results):
    on_tensorflow, on_jax = (part(result, "weight") for result in results[:2])
    moved = 0
    for (name, value), before in zip(on_tensorflow.items(), results[2].values(), strict=True):
        move = np.linalg.norm(value - before)
        # Rounding is magnified on the way back through the batch normalisations of S3D.
        assert np.linalg.norm(on_jax[name] - value) < 0.01 * move + 1e-6, name
        moved += move > 1e-4
    # The word vectors are frozen, and attention cancels the bias of its keys.
    assert moved > 0.95 * len(on_tensorflow)
