"""One page with all results: the papers' tables with one's own rows in them."""

import base64
import dataclasses
import os
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2

from components.benchmark_evaluator.recognition_table import recognition_table
from components.benchmark_evaluator.results_plot import Bar, draw_bars
from components.benchmark_evaluator.tables import Row, Table, figure, words
from models import files

# An underscore between two letters or digits is no emphasis in Markdown.
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


@dataclasses.dataclass(frozen=True)
class Section:
    """One set of one benchmark.

    Attributes:
      title: benchmark, set and task.
      table: the figures.
      plot: the headline figures as an SVG.
      plot_file: name of the plot's file beside the page.
      plot_in_words: the same for those who do not see it.
      by_task: for CrossTask the recall of each task, in the shape of the HowTo100M paper's table 4;
        else None.
      results: the documents of one's own results.
    """

    title: str
    table: Table
    plot: bytes
    plot_file: str
    plot_in_words: str
    by_task: Table | None
    results: Sequence[Mapping[str, Any]]


def sections(results: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Returns a section for each set of each benchmark, in the order of the results.

    Args:
      results: see `result_files.read_results`.
    """
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault(_set_key(result), []).append(result)
    numbers: dict[str, int] = {}
    found = []
    for (benchmark, *_), of_set in groups.items():
        number = numbers[benchmark] = numbers.get(benchmark, 0) + 1
        name = benchmark if number == 1 else f"{benchmark}-{number}"
        found.append(_section(of_set, f"{name}.svg"))
    return found


def write_page(results: Sequence[Mapping[str, Any]], folder: str) -> None:
    """Writes results.md with its plots, and results.html, which holds everything.

    Args:
      results: see `result_files.read_results`.
      folder: made where it is missing.
    """
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    shown = sections(results)
    recognition = recognition_table(results)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["cell"] = _markdown_cell
    environment.filters["words"] = words
    environment.filters["data_uri"] = _data_uri
    for section in shown:
        with files.replacing(target / section.plot_file) as stream:
            stream.write(section.plot)
    for template, file in (("page.md.j2", "results.md"), ("page.html.j2", "results.html")):
        text = environment.get_template(template).render(sections=shown, recognition=recognition)
        files.write_text(target / file, text)


def _set_key(result: Mapping[str, Any]) -> tuple:
    """Returns what the results have in common that belong into one table."""
    items, inputs = result["items"], result["inputs"]
    if items["set"]:
        return result["benchmark"], items["set"]
    return (
        result["benchmark"],
        inputs["annotations"],
        inputs["video_list_sha256"],
        items["annotated"],
    )


def _section(results: Sequence[Mapping[str, Any]], plot_file: str) -> Section:
    first = results[0]
    names = _names(results)
    published = _union(row for result in results for row in result["published"])
    headline = first["headline"]
    bars = [
        Bar(row["method"], row["metrics"][headline], None, own=False)
        for row in published
        if headline in row["metrics"]
    ]
    bars += [
        Bar(name, result["metrics"][headline], result["intervals"]["of"].get(headline), own=True)
        for name, result in zip(names, results, strict=True)
    ]
    return Section(
        title=_title(first),
        table=_figures(results, names, published),
        plot=draw_bars(bars, f"{words(headline)} (%)"),
        plot_file=plot_file,
        plot_in_words=f"{words(headline)}: "
        + "; ".join(f"{bar.name} {100 * bar.value:.1f} %" for bar in bars),
        by_task=_by_task(results, names, published),
        results=[{**result, "name": name} for name, result in zip(names, results, strict=True)],
    )


def _title(result: Mapping[str, Any]) -> str:
    items = result["items"]
    of_set = items["set"] or (
        f"{items['annotated']:,} {items['unit']} of "
        f"{os.path.basename(result['inputs']['annotations'])}"
    )
    return f"{result['title']}, {of_set}: {result['task']}"


def _union(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the papers' rows of several results, each once."""
    return list({(row["method"], row["source"]): row for row in rows}.values())


def _names(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a name for each result: the model's, with the file where that is not enough."""
    names = [result["model"]["name"] or "features" for result in results]
    return [
        name if names.count(name) == 1 else f"{name} ({result['file']})"
        for name, result in zip(names, results, strict=True)
    ]


def _figures(
    results: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    published: Sequence[Mapping[str, Any]],
) -> Table:
    """Returns the table of a set's figures; what a row lacks stays empty."""
    columns = list(dict.fromkeys(name for result in results for name in result["metrics"]))
    rows = [
        Row(
            row["method"],
            row["source"],
            [figure(column, row["metrics"].get(column)) for column in columns],
            own=False,
        )
        for row in published
    ]
    for name, result in zip(names, results, strict=True):
        intervals = result["intervals"]["of"]
        cells = [
            figure(column, result["metrics"].get(column), intervals.get(column))
            for column in columns
        ]
        items = result["items"]
        note = f"{items['scored']:,} of {items['annotated']:,} {items['unit']}"
        if not result["comparable"]:
            note += ", not comparable"
        rows.append(Row(name, result["file"], cells, own=True, note=note))
    return Table([words(column) for column in columns], rows)


def _by_task(
    results: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    published: Sequence[Mapping[str, Any]],
) -> Table | None:
    """Returns the recalls of each task, the paper's tasks first and in its order, if any."""
    recalls = [(row["method"], row["source"], row, row["by_task"], False) for row in published]
    recalls += [
        (name, result["file"], result, result["details"].get("recall_by_task", {}), True)
        for name, result in zip(names, results, strict=True)
    ]
    tasks = list(dict.fromkeys(task for *_, by_task, _ in recalls for task in by_task))
    rows = []
    for method, source, row, by_task, own in recalls:
        if by_task:
            cells = [figure("recall", by_task.get(task)) for task in tasks]
            average = figure("average_recall", row["metrics"].get("average_recall"))
            rows.append(Row(method, source, [*cells, average], own))
    return Table([*tasks, "average"], rows) if rows else None


def _markdown_cell(text: object) -> str:
    """Returns text that Markdown shows as it is, also inside a cell of a table."""
    line = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return _MARKUP.sub(lambda found: "\\" + found[0], line)


def _data_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
