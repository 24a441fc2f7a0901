"""The document of an evaluation: what was found, on what, how, and what the papers say."""

import dataclasses
import json
import os
import pathlib
from typing import TYPE_CHECKING, Any

from components import complete_files
from components.benchmark_evaluator.outcome import Failure, Outcome
from components.benchmark_evaluator.protocols import bootstrap
from components.benchmark_evaluator.published import published_rows

if TYPE_CHECKING:
    from components.benchmark_evaluator.benchmarks import Benchmark
    from components.benchmark_evaluator.evaluate import Request

RESULT_FILE = "result.json"
FAILURES_FILE = "failures.jsonl"

_NAMED_FAILURES = 20


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of an evaluation.

    Attributes:
      content: what result.json holds.
      failures: what failures.jsonl holds.
    """

    content: dict[str, Any]
    failures: list[Failure]

    @classmethod
    def of(cls, benchmark: "Benchmark", request: "Request", outcome: Outcome) -> "Result":
        """Returns the result of an outcome.

        Args:
          benchmark: the benchmark.
          request: what was evaluated on what.
          outcome: what was found.
        """
        items = outcome.items
        reasons = _not_comparable(benchmark, request, outcome)
        # A probe of features that exist already does not use the model.
        model = request.model if request.videos or benchmark.needs_text else ""
        content = {
            "benchmark": benchmark.name,
            "title": benchmark.title,
            "task": benchmark.task,
            "headline": outcome.headline,
            "metrics": dict(outcome.metrics),
            "intervals": {
                "level": bootstrap.LEVEL,
                "drawn": outcome.drawn,
                "repetitions": bootstrap.REPETITIONS,
                "of": {name: list(ends) for name, ends in outcome.intervals.items()},
            },
            "items": {
                "unit": items.unit,
                "annotated": items.annotated,
                "found": items.found,
                "scored": items.scored,
                "failed": len(items.failures),
                "failed_by_reason": items.failed_by_reason(),
                "first_failed": [
                    dataclasses.asdict(failure) for failure in items.failures[:_NAMED_FAILURES]
                ],
                "set": benchmark.sizes.get(items.annotated, ""),
            },
            "comparable": not reasons,
            "not_comparable_because": reasons,
            "details": dict(outcome.details),
            "settings": request.settings.as_dict(),
            "changed_settings": _changed(request.settings.as_dict(), benchmark.defaults.as_dict()),
            "model": {"path": model, "name": _model_name(model)},
            "inputs": {
                "annotations": request.annotations,
                "videos": request.videos,
                "features": request.features,
            },
            "published": [
                dataclasses.asdict(row)
                for row in published_rows(
                    benchmark.name,
                    items.annotated,
                    getattr(request.settings.protocol, "video_list", ""),
                )
            ],
        }
        return cls(content, list(items.failures))

    def write(self, folder: str) -> None:
        """Writes result.json and failures.jsonl.

        Args:
          folder: made where it is missing.
        """
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        with complete_files.written(os.path.join(folder, FAILURES_FILE)) as stream:
            for failure in self.failures:
                stream.write(json.dumps(dataclasses.asdict(failure)) + "\n")
        with complete_files.written(os.path.join(folder, RESULT_FILE)) as stream:
            json.dump(self.content, stream, indent=2, allow_nan=False)


def _not_comparable(benchmark: "Benchmark", request: "Request", outcome: Outcome) -> list[str]:
    """Returns why the figures may not be held against those of others, in sentences."""
    items = outcome.items
    reasons = []
    if not items.is_complete:
        reasons.append(
            f"{items.scored:,} of {items.annotated:,} {items.unit} were scored, so others were "
            f"scored on more."
        )
    if benchmark.sizes and items.annotated not in benchmark.sizes:
        known = ", ".join(f"{size:,} ({what})" for size, what in benchmark.sizes.items())
        reasons.append(
            f"The annotations have {items.annotated:,} {items.unit}; figures are published for "
            f"{known}."
        )
    if benchmark.name == "csv":
        reasons.append("There are no published figures for clips of one's own.")
    changed = _changed(request.settings.as_dict(), benchmark.defaults.as_dict())
    if changed:
        reasons.append(f"Settings differ from the papers': {', '.join(changed)}.")
    return reasons


def _changed(settings: dict[str, Any], defaults: dict[str, Any]) -> list[str]:
    """Returns the settings that decide something and are not the benchmark's own."""
    free = {"frames.batch_size", "protocol.vocabulary", "protocol.video_list"}
    return [
        f"{section}.{name}={value}"
        for section, values in settings.items()
        for name, value in values.items()
        if value != defaults[section][name] and f"{section}.{name}" not in free
    ]


def _model_name(path: str) -> str:
    """Returns the end of a model's path: publisher, name and version of a pushed one."""
    return "/".join(pathlib.PurePath(path).parts[-3:]) if path else ""
