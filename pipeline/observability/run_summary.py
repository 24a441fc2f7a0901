"""The summary of a run: what each node did, how long it took and what it counted."""

import datetime
import json
import pathlib
from typing import Any

from ml_metadata.metadata_store import metadata_store

from models import files
from pipeline.observability import executions, figures
from pipeline.observability.executions import NodeExecution

SUMMARY_FILE = "run_summary.json"

# What a node works through, and what its speed is called.
_SPEEDS = {
    "videos_read": "videos_a_second",
    "clips_kept": "clips_a_second",
    "clips_scored": "clips_a_second",
    "clips_indexed": "clips_a_second",
    "items_scored": "items_a_second",
}


def summarize(store: metadata_store.MetadataStore) -> dict[str, Any] | None:
    """Returns the summary of the run that was started last, or None where there is none.

    A cached node is shown with the run, the time and the figures of the execution that made its
    outputs.

    Args:
      store: the metadata store.

    Returns:
      `{"run_id", "code_version", "started", "seconds", "nodes": [...]}`; each node is `{"node",
      "state", "run_id", "code_version", "started", "seconds", "figures"}`, see
      `executions.NodeExecution` and `figures.figures_of`.
    """
    run = executions.latest_run(store)
    found = executions.executions_of(store, run) if run else []
    if not found:
        return None
    first, last = found[0], found[-1]
    ended = last.started + datetime.timedelta(seconds=last.seconds or 0.0)
    return {
        "run_id": first.run_id,
        "code_version": first.code_version,
        "started": _written(first.started),
        "seconds": (ended - first.started).total_seconds(),
        "nodes": [_node(store, execution) for execution in found],
    }


def _node(store: metadata_store.MetadataStore, execution: NodeExecution) -> dict[str, Any]:
    outputs = executions.outputs_of(store, execution.execution_id)
    made_by = execution
    if execution.state == executions.CACHED:
        made_by = executions.maker_of(store, outputs) or execution
    found: dict[str, Any] = {}
    for artifact in outputs:
        found |= figures.figures_of(artifact)
    return {
        "node": execution.node,
        "state": execution.state,
        "run_id": made_by.run_id,
        "code_version": made_by.code_version,
        "started": _written(made_by.started),
        "seconds": made_by.seconds,
        "figures": found | speeds(found, made_by.seconds),
    }


def speeds(found: dict[str, Any], seconds: float | None) -> dict[str, float]:
    """Returns how much of what was counted was done in a second.

    Args:
      found: the figures of a node.
      seconds: how long it took, or None.
    """
    if not seconds:
        return {}
    return {
        speed: round(found[name] / seconds, 2) for name, speed in _SPEEDS.items() if name in found
    }


def _written(time: datetime.datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def write(summary: dict[str, Any], folder: pathlib.Path) -> None:
    """Writes a summary to `run_summary.json`, whole or not at all.

    Args:
      summary: see `summarize`.
      folder: the output folder of the run.
    """
    files.write_text(folder / SUMMARY_FILE, json.dumps(summary, indent=2) + "\n")
