"""The text of a model card."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2

from models.description import ModelDescription

_SECTIONS = {
    "ingest": "Clips",
    "features": "Features",
    "words": "Words",
    "model": "Model",
    "training": "Training",
    "evaluation": "Evaluation",
}

# What the loss of a gated model compares a pair with, see `GatedTrainingConfig.negatives`.
_NEGATIVES = {
    "sampled": "half of them from the same video",
    "reference": "weighted as in the reference code",
    "other_videos": "all of them from other videos",
}


def render(
    publisher: str,
    model_name: str,
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
    ledger: Mapping[str, Any] | None,
    description: ModelDescription | None = None,
) -> str:
    """Returns a model card in Markdown.

    Args:
      publisher: who publishes the model.
      model_name: its name.
      settings: sections of settings, such as `{"training": {"steps": 1500}}`; paths among the
        values are shortened to file names, as a published card tells nothing of the machine.
      metrics: the content of metrics.json.
      ledger: the content of the ledger's summary.json, if there is one.
      description: what the model says about itself; without it, it is a MIL-NCE model.
    """
    model = description.config if description else settings.get("model", {})
    streams = (description.features if description else None) or []
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        # Markdown, not HTML: quoting would show. Table cells are quoted by `cell`.
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        cell=_cell,
        base_name=os.path.basename,
        percent=lambda share: f"{100 * share:.1f} %",
        name=_name,
    )
    return environment.get_template("model_card.md.j2").render(
        publisher=publisher,
        model_name=model_name,
        sections={title: settings[name] for name, title in _SECTIONS.items() if settings.get(name)},
        kind=description.kind if description else "milnce",
        streams=streams,
        clip_size=sum(stream["size"] for stream in streams) or "D",
        negatives=_NEGATIVES.get(settings.get("training", {}).get("negatives")),
        annotated=bool(settings.get("ingest", {}).get("annotations")),
        embedding_size=model.get("embedding_size", "E"),
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
    text = _file_name(value) if isinstance(value, str) else f"{value}"
    return " ".join(text.split()).replace("|", "\\|")


def _file_name(path: str) -> str:
    """Returns the last part of a path; of a version of a pushed model also the model's name."""
    folder, name = os.path.split(path.rstrip("/"))
    return f"{os.path.basename(folder)}, version {name}" if folder and name.isdigit() else name


def _name(setting: str) -> str:
    """Returns the name of a setting in words."""
    return setting.replace("_", " ")
