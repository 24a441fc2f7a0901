"""What Beam's workers counted, gathered from the pipelines that ran."""

import json

import apache_beam as beam
from apache_beam.metrics import Metrics

from components import beam_engine, beam_metrics


class _Count(beam.DoFn):
    def __init__(self):
        self._even = Metrics.counter("test", "even")
        self._numbers = Metrics.distribution("test", "numbers")

    def process(self, number: int):
        self._numbers.update(number)
        self._even.inc(number % 2 == 0)


def _pipeline() -> beam.Pipeline:
    return beam.Pipeline(argv=beam_engine.engine_arguments((), workers=1))


def _run(metered: beam_metrics.MeteredPipelines, numbers: list[int]) -> None:
    with metered.make_pipeline() as pipeline:
        _ = pipeline | beam.Create(numbers) | beam.Reshuffle() | "Count" >> beam.ParDo(_Count())


def test_counters_and_distributions_are_those_of_all_elements(tmp_path):
    metered = beam_metrics.MeteredPipelines(_pipeline)
    _run(metered, [1, 2, 4, 9])
    metered.write(str(tmp_path))
    assert json.loads((tmp_path / "beam_metrics.json").read_text()) == [
        {"step": "Count", "name": "even", "value": 2},
        {
            "step": "Count",
            "name": "numbers",
            "value": {"count": 4, "sum": 16, "min": 1, "max": 9, "mean": 4.0},
        },
    ]


def test_a_pipeline_that_was_not_run_and_no_pipeline_have_no_metrics():
    metered = beam_metrics.MeteredPipelines(_pipeline)
    assert metered.metrics() == []
    metered.make_pipeline()
    assert metered.metrics() == []


class _Result:
    def metrics(self):
        raise NotImplementedError


def test_a_runner_without_metrics_does_not_fail_what_is_done():
    pipeline = _pipeline()
    pipeline.result = _Result()
    metered = beam_metrics.MeteredPipelines(lambda: pipeline)
    metered.make_pipeline()
    assert metered.metrics() == []
