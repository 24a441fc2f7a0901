"""Where a pushed model came from: the executions, settings, code and videos behind it.

The events of ML Metadata lead from the push up to the ingest; those of a run that took results from
the cache lead on to the runs that made them.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from components.narrated_video_example_gen.ledger import (
    KEPT_FILE,
    LEDGER_FILE,
    Entry,
    KeptVideo,
)
from pipeline.observability import executions
from pipeline.observability.executions import NodeExecution

METADATA_FILE = "metadata.sqlite"

_EVENT = metadata_store_pb2.Event
_COMPLETE = metadata_store_pb2.Execution.COMPLETE
_LEDGER = "Ledger"
# A push as the TFX Pusher records it.
_PUSHED = "PushedModel"
_DESTINATION = "pushed_destination"


@dataclasses.dataclass(frozen=True)
class Step:
    """One execution upstream of a push.

    Attributes:
      execution: the execution.
      settings: its execution properties; what is JSON in them is parsed.
    """

    execution: NodeExecution
    settings: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class VideoSet:
    """The videos that one ingest gave to the model or to its evaluation.

    Attributes:
      node: the ingest.
      kept_file: its list of videos, empty where an older version of the code wrote none.
      unused: videos of the list that a later feature extraction could not use.
    """

    node: str
    kept_file: str
    unused: frozenset[str]

    def videos(self) -> Iterator[KeptVideo]:
        """Yields the videos one by one, as there may be a million."""
        if self.kept_file:
            with pathlib.Path(self.kept_file).open() as lines:
                for line in lines:
                    video = KeptVideo.from_json(line)
                    if video.video_id not in self.unused:
                        yield video


@dataclasses.dataclass(frozen=True)
class Lineage:
    """All that is behind a pushed model.

    Attributes:
      pushed_to: the folder of the version.
      steps: the executions upstream of the push, and last the push, in their order.
      video_sets: the videos.
    """

    pushed_to: str
    steps: Sequence[Step]
    video_sets: Sequence[VideoSet]

    @property
    def push(self) -> NodeExecution:
        """The execution that pushed the model."""
        return self.steps[-1].execution


def find_metadata(model: pathlib.Path) -> pathlib.Path:
    """Returns the metadata of the run in whose output folder a pushed model lies.

    Args:
      model: a version of a pushed model.

    Raises:
      ValueError: there are none above it.
    """
    for folder in model.resolve().parents:
        if (folder / METADATA_FILE).is_file():
            return folder / METADATA_FILE
    raise ValueError(
        f"no folder above {model} holds a {METADATA_FILE}; name the output folder of the run that "
        f"pushed it with --run"
    )


def trace(store: metadata_store.MetadataStore, model: pathlib.Path) -> Lineage:
    """Returns the lineage of a pushed model.

    Args:
      store: the metadata store of its run.
      model: the folder of the version.

    Raises:
      ValueError: the metadata know of no such push.
    """
    pushed = _find_push(store, model)
    events = _events_upstream(store, pushed.id)
    reached = store.get_executions_by_id({event.execution_id for event in events})
    found = [one for one in reached if one.last_known_state == _COMPLETE]
    steps = [
        Step(executions.describe(store, execution), _settings(execution))
        for execution in sorted(found, key=lambda execution: execution.id)
    ]
    return Lineage(
        pushed_to=str(_destination(pushed)),
        steps=steps,
        video_sets=_video_sets(store, events, [step.execution for step in steps]),
    )


def _events_upstream(
    store: metadata_store.MetadataStore, artifact_id: int
) -> list[metadata_store_pb2.Event]:
    """Returns how an artifact, and all that it was made from, came out of executions and into them.

    `get_lineage_subgraph` would tell it too, but not in ML Metadata 1.21, which has lost ZetaSQL.
    """
    events: list[metadata_store_pb2.Event] = []
    executions_seen: set[int] = set()
    artifacts_seen: set[int] = set()
    unexplained = {artifact_id}
    while unexplained:
        artifacts_seen |= unexplained
        made = [
            event
            for event in store.get_events_by_artifact_ids(unexplained)
            if event.type == _EVENT.OUTPUT
        ]
        makers = {event.execution_id for event in made} - executions_seen
        executions_seen |= makers
        taken = [
            event
            for event in store.get_events_by_execution_ids(makers)
            if event.type == _EVENT.INPUT
        ]
        unexplained = {event.artifact_id for event in taken} - artifacts_seen
        events += made + taken
    return events


def _find_push(
    store: metadata_store.MetadataStore, model: pathlib.Path
) -> metadata_store_pb2.Artifact:
    """Returns the newest push to a folder; of one that was moved, by the last three names."""
    pushes = store.get_artifacts_by_type(_PUSHED)
    wanted = model.resolve().parts
    for length in (len(wanted), 3):
        matching = [
            artifact
            for artifact in pushes
            if _destination(artifact).parts[-length:] == wanted[-length:]
        ]
        if matching:
            return max(matching, key=lambda artifact: artifact.id)
    raise ValueError(
        f"the metadata know of no push to {model}; name the output folder of its run with --run"
    )


def _destination(pushed: metadata_store_pb2.Artifact) -> pathlib.Path:
    return pathlib.Path(pushed.custom_properties[_DESTINATION].string_value)


def _settings(execution: metadata_store_pb2.Execution) -> dict[str, Any]:
    return {
        name: _parsed(value)
        for name, value in sorted(execution.custom_properties.items())
        if not name.startswith("__")
    }


def _parsed(value: metadata_store_pb2.Value) -> Any:
    content = getattr(value, value.WhichOneof("value"))
    if not isinstance(content, str):
        return content
    try:
        parsed = json.loads(content)
    except json.JSONDecodeError:
        return content
    # Of texts such as a publisher's name only what is written as JSON is taken for it.
    return parsed if isinstance(parsed, dict | list) else content


def _video_sets(
    store: metadata_store.MetadataStore,
    events: Sequence[metadata_store_pb2.Event],
    found: Sequence[NodeExecution],
) -> list[VideoSet]:
    """Returns what the ingests kept, without what the feature extractions after them left out."""
    # An artifact is also an output of those executions that took it from the cache.
    makers = {execution.execution_id for execution in found}
    made_by = {
        event.artifact_id: event.execution_id
        for event in events
        if event.type == _EVENT.OUTPUT and event.execution_id in makers
    }
    inputs: dict[int, list[int]] = {}
    for event in events:
        if event.type == _EVENT.INPUT:
            inputs.setdefault(event.execution_id, []).append(event.artifact_id)
    ledgers = {}
    for execution in found:
        for artifact in executions.outputs_of(store, execution.execution_id):
            if executions.type_name(artifact) == _LEDGER:
                ledgers[execution.execution_id] = pathlib.Path(artifact.uri)
    unused: dict[int, set[str]] = {}
    for execution_id, folder in ledgers.items():
        # An extraction reads the captions that an ingest made; an ingest reads none.
        for source in {made_by.get(artifact) for artifact in inputs.get(execution_id, [])}:
            unused.setdefault(source, set()).update(_left_out(folder / LEDGER_FILE))
    sets = []
    for execution in found:
        folder = ledgers.get(execution.execution_id)
        if folder is None or inputs.get(execution.execution_id):
            continue
        kept = folder / KEPT_FILE
        sets.append(
            VideoSet(
                node=execution.node,
                kept_file=str(kept) if kept.exists() else "",
                unused=frozenset(unused.get(execution.execution_id, ())),
            )
        )
    return sets


def _left_out(ledger: pathlib.Path) -> Iterator[str]:
    with ledger.open() as lines:
        for line in lines:
            entry = Entry.from_json(line)
            if entry.clip_index is None:
                yield entry.video_id
