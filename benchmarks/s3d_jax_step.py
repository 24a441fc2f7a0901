"""Times training steps of S3D with the MIL-NCE loss on Keras's JAX backend.

    PYTHONPATH=. python3 benchmarks/s3d_jax_step.py --output benchmarks/s3d_jax_step.json
    PYTHONPATH=. python3 benchmarks/s3d_jax_step.py --tiny --output tiny.json    a try on a CPU

It needs keras, jax and numpy, and no TensorFlow. A step is forward, loss, backward and Adam of the
whole model in mixed_bfloat16: S3D at full width with 512 dimensions, and the text tower with 66,250
word vectors of 300 dimensions and 5 candidates of 20 words a clip. It is compiled as one program.
Clips are of 16 and 32 frames, of 200 and 224 pixels; one random batch stays on the device, so that
reading and decoding take no part.

The batch is the largest power of two that fits into the device's memory, up to --largest-batch. It
is guessed from the memory that the compiler says a small batch needs, and halved until it runs;
--batch sets it instead, and has to be set where the device does not tell its memory.

The floating-point operations of a step are counted twice. `flops_per_step` is ours: two for each
multiply-add of the convolutions and matrix products that the step consists of, as they are in the
program before it is compiled; all else is left out. `compiler_flops_per_step` is what the compiler
estimates for the whole compiled program; it may miss calls of libraries. The share of the device's
peak takes ours. The losses of the first and the last step, which see the same batch, tell whether
the steps learn.
"""

import argparse
import functools
import json
import math
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
# The default keeps a quarter of a GPU's memory back.
os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.92")

import jax
import keras
import numpy as np
from keras import ops

from models.milnce import VIDEO, WORD_IDS, TextVideoModel
from models.s3d import S3D
from models.text_tower import TextTower

# Dense bfloat16 operations a second by a part of the device's name, as NVIDIA's data sheets say.
_PEAKS = {"H100 80GB HBM3": 989e12, "H200": 989e12}
_CANDIDATES = 5
_WORDS = 20
_VOCABULARY = 66_250
_WORD_SIZE = 300
_POLICY = "mixed_bfloat16"
_LEARNING_RATE = 1e-4
_SMALL_BATCH = 8
_WARM_UP = 3

# Trainable weights, other weights and the optimiser's variables.
_State = tuple[list[Any], list[Any], list[Any]]


def _make_model(tiny: bool) -> tuple[TextVideoModel, keras.optimizers.Optimizer]:
    keras.utils.set_random_seed(1)
    size = (100 if tiny else _VOCABULARY, _WORD_SIZE)
    vectors = 0.1 * np.random.default_rng(0).standard_normal(size, np.float32)
    model = TextVideoModel(
        S3D(0.05 if tiny else 1.0, dtype=_POLICY),
        TextTower(vectors, 64 if tiny else 2048, dtype=_POLICY),
        dtype=_POLICY,
    )
    model.build()
    optimizer = keras.optimizers.Adam(_LEARNING_RATE)
    optimizer.build(model.trainable_variables)
    return model, optimizer


def _first_state(model: TextVideoModel, optimizer: keras.optimizers.Optimizer) -> _State:
    """Returns copies, as each step gives its memory to the next."""
    groups = model.trainable_variables, model.non_trainable_variables, optimizer.variables
    return tuple([jax.numpy.array(weight.value) for weight in group] for group in groups)


def _make_step(model: TextVideoModel, optimizer: keras.optimizers.Optimizer) -> Callable:
    def loss_of(trainable: Any, others: Any, batch: Any) -> tuple[Any, Any]:
        embeddings, others = model.stateless_call(trainable, others, batch, training=True)
        return ops.mean(model.objective.per_clip(embeddings)), others

    def step(state: _State, batch: Any) -> tuple[_State, Any]:
        trainable, others, moments = state
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, others), gradients = gradient(trainable, others, batch)
        trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
        return (trainable, others, moments), loss

    return step


def _batch_shapes(clips: int, frames: int, pixels: int) -> dict[str, jax.ShapeDtypeStruct]:
    return {
        VIDEO: jax.ShapeDtypeStruct((clips, frames, pixels, pixels, 3), np.uint8),
        WORD_IDS: jax.ShapeDtypeStruct((clips, _CANDIDATES, _WORDS), np.int32),
    }


def _draw_batch(shapes: dict[str, jax.ShapeDtypeStruct], vocabulary: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    # Uneven brightness, or all clips would look alike to the last stages.
    brightest = rng.integers(64, 256, (shapes[VIDEO].shape[0], 1, 1, 1, 3))
    words = rng.integers(1, vocabulary, shapes[WORD_IDS].shape, np.int32)
    return {
        VIDEO: jax.device_put(rng.integers(0, brightest, shapes[VIDEO].shape, np.uint8)),
        WORD_IDS: jax.device_put(words),
    }


def _programs_in(value: Any) -> Iterator[Any]:
    """Yields the programs among an operation's parameters."""
    if hasattr(value, "eqns"):
        yield value
    elif hasattr(value, "jaxpr"):
        yield from _programs_in(value.jaxpr)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _programs_in(item)


def _count_flops(program: Any) -> int:
    """Counts two for each multiplication and addition of convolutions and matrix products.

    Loops would count as one pass; a step of S3D and this text tower has none.
    """
    total = 0
    for operation in program.eqns:
        for value in operation.params.values():
            total += sum(map(_count_flops, _programs_in(value)))
        if operation.primitive.name == "dot_general":
            (contracted, _), _ = operation.params["dimension_numbers"]
            left = operation.invars[0].aval.shape
            terms = math.prod(left[axis] for axis in contracted)
        elif operation.primitive.name == "conv_general_dilated":
            kernel = operation.invars[1].aval.shape
            output_axis = operation.params["dimension_numbers"].rhs_spec[0]
            terms = math.prod(kernel) // kernel[output_axis]
        else:
            continue
        total += 2 * terms * math.prod(operation.outvars[0].aval.shape)
    return total


def _needed_bytes(compiled: Any) -> int:
    memory = compiled.memory_analysis()
    return (
        memory.temp_size_in_bytes
        + memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
    )


def _largest_batch(compile_step: Callable, available: int, largest: int) -> int:
    """Returns the largest power of two that should fit, from what two small batches need."""
    small, double = (
        _needed_bytes(compile_step(clips)) for clips in (_SMALL_BATCH, 2 * _SMALL_BATCH)
    )
    each = max(1, (double - small) // _SMALL_BATCH)
    clips = (available - small) // each + _SMALL_BATCH
    return min(largest, 2 ** max(1, int(clips).bit_length() - 1))


def _is_out_of_memory(error: Exception) -> bool:
    return "RESOURCE_EXHAUSTED" in str(error) or "out of memory" in str(error).lower()


def _compiler_flops(compiled: Any) -> float | None:
    analysis = compiled.cost_analysis()
    # Older versions of JAX give a list with one entry for each program.
    analysis = analysis[0] if isinstance(analysis, list) else analysis
    return (analysis or {}).get("flops")


def _peak(device: Any) -> float | None:
    return next((peak for name, peak in _PEAKS.items() if name in device.device_kind), None)


def _run(compiled: Any, state: _State, batch: Any, steps: int) -> tuple[list[float], list[float]]:
    """Returns the losses of all steps, and the seconds a step of three rounds of them."""
    losses, seconds = [], []
    for _ in range(_WARM_UP):
        state, loss = compiled(state, batch)
        losses.append(loss)
    jax.block_until_ready(state)
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(steps):
            state, loss = compiled(state, batch)
            losses.append(loss)
        jax.block_until_ready(state)
        seconds.append((time.perf_counter() - started) / steps)
    return [float(loss) for loss in losses], seconds


def _measure(frames: int, pixels: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures one kind of clips."""
    device = jax.devices()[0]
    model, optimizer = _make_model(arguments.tiny)
    step = _make_step(model, optimizer)
    first_state = functools.partial(_first_state, model, optimizer)
    state_shapes = jax.eval_shape(first_state)

    def compile_step(clips: int) -> Any:
        program = jax.jit(step, donate_argnums=0)
        return program.lower(state_shapes, _batch_shapes(clips, frames, pixels)).compile()

    def try_batch(clips: int) -> tuple[Any, float, list[float], list[float]]:
        started = time.perf_counter()
        compiled = compile_step(clips)
        compile_seconds = time.perf_counter() - started
        vocabulary = model.text_tower.embedding.input_dim
        batch = _draw_batch(_batch_shapes(clips, frames, pixels), vocabulary)
        return compiled, compile_seconds, *_run(compiled, first_state(), batch, arguments.steps)

    clips = arguments.batch
    if clips is None:
        memory = device.memory_stats()
        if not memory or "bytes_limit" not in memory:
            raise SystemExit(f"{device.device_kind} does not tell its memory: set --batch")
        available = memory["bytes_limit"] - memory["bytes_in_use"]
        clips = _largest_batch(compile_step, available, arguments.largest_batch)
    while True:
        try:
            compiled, compile_seconds, losses, seconds = try_batch(clips)
            break
        except jax.errors.JaxRuntimeError as error:
            if arguments.batch is not None or clips == 2 or not _is_out_of_memory(error):
                raise
        clips //= 2
    if not all(map(math.isfinite, losses)):
        raise SystemExit(f"the loss of {frames} frames of {pixels} pixels is not finite: {losses}")
    program = jax.make_jaxpr(step)(state_shapes, _batch_shapes(clips, frames, pixels))
    flops = _count_flops(program.jaxpr)
    second = statistics.median(seconds)
    peak = _peak(device)
    return {
        "frames": frames,
        "pixels": pixels,
        "batch": clips,
        "clips_per_second": round(clips / second, 2),
        "seconds_per_step": second,
        "seconds_per_step_of_each_round": seconds,
        "steps_per_round": arguments.steps,
        "flops_per_step": flops,
        "compiler_flops_per_step": _compiler_flops(compiled),
        "flops_per_second": flops / second,
        "share_of_peak": None if peak is None else round(flops / second / peak, 4),
        "needed_bytes": _needed_bytes(compiled),
        "compile_seconds": round(compile_seconds, 1),
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }


def main() -> None:
    """Runs the benchmark and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True, help="JSON file to write")
    parser.add_argument("--batch", type=int, help="clips a step")
    parser.add_argument("--largest-batch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=10, help="steps of each of three rounds")
    parser.add_argument("--tiny", action="store_true", help="a tiny model on clips of 4 x 32 x 32")
    arguments = parser.parse_args()
    kinds = [(frames, pixels) for frames in (16, 32) for pixels in (200, 224)]
    if arguments.tiny:
        kinds = [(4, 32)]
        arguments.batch = arguments.batch or 4
    device = jax.devices()[0]
    figures = {
        "device": {
            "kind": device.device_kind,
            "platform": device.platform,
            "peak_bfloat16_flops_per_second": _peak(device),
        },
        "software": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("jax", "jaxlib", "keras", "numpy")},
        },
        "setting": {
            "policy": _POLICY,
            "optimizer": "Adam",
            "candidates": _CANDIDATES,
            "words": _WORDS,
            "tiny": arguments.tiny,
        },
        "results": [],
    }
    for frames, pixels in kinds:
        figures["results"].append(_measure(frames, pixels, arguments))
        # Written after each, so that what is done stays where time runs out.
        arguments.output.write_text(json.dumps(figures, indent=2) + "\n")
        print(json.dumps(figures["results"][-1]), flush=True)


if __name__ == "__main__":
    main()
