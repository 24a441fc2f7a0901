"""Times the dynamic program of step localisation on a video of an hour with 12 steps.

    make benchmark-step-localization   seconds; writes step_localization.json

Beside it runs the same program as plain loops over seconds and states, which is what CrossTask's
`dp.pyx` is before Cython compiles it; both must choose the same seconds.
"""

import argparse
import json
import pathlib
import platform
import statistics
import time

import numpy as np

from components.benchmark_evaluator.protocols.step_localization import assign_steps

_FILE = pathlib.Path(__file__).with_suffix(".json")
_SECONDS, _STEPS = 3600, 12


def assign_steps_by_loops(costs: np.ndarray) -> list[int]:
    """Returns the second of each step, see `assign_steps`.

    Args:
      costs: [T, K], of each step at each second.
    """
    num_seconds, num_steps = costs.shape
    num_states = 2 * num_steps + 1
    total = [[float("inf")] * num_states for _ in range(num_seconds + 1)]
    came_from = [[0] * num_states for _ in range(num_seconds + 1)]
    total[0][0] = 0.0
    for second in range(1, num_seconds + 1):
        for state in range(num_states):
            is_step = state % 2 == 1
            moves = [] if is_step else [0]
            moves += [1] if state >= 1 else []
            moves += [2] if is_step and state >= 2 else []
            best = min(moves, key=lambda back: total[second - 1][state - back])
            cost = costs[second - 1, state // 2] if is_step else 0.0
            total[second][state] = total[second - 1][state - best] + cost
            came_from[second][state] = best
    state = num_states - 1 if total[-1][-1] < total[-1][-2] else num_states - 2
    chosen = [0] * num_steps
    for second in range(num_seconds, 0, -1):
        if state % 2:
            chosen[state // 2] = second - 1
        state -= came_from[second][state]
    return chosen


def main() -> None:
    """Measures and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    costs = np.random.default_rng(0).normal(size=[_SECONDS, _STEPS])
    measured = {}
    chosen = {}
    for name, program in (("ours", assign_steps), ("plain_loops", assign_steps_by_loops)):
        times = []
        for _ in range(arguments.repetitions):
            started = time.perf_counter()
            chosen[name] = list(program(costs))
            times.append(time.perf_counter() - started)
        measured[name] = {"median_seconds": round(statistics.median(times), 4)}
    if chosen["ours"] != chosen["plain_loops"]:
        raise SystemExit("the two programs choose different seconds")
    result = {
        "video_seconds": _SECONDS,
        "steps": _STEPS,
        "repetitions": arguments.repetitions,
        **measured,
        "times_plain_loops": round(
            measured["plain_loops"]["median_seconds"] / measured["ours"]["median_seconds"], 2
        ),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    _FILE.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
