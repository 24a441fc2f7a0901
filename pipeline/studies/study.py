"""A study's measurements, and the files that it leaves: Markdown, JSON and a plot."""

import dataclasses
import json
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

HEADLINE = "R@10"
_METRICS = ("R@1", "R@5", HEADLINE, "median_rank")


@dataclasses.dataclass(frozen=True)
class Row:
    """One setting of a study.

    Attributes:
      series: which of the study's curves it belongs to; studies of one curve have one name.
      label: the setting, in words.
      num_pairs: caption-clip pairs that were trained on; 0 where nothing was, None where all rows
        have as many.
      measurements: text-to-video metrics, one mapping for each seed.
      x: the setting as a number, for a plot with a numerical axis.
      overrides: the setting as `section.setting=value`, each, where that says all.
    """

    series: str
    label: str
    num_pairs: int | None
    measurements: Sequence[Mapping[str, float]]
    x: float | None = None
    overrides: Sequence[str] = ()

    def mean(self, metric: str) -> float:
        """Returns the mean over the seeds."""
        return statistics.fmean(values[metric] for values in self.measurements)

    def spread(self, metric: str) -> float:
        """Returns the sample standard deviation over the seeds; 0 for one seed."""
        values = [values[metric] for values in self.measurements]
        return statistics.stdev(values) if len(values) > 1 else 0.0


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A direction that the paper found, as it was measured here.

    Attributes:
      claim: what the paper found.
      higher: the row that should be better.
      lower: the row that it is compared with.
    """

    claim: str
    higher: Row
    lower: Row

    @property
    def difference(self) -> float:
        """Mean R@10 of the one less that of the other."""
        return self.higher.mean(HEADLINE) - self.lower.mean(HEADLINE)

    @property
    def verdict(self) -> str:
        """Whether the direction appears: by more than the larger of both standard deviations."""
        spread = max(self.higher.spread(HEADLINE), self.lower.spread(HEADLINE))
        if abs(self.difference) <= spread:
            return "is not told apart from the spread over the seeds"
        return "appears" if self.difference > 0 else "is the other way round"

    def in_words(self) -> str:
        """Returns the comparison as one sentence."""
        return (
            f"{self.claim}: {HEADLINE} {_percent(self.higher, HEADLINE)} "
            f"({self.higher.series}, {self.higher.label}) against "
            f"{_percent(self.lower, HEADLINE)} ({self.lower.series}, {self.lower.label}); the "
            f"direction {self.verdict}."
        )


@dataclasses.dataclass(frozen=True)
class Study:
    """The result of a study.

    Attributes:
      name: of its command and its files.
      title: what was varied.
      paper: the figure or table of the paper that it repeats.
      setting: name of what was varied, for the table's first column and the plot's axis.
      protocol: how it was done, in sentences; an empty line ends a paragraph.
      rows: the measurements.
      comparisons: the paper's directions.
      seconds: how long it took; measurements taken from an earlier, interrupted run not included.
      log_axis: whether the plot's horizontal axis is logarithmic.
      cores: of the machine that it took so long on; None leaves that open.
      command: what measures one row again, with the row's overrides added to it; empty where the
        overrides are.
    """

    name: str
    title: str
    paper: str
    setting: str
    protocol: str
    rows: Sequence[Row]
    comparisons: Sequence[Comparison]
    seconds: float
    log_axis: bool = False
    cores: int | None = None
    command: str = ""

    def write(self, folder: pathlib.Path) -> None:
        """Writes `<name>.md`, `<name>.json` and `<name>.png`.

        Args:
          folder: made where it is missing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.md").write_text(self.as_markdown(), encoding="utf-8")
        text = json.dumps(self.as_dict(), indent=2) + "\n"
        (folder / f"{self.name}.json").write_text(text, encoding="utf-8")
        _plot(self, folder / f"{self.name}.png")

    def as_markdown(self) -> str:
        """Returns the table and the directions."""
        lines = [f"# {self.title} ({self.paper})", "", self.protocol, "", *self._table(), ""]
        lines += [*(f"- {comparison.in_words()}" for comparison in self.comparisons), ""]
        cores = ""
        if self.cores:
            cores = f" on {self.cores} core{'s' if self.cores > 1 else ''}"
        lines.append(
            f"Text-to-video, mean ± standard deviation over {self._seeds_in_words()}; "
            f"{self.seconds:.0f} s{cores}."
        )
        if self.comparisons:
            lines.append(
                "Two rows are told apart where their means differ by more than the larger of their "
                "standard deviations."
            )
        if self.command:
            lines += [
                "",
                "One row alone, with each of its settings added as `--set SETTING=VALUE`:",
                "",
                f"    {self.command}",
            ]
        return "\n".join(lines) + "\n"

    def _table(self) -> list[str]:
        """Returns the lines of the Markdown table."""
        counted = any(row.num_pairs is not None for row in self.rows)
        names = ["", self.setting, *(["pairs"] if counted else []), *_METRICS[:3], "median rank"]
        marks = ["---", "---", *["---:"] * (len(names) - 2)]
        if self.command:
            names.append("settings")
            marks.append("---")
        lines = [_line(names), f"|{'|'.join(marks)}|"]
        for row in self.rows:
            cells = [row.series, row.label]
            if counted:
                cells.append("" if row.num_pairs is None else f"{row.num_pairs:,}")
            cells += [_percent(row, name) for name in _METRICS[:3]]
            cells.append(f"{row.mean('median_rank'):.1f} ± {row.spread('median_rank'):.1f}")
            if self.command:
                cells.append(" ".join(f"`{override}`" for override in row.overrides))
            lines.append(_line(cells))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Returns everything for JSON."""
        return {
            "study": self.name,
            "title": self.title,
            "paper": self.paper,
            "protocol": self.protocol,
            "seconds": round(self.seconds, 1),
            **({"cores": self.cores} if self.cores else {}),
            **({"command": self.command} if self.command else {}),
            "rows": [
                {
                    "series": row.series,
                    self.setting: row.label,
                    "x": row.x,
                    **({} if row.num_pairs is None else {"num_pairs": row.num_pairs}),
                    **({"overrides": list(row.overrides)} if row.overrides else {}),
                    **{
                        name: {"mean": row.mean(name), "stdev": row.spread(name)}
                        for name in _METRICS
                    },
                    "measurements": [dict(values) for values in row.measurements],
                }
                for row in self.rows
            ],
            "directions": [
                {
                    "claim": comparison.claim,
                    "difference": comparison.difference,
                    "verdict": comparison.verdict,
                }
                for comparison in self.comparisons
            ],
        }

    def _seeds_in_words(self) -> str:
        seeds = max(len(row.measurements) for row in self.rows)
        return "one seed" if seeds == 1 else f"{seeds} seeds"


def _line(cells: Sequence[str]) -> str:
    """Returns a line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def _percent(row: Row, metric: str) -> str:
    return f"{100 * row.mean(metric):.1f} ± {100 * row.spread(metric):.1f} %"


def _plot(study: Study, path: pathlib.Path) -> None:
    """Draws R@10: curves where every row has a number, else bars."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    figure.suptitle(f"{study.title} ({study.paper})", fontsize=11)
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    label = f"text-to-video {HEADLINE} (%)"
    if all(row.x is not None for row in study.rows):
        _draw_curves(study, axes)
        axes.set(xlabel=study.setting, ylabel=label)
    else:
        _draw_bars(study, axes)
        axes.set(xlabel=label)
    figure.savefig(path, dpi=120)


def _draw_curves(study: Study, axes: Any) -> None:
    series = list(dict.fromkeys(row.series for row in study.rows))
    for name in series:
        rows = [row for row in study.rows if row.series == name]
        axes.errorbar(
            [row.x for row in rows],
            [100 * row.mean(HEADLINE) for row in rows],
            [100 * row.spread(HEADLINE) for row in rows],
            marker="o",
            capsize=3,
            label=name,
        )
    if study.log_axis:
        axes.set_xscale("log")
    ticks = sorted({row.x for row in study.rows})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    if len(series) > 1:
        axes.legend(frameon=False)


def _draw_bars(study: Study, axes: Any) -> None:
    axes.barh(
        [f"{row.series}\n{row.label}" for row in study.rows],
        [100 * row.mean(HEADLINE) for row in study.rows],
        xerr=[100 * row.spread(HEADLINE) for row in study.rows],
        capsize=3,
    )
    axes.invert_yaxis()
