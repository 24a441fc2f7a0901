"""Action recognition on both data sets in one table, as in the MIL-NCE paper's table 3."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.benchmark_evaluator.tables import Row, Table, figure

_FIGURE = "top_1"
_DATA_SETS = {
    "hmdb51": "HMDB-51",
    "ucf101": "UCF-101",
    "hmdb51_fine_tuning": "HMDB-51",
    "ucf101_fine_tuning": "UCF-101",
}
_COLUMNS = ("HMDB-51", "UCF-101")


def recognition_table(results: Sequence[Mapping[str, Any]]) -> Table | None:
    """Returns the top-1 accuracies on HMDB-51 and UCF-101, a model's side by side.

    A model that was scored several times on one of them, as with other settings, has a row for each
    result: nothing says which two belong together.

    Args:
      results: see `result_files.read_results`.

    Returns:
      The table, or None where results on one of the two are missing.
    """
    found = [result for result in results if result["benchmark"] in _DATA_SETS]
    if {_DATA_SETS[result["benchmark"]] for result in found} != set(_COLUMNS):
        return None
    return Table(_COLUMNS, [*_published(found), *_own(found)])


def _published(results: Sequence[Mapping[str, Any]]) -> list[Row]:
    accuracies: dict[tuple[str, str], dict[str, float]] = {}
    for result in results:
        for row in result["published"]:
            of_method = accuracies.setdefault((row["method"], row["source"]), {})
            of_method[_DATA_SETS[result["benchmark"]]] = row["metrics"][_FIGURE]
    return [
        Row(method, source, [figure(_FIGURE, of_method.get(name)) for name in _COLUMNS], own=False)
        for (method, source), of_method in accuracies.items()
    ]


def _own(results: Sequence[Mapping[str, Any]]) -> list[Row]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        learnt = "fine-tuned" if result["benchmark"].endswith("_fine_tuning") else "frozen"
        name = f"{result['model']['name'] or 'features'}, {learnt}"
        groups.setdefault(name, []).append(result)
    rows = []
    for name, of_model in groups.items():
        by_set = {_DATA_SETS[result["benchmark"]]: result for result in of_model}
        if len(by_set) == len(of_model):
            rows.append(_row(name, by_set))
        else:
            rows += [_row(name, {_DATA_SETS[one["benchmark"]]: one}) for one in of_model]
    return rows


def _row(name: str, by_set: Mapping[str, Mapping[str, Any]]) -> Row:
    """Returns the row of one result on each data set, or on one of them."""
    cells = []
    for column in _COLUMNS:
        result = by_set.get(column, {"metrics": {}, "intervals": {"of": {}}})
        cells.append(
            figure(_FIGURE, result["metrics"].get(_FIGURE), result["intervals"]["of"].get(_FIGURE))
        )
    files = ", ".join(result["file"] for result in by_set.values())
    other = [column for column, result in by_set.items() if not result["comparable"]]
    note = f"not comparable on {' and '.join(other)}" if other else ""
    return Row(name, files, cells, own=True, note=note)
