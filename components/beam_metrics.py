"""What the workers of a Beam pipeline counted and timed, kept beside a component's output."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
from absl import logging
from apache_beam.metrics import metric

from models import files

METRICS_FILE = "beam_metrics.json"


@dataclasses.dataclass(frozen=True)
class Metric:
    """One counter or distribution, summed up over all workers.

    Attributes:
      step: the transform that counted.
      name: what it counted.
      value: a counter's value, or of a distribution {"count", "sum", "min", "max", "mean"}.
    """

    step: str
    name: str
    value: int | dict[str, float]


class MeteredPipelines:
    """Makes pipelines, and tells what was counted in those that have run."""

    def __init__(self, make_pipeline: Callable[[], beam.Pipeline]):
        """Remembers how pipelines are made.

        Args:
          make_pipeline: makes one.
        """
        self._make_pipeline = make_pipeline
        self._made: list[beam.Pipeline] = []

    def make_pipeline(self) -> beam.Pipeline:
        """Makes a pipeline and remembers it."""
        pipeline = self._make_pipeline()
        self._made.append(pipeline)
        return pipeline

    def metrics(self) -> list[Metric]:
        """Returns the metrics of the pipelines that have run, by step and name."""
        found = [item for pipeline in self._made for item in _metrics_of(pipeline)]
        return sorted(found, key=lambda item: (item.step, item.name))

    def write(self, folder: str) -> None:
        """Writes the metrics to `beam_metrics.json`.

        Args:
          folder: the folder of the file.
        """
        content = [dataclasses.asdict(item) for item in self.metrics()]
        with files.written(os.path.join(folder, METRICS_FILE)) as stream:
            json.dump(content, stream, indent=2)


def _metrics_of(pipeline: beam.Pipeline) -> Iterator[Metric]:
    result = getattr(pipeline, "result", None)
    if result is None:
        return
    try:
        found = result.metrics().query()
    # Not every engine keeps metrics, and work that is done must not fail for want of them.
    except Exception as error:
        logging.warning("The Beam runner gives no metrics: %s", error)
        return
    for counter in found[metric.MetricResults.COUNTERS]:
        yield Metric(counter.key.step, counter.key.metric.name, counter.result)
    for distribution in found[metric.MetricResults.DISTRIBUTIONS]:
        value = distribution.result
        if value.count:
            yield Metric(distribution.key.step, distribution.key.metric.name, _summary(value))


def _summary(value: Any) -> dict[str, float]:
    return {
        "count": value.count,
        "sum": value.sum,
        "min": value.min,
        "max": value.max,
        "mean": round(value.mean, 3),
    }
