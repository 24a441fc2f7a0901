"""The document of an evaluation: what was found, on what, how, and what the papers say."""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.benchmark_evaluator.names import RESULT_FILE
from components.benchmark_evaluator.outcome import Failure, Outcome
from components.benchmark_evaluator.protocols import bootstrap
from components.benchmark_evaluator.published import published_rows
from models import files

if TYPE_CHECKING:
    from components.benchmark_evaluator.benchmarks import Benchmark, KnownSet
    from components.benchmark_evaluator.evaluate import Request

FAILURES_FILE = "failures.jsonl"

_NAMED_FAILURES = 20
# What decides nothing, and what tells which set is scored, not how.
_FREE = frozenset({"frames.batch_size", "protocol.vocabulary", "protocol.video_list"})


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What an evaluation was fed with, as far as its request does not tell.

    Attributes:
      streams: of features the `name`, the `rate` in rows a second and the `size` of a row of each
        stream, which is None where no file can be read; empty for videos.
      num_classes: classes of the annotations; None where they have none.
      video_ids: what `ids_digest` says of the annotated videos; empty where it tells nothing.
      video_list: the beginning of the SHA-256 of the list of videos; None where there is none.
    """

    streams: Sequence[Mapping[str, Any]] = ()
    num_classes: int | None = None
    video_ids: str = ""
    video_list: str | None = None


def ids_digest(video_ids: Iterable[str]) -> str:
    """Returns the SHA-256, in hexadecimal digits, of videos' ids in alphabetical order.

    Args:
      video_ids: the ids; repeated ones count once.
    """
    return hashlib.sha256("\n".join(sorted(set(video_ids))).encode()).hexdigest()


def model_name(request: "Request") -> str:
    """Returns a name of the model: publisher, name and version of a pushed one, or its address.

    Args:
      request: what was evaluated on what.

    Returns:
      Names with slashes between them; empty where no model is used, as by a probe of features.
    """
    # A folder of versions was resolved to the version that was taken, which tells more.
    source = request.model_source if "://" in request.model_source else request.model
    if "://" in source:
        # Without the scheme and the parameters of the download.
        parts = source.split("://", 1)[1].split("?")[0].split("/")
    else:
        parts = list(pathlib.Path(os.path.abspath(source)).parts[1:])[-3:] if source else []
    return "/".join(part for part in parts if part not in ("", ".", ".."))


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
    def of(
        cls,
        benchmark: "Benchmark",
        request: "Request",
        outcome: Outcome,
        inputs: Inputs | None = None,
    ) -> "Result":
        """Returns the result of an outcome.

        Args:
          benchmark: the benchmark.
          request: what was evaluated on what.
          outcome: what was found.
          inputs: what it was found on; None says nothing of it.
        """
        inputs = inputs or Inputs()
        items = outcome.items
        known = benchmark.known_set(
            items.annotated, _num_classes(inputs, outcome), inputs.video_ids
        )
        changed = _changed(benchmark, request)
        reasons = _not_comparable(benchmark, request, outcome, inputs, known)
        # A list of videos makes the papers' set only where their ids can be compared.
        is_papers = (
            known is not None
            and known.is_papers
            and (bool(known.video_ids) or inputs.video_list is None)
        )
        # A probe of features that exist already does not use the model.
        has_model = bool(request.videos or benchmark.needs_text)
        content = {
            "benchmark": benchmark.name,
            "title": benchmark.title,
            "task": benchmark.task,
            "protocol": benchmark.protocol(request.settings, bool(request.features))._asdict(),
            "headline": outcome.headline,
            "metrics": dict(outcome.metrics),
            "intervals": {
                "level": bootstrap.LEVEL,
                "drawn": outcome.drawn,
                "repetitions": bootstrap.REPETITIONS,
                "of": {name: list(ends) for name, ends in outcome.intervals.items()},
            },
            "num_ties": outcome.details.get("num_ties"),
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
                "set": known.name if known else "",
            },
            "comparable": not reasons,
            "not_comparable_because": reasons,
            "details": dict(outcome.details),
            "settings": _stated(benchmark, request),
            "changed_settings": [f"{name}={value}" for name, value in changed.items()],
            "model": {
                "source": (request.model_source or request.model) if has_model else "",
                "path": request.model if has_model else "",
                "name": model_name(request) if has_model else "",
            },
            "inputs": {
                "annotations": request.annotations,
                "video_list_sha256": inputs.video_list,
                "videos": request.videos,
                "features": request.features,
                "streams": [dict(stream) for stream in inputs.streams],
            },
            "published": [
                dataclasses.asdict(row)
                for row in published_rows(benchmark.name, is_papers, changed)
            ],
        }
        return cls(content, list(items.failures))

    def write(self, folder: str) -> None:
        """Writes result.json and failures.jsonl.

        Args:
          folder: made where it is missing.
        """
        files.make_folder(folder)
        with files.written(os.path.join(folder, FAILURES_FILE)) as stream:
            for failure in self.failures:
                stream.write(json.dumps(dataclasses.asdict(failure)) + "\n")
        with files.written(os.path.join(folder, RESULT_FILE)) as stream:
            json.dump(self.content, stream, indent=2, allow_nan=False)


def _not_comparable(
    benchmark: "Benchmark",
    request: "Request",
    outcome: Outcome,
    inputs: Inputs,
    known: "KnownSet | None",
) -> list[str]:
    """Returns why the figures may not be held against those of others, in sentences."""
    items = outcome.items
    reasons = []
    if not items.is_complete:
        reasons.append(
            f"{items.scored:,} of {items.annotated:,} {items.unit} were scored, so others were "
            f"scored on more."
        )
    elif items.failures:
        counted = ", ".join(
            f"{count:,} {reason}" for reason, count in items.failed_by_reason().items()
        )
        reasons.append(
            f"All {items.unit} were scored, but without {len(items.failures):,} of their parts "
            f"({counted})."
        )
    if known is None and benchmark.sets:
        reasons.append(_another_set(benchmark, outcome, inputs))
    num_queries = outcome.details.get("num_queries", items.scored)
    if known and known.has_one_caption and num_queries != items.scored:
        reasons.append(
            f"{num_queries:,} captions were queries for {items.scored:,} {items.unit}; figures are "
            f"published for one caption each."
        )
    if benchmark.name == "csv":
        reasons.append("There are no published figures for clips of one's own.")
    if request.features:
        reasons.append("Features made elsewhere: which frames and windows they hold is not known.")
    if changed := _changed(benchmark, request):
        named = ", ".join(f"{name}={value}" for name, value in changed.items())
        reasons.append(f"Settings differ from the papers': {named}.")
    return reasons


def _another_set(benchmark: "Benchmark", outcome: Outcome, inputs: Inputs) -> str:
    items = outcome.items
    found = f"{items.annotated:,} {items.unit}"
    if any(known.num_classes for known in benchmark.sets):
        found += f" of {_num_classes(inputs, outcome) or 0:,} classes"
    elif any(known.num_items == items.annotated for known in benchmark.sets):
        found += " of other videos"
    known_sets = "; ".join(map(str, benchmark.sets))
    return f"The annotations have {found}; figures are published for {known_sets}."


def _num_classes(inputs: Inputs, outcome: Outcome) -> int | None:
    """Returns how many classes were scored, which may be fewer than the annotations name."""
    return outcome.details.get("num_classes_scored", inputs.num_classes)


def _unused(benchmark: "Benchmark", request: "Request") -> set[str]:
    """Returns the settings that decided nothing in this evaluation."""
    if request.features:
        frames = dataclasses.fields(request.settings.frames)
        return {"protocol.num_windows", *(f"frames.{field.name}" for field in frames)}
    # A classifier is trained, which has an output of its own.
    return {"frames.output"} if benchmark.is_fine_tuned else set()


def _stated(benchmark: "Benchmark", request: "Request") -> dict[str, dict[str, Any] | None]:
    """Returns the settings as the result states them: None for what was not used."""
    unused = _unused(benchmark, request)
    stated = {
        section: {
            name: None if f"{section}.{name}" in unused else value for name, value in values.items()
        }
        for section, values in request.settings.as_dict().items()
    }
    return {**stated, "frames": None} if request.features else stated


def _changed(benchmark: "Benchmark", request: "Request") -> dict[str, Any]:
    """Returns the settings that decided something and are not the benchmark's own."""
    ignored = _FREE | _unused(benchmark, request)
    defaults = benchmark.defaults.as_dict()
    return {
        f"{section}.{name}": value
        for section, values in request.settings.as_dict().items()
        for name, value in values.items()
        if value != defaults[section][name] and f"{section}.{name}" not in ignored
    }
