"""The text of a model card."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2

_SECTIONS = {
    "ingest": "Clips",
    "words": "Words",
    "model": "Model",
    "training": "Training",
    "evaluation": "Evaluation",
}


def render(
    publisher: str,
    model_name: str,
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
    ledger: Mapping[str, Any] | None,
) -> str:
    """Returns a model card in Markdown.

    Args:
      publisher: who publishes the model.
      model_name: its name.
      settings: sections of settings, such as `{"training": {"steps": 1500}}`; paths among the
        values are shortened to file names, as a published card tells nothing of the machine.
      metrics: the content of metrics.json.
      ledger: the content of the ledger's summary.json, if there is one.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        # Markdown, not HTML: quoting would show. Table cells are quoted by `cell`.
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(cell=_cell, percent=lambda share: f"{100 * share:.1f} %", name=_name)
    return environment.get_template("model_card.md.j2").render(
        publisher=publisher,
        model_name=model_name,
        sections={title: settings[name] for name, title in _SECTIONS.items() if settings.get(name)},
        embedding_size=settings.get("model", {}).get("embedding_size", "D"),
        metrics=metrics,
        ledger=ledger,
    )


def _cell(value: Any) -> str:
    """Returns a setting as a cell of a Markdown table."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(item) for item in value) or "none"
    text = os.path.basename(value.rstrip("/")) if isinstance(value, str) else f"{value}"
    return " ".join(text.split()).replace("|", "\\|")


def _name(setting: str) -> str:
    """Returns the name of a setting in words."""
    return setting.replace("_", " ")
