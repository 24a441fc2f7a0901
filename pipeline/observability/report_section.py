"""The section of a run's report that tells how the run went.

The evaluator writes the report before the model is pushed, so that it cannot know of the end of the
run. The section goes into the copy that people look at, once the run is over.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2

_END = "</main>"


def with_section(report: str, summary: Mapping[str, Any]) -> str:
    """Returns a report with the section at its end.

    Args:
      report: the HTML that the evaluator wrote.
      summary: see `run_summary.summarize`.
    """
    before, end, after = report.rpartition(_END)
    return before + render(summary) + end + after


def render(summary: Mapping[str, Any]) -> str:
    """Returns the section as HTML.

    Args:
      summary: see `run_summary.summarize`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(duration=_duration, figure=_figure, words=_words)
    return environment.get_template("run_section.html.j2").render(summary=summary)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _figure(value: Any, name: str = "") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "input_stall":
        return f"{100 * value:.1f} %"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)
