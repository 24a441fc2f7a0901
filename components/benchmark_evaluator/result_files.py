"""Reads what `howto100m evaluate` wrote, and says which file is broken, and where."""

import json
import math
import os
import pathlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from components.benchmark_evaluator.names import BENCHMARKS, RESULT_FILE


class ResultError(ValueError):
    """There is no result, or a file is none."""


class _Optional(NamedTuple):
    """A value that may be null."""

    shape: Any


# What the page takes from a result. A type stands for a value, {str: shape} for an object with any
# names, [shape] for a list of any length, a tuple for one of its length.
_SHAPE = {
    "benchmark": str,
    "title": str,
    "task": str,
    "protocol": {"name": str, "in_words": str},
    "headline": str,
    "metrics": {str: float},
    "intervals": {"of": {str: (float, float)}},
    "num_ties": _Optional(int),
    "items": {
        "unit": str,
        "annotated": int,
        "found": int,
        "scored": int,
        "failed_by_reason": {str: int},
        "set": str,
    },
    "comparable": bool,
    "not_comparable_because": [str],
    "details": {str: object},
    "settings": {str: _Optional({str: object})},
    "model": {"name": str},
    "inputs": {"annotations": str, "video_list_sha256": _Optional(str)},
    "published": [{"method": str, "source": str, "metrics": {str: float}, "by_task": {str: float}}],
}


def read_results(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Returns the documents of results, in the order of the papers' tables and of their files.

    Args:
      paths: result.json files, or folders that are searched for them; one that is not there holds
        none.

    Returns:
      For each what `document.Result` wrote, with its `file`.

    Raises:
      ResultError: there is none, or a file is none.
    """
    files: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        files += [path] if path.is_file() else sorted(path.rglob(RESULT_FILE))
    results = []
    for file in dict.fromkeys(files):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            _check(content, _SHAPE, "")
            _check_names(content)
        except (OSError, ValueError) as error:
            raise ResultError(f"{file} is no result of `howto100m evaluate`: {error}") from error
        results.append({**content, "file": os.path.relpath(file)})
    if not results:
        raise ResultError("there are no results; `howto100m evaluate` writes them to runs/results")
    return sorted(results, key=lambda content: BENCHMARKS.index(content["benchmark"]))


def _check_names(content: dict[str, Any]) -> None:
    if content["benchmark"] not in BENCHMARKS:
        raise ValueError(f"there is no benchmark {content['benchmark']!r}")
    if content["headline"] not in content["metrics"]:
        raise ValueError(f"metrics lacks {content['headline']}")
    _check(content["details"].get("recall_by_task", {}), {str: float}, "details.recall_by_task")


def _check(value: Any, shape: Any, place: str) -> None:
    """Raises a ValueError that says where a value has not its shape, see `_SHAPE`."""
    if isinstance(shape, _Optional):
        if value is not None:
            _check(value, shape.shape, place)
    elif isinstance(shape, dict):
        if not isinstance(value, dict):
            raise ValueError(f"{place or 'it'} is no object")
        of_any_name = shape.get(str)
        for name in value if of_any_name else shape:
            inner = f"{place}.{name}" if place else name
            if name not in value:
                raise ValueError(f"it lacks {inner}")
            _check(value[name], of_any_name or shape[name], inner)
    elif isinstance(shape, list | tuple):
        is_fixed = isinstance(shape, tuple)
        if not isinstance(value, list) or (is_fixed and len(value) != len(shape)):
            raise ValueError(f"{place} is no list{f' of {len(shape)}' if is_fixed else ''}")
        for number, inner in enumerate(value):
            _check(inner, shape[number if is_fixed else 0], f"{place}[{number}]")
    elif not _is_of_type(value, shape):
        raise ValueError(f"{place} is {value!r}, which is no {shape.__name__}")


def _is_of_type(value: Any, kind: type) -> bool:
    if kind is float:
        # Python's reader takes NaN for a number, and JSON's true for 1.
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and math.isfinite(value)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
