"""One page with all results: the papers' tables with one's own rows in them."""

import base64
import dataclasses
import io
import json
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
from matplotlib import rc_context
from matplotlib.figure import Figure

from components import complete_files
from components.benchmark_evaluator.document import RESULT_FILE

_GREY, _OURS, _THEIRS = "#7d8590", "#3b82c4", "#b0b7c0"
# In the order of the papers' tables.
_ORDER = (
    "youcook2",
    "msrvtt",
    "lsmdc",
    "csv",
    "crosstask",
    "hmdb51",
    "ucf101",
    "hmdb51_fine_tuning",
    "ucf101_fine_tuning",
    "kinetics700",
    "coin",
    "youtube8m_segments",
)


class PageError(ValueError):
    """There is no result to show, or a file is none."""


class Cell(NamedTuple):
    """A figure and the ends of its interval, both as text; either may be empty."""

    value: str
    interval: str = ""


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
      method: what was measured.
      source: the paper and its table, or the file of the result.
      cells: the figures, in the order of the table's columns.
      own: whether it was measured here.
      note: what to know before comparing, or an empty string.
    """

    method: str
    source: str
    cells: Sequence[Cell]
    own: bool
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """One benchmark.

    Attributes:
      title: benchmark and task.
      columns: names of the figures, in words.
      rows: the papers' and one's own.
      plot: the headline figures as an SVG.
      plot_in_words: the same for those who do not see it.
      by_task: for CrossTask the recall of each task, a column for each result; else empty.
      results: the documents of one's own results.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    plot: bytes
    plot_in_words: str
    by_task: Mapping[str, Sequence[Cell]]
    results: Sequence[Mapping[str, Any]]


def read_results(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Returns the documents of results, in the order of the papers' tables and of their files.

    Args:
      paths: result.json files, or folders that are searched for them.

    Raises:
      PageError: there is none, or a file is none.
    """
    files: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        files += sorted(path.rglob(RESULT_FILE)) if path.is_dir() else [path]
    results = []
    for file in dict.fromkeys(files):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            content["file"] = os.path.relpath(file)
            _check(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PageError(f"{file} is no result of `howto100m evaluate`: {error}") from error
        results.append(content)
    if not results:
        raise PageError("there are no results; `howto100m evaluate` writes them to runs/results")
    return sorted(results, key=lambda content: _ORDER.index(content["benchmark"]))


def sections(results: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Returns a section for each benchmark.

    Args:
      results: see `read_results`.
    """
    found = []
    for name in _ORDER:
        of_benchmark = [result for result in results if result["benchmark"] == name]
        if of_benchmark:
            found.append(_section(of_benchmark))
    return found


def write_page(results: Sequence[Mapping[str, Any]], folder: str) -> None:
    """Writes results.md with its plots, and results.html, which holds everything.

    Args:
      results: see `read_results`.
      folder: made where it is missing.
    """
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    shown = sections(results)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = _markdown_cell
    environment.filters["words"] = _words
    environment.filters["data_uri"] = _data_uri
    names = [f"{section.results[0]['benchmark']}.svg" for section in shown]
    for name, section in zip(names, shown, strict=True):
        (target / name).write_bytes(section.plot)
    for template, file in (("page.md.j2", "results.md"), ("page.html.j2", "results.html")):
        text = environment.get_template(template).render(
            sections=list(zip(shown, names, strict=True))
        )
        with complete_files.written(str(target / file)) as stream:
            stream.write(text)


def _check(content: Mapping[str, Any]) -> None:
    if content["benchmark"] not in _ORDER:
        raise ValueError(f"unknown benchmark {content['benchmark']!r}")
    for name in (
        *("title", "task", "headline", "metrics", "intervals", "items", "comparable"),
        *("not_comparable_because", "details", "settings", "model", "published"),
    ):
        content[name]
    content["metrics"][content["headline"]]


def _section(results: Sequence[Mapping[str, Any]]) -> Section:
    first = results[0]
    columns = list(first["metrics"])
    rows = [
        Row(
            row["method"],
            row["source"],
            [_figure(name, row["metrics"].get(name)) for name in columns],
            own=False,
        )
        for row in first["published"]
    ]
    names = _names(results)
    for name, result in zip(names, results, strict=True):
        intervals = result["intervals"]["of"]
        cells = [
            _figure(column, result["metrics"].get(column), intervals.get(column))
            for column in columns
        ]
        items = result["items"]
        note = f"{items['scored']:,} of {items['annotated']:,} {items['unit']}"
        if not result["comparable"]:
            note += ", not comparable"
        rows.append(Row(name, result["file"], cells, own=True, note=note))
    headline = first["headline"]
    bars = [
        (row["method"], row["metrics"][headline], None, False)
        for row in first["published"]
        if headline in row["metrics"]
    ]
    bars += [
        (
            name,
            result["metrics"][headline],
            result["intervals"]["of"].get(headline),
            True,
        )
        for name, result in zip(names, results, strict=True)
    ]
    return Section(
        title=f"{first['title']}: {first['task']}",
        columns=[_words(name) for name in columns],
        rows=rows,
        plot=_draw(bars, f"{_words(headline)} (%)"),
        plot_in_words=f"{_words(headline)}: "
        + "; ".join(f"{name} {100 * value:.1f} %" for name, value, _, _ in bars),
        by_task=_by_task(results),
        results=[{**result, "name": name} for name, result in zip(names, results, strict=True)],
    )


def _names(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a name for each result: the model's, with the file where that is not enough."""
    names = [result["model"]["name"] or "features" for result in results]
    return [
        name if names.count(name) == 1 else f"{name} ({result['file']})"
        for name, result in zip(names, results, strict=True)
    ]


def _by_task(results: Sequence[Mapping[str, Any]]) -> dict[str, list[Cell]]:
    """Returns the figures of each task as in the HowTo100M paper's table 4, if there are any."""
    recalls = [result["details"].get("recall_by_task", {}) for result in results]
    tasks = sorted({task for of_result in recalls for task in of_result})
    return {
        task: [_figure("recall", of_result.get(task)) for of_result in recalls] for task in tasks
    }


def _figure(name: str, value: float | None, interval: Sequence[float] | None = None) -> Cell:
    if value is None:
        return Cell("")
    ends = ", ".join(_number(name, end) for end in interval) if interval else ""
    return Cell(_number(name, value), f"[{ends}]" if ends else "")


def _number(name: str, value: float) -> str:
    """Returns a rank as it is, a share in percent: with one decimal place, or two below 1 %."""
    if name == "median_rank":
        return f"{value:g}"
    return f"{100 * value:.2f}" if 0 < value < 0.01 else f"{100 * value:.1f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _draw(bars: Sequence[tuple[str, float, Sequence[float] | None, bool]], label: str) -> bytes:
    """Returns horizontal bars as an SVG, one's own in colour and with their intervals."""
    settings = {
        "axes.edgecolor": _GREY,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "font.size": 10,
        "text.color": _GREY,
        "axes.labelcolor": _GREY,
        "xtick.color": _GREY,
        "ytick.color": _GREY,
        # With a fixed salt and no date the same results give the same file.
        "svg.hashsalt": "results",
    }
    with rc_context(settings):
        figure = Figure(figsize=(7.2, 0.9 + 0.32 * len(bars)), layout="constrained")
        axes = figure.add_subplot()
        values = [100 * value for _, value, _, _ in bars]
        axes.barh(range(len(bars)), values, color=[_OURS if own else _THEIRS for *_, own in bars])
        for place, (_, value, interval, _) in enumerate(bars):
            if interval:
                low, high = interval
                axes.errorbar(
                    100 * value,
                    place,
                    xerr=[[100 * max(0.0, value - low)], [100 * max(0.0, high - value)]],
                    color=_GREY,
                    capsize=3,
                )
        axes.set_yticks(range(len(bars)), [name for name, *_ in bars])
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.grid(axis="x", color=_GREY, alpha=0.25, linewidth=0.6)
        image = io.BytesIO()
        figure.savefig(image, format="svg", transparent=True, metadata={"Date": None})
    return image.getvalue()


def _markdown_cell(text: str) -> str:
    """Returns text that stays inside a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _data_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
