"""The executions of a run, as ML Metadata tells of them."""

import dataclasses
import datetime
import pathlib
from collections.abc import Sequence

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from pipeline.observability.code_version import UNKNOWN

RUN_CONTEXT = "pipeline_run"
# A property of the context of a run.
CODE_VERSION = "code_version"
EXECUTED, CACHED, FAILED, INTERRUPTED = "executed", "cached", "failed", "interrupted"

_NODE_CONTEXT = "node"
_Execution = metadata_store_pb2.Execution
_OUTPUT = metadata_store_pb2.Event.OUTPUT
_STATES = {
    _Execution.COMPLETE: EXECUTED,
    _Execution.CACHED: CACHED,
    _Execution.FAILED: FAILED,
}


@dataclasses.dataclass(frozen=True)
class NodeExecution:
    """One execution of a node.

    Attributes:
      execution_id: its id in the metadata store.
      node: such as "TextVideoTrainer".
      state: "executed"; "cached" where an earlier one gave the outputs; "failed"; or "interrupted",
        which is also the state of one that has not ended yet.
      run_id: the run that it belongs to.
      code_version: the version of the code of that run.
      started: in UTC.
      seconds: how long it took; None where it has not ended.
    """

    execution_id: int
    node: str
    state: str
    run_id: str
    code_version: str
    started: datetime.datetime
    seconds: float | None


def connect(metadata_path: pathlib.Path) -> metadata_store.MetadataStore:
    """Returns the metadata store of a run.

    Args:
      metadata_path: its SQLite file.
    """
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(metadata_path)
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    return metadata_store.MetadataStore(config)


def latest_run(store: metadata_store.MetadataStore) -> metadata_store_pb2.Context | None:
    """Returns the run that was started last, or None where there is none.

    Args:
      store: the metadata store.
    """
    runs = store.get_contexts_by_type(RUN_CONTEXT)
    return max(runs, key=lambda run: run.id, default=None)


def executions_of(
    store: metadata_store.MetadataStore, run: metadata_store_pb2.Context
) -> list[NodeExecution]:
    """Returns the executions of a run, in their order.

    Args:
      store: the metadata store.
      run: see `latest_run`.
    """
    found = store.get_executions_by_context(run.id)
    return [describe(store, one) for one in sorted(found, key=lambda execution: execution.id)]


def describe(
    store: metadata_store.MetadataStore, execution: metadata_store_pb2.Execution
) -> NodeExecution:
    """Returns what the metadata say of an execution.

    Args:
      store: the metadata store.
      execution: the execution.
    """
    node = run_id = ""
    version = UNKNOWN
    for context in store.get_contexts_by_execution(execution.id):
        if context.type == _NODE_CONTEXT:
            node = context.name.partition(".")[2]
        elif context.type == RUN_CONTEXT:
            run_id = context.name
            version = context.custom_properties[CODE_VERSION].string_value or UNKNOWN
    state = _STATES.get(execution.last_known_state, INTERRUPTED)
    started, ended = execution.create_time_since_epoch, execution.last_update_time_since_epoch
    return NodeExecution(
        execution_id=execution.id,
        node=node,
        state=state,
        run_id=run_id,
        code_version=version,
        started=datetime.datetime.fromtimestamp(started / 1000, datetime.timezone.utc),
        seconds=None if state == INTERRUPTED else (ended - started) / 1000,
    )


def outputs_of(
    store: metadata_store.MetadataStore, execution_id: int
) -> list[metadata_store_pb2.Artifact]:
    """Returns the artifacts that an execution made, or took from the cache.

    Args:
      store: the metadata store.
      execution_id: the execution.
    """
    events = store.get_events_by_execution_ids([execution_id])
    ids = [event.artifact_id for event in events if event.type == _OUTPUT]
    return store.get_artifacts_by_id(ids) if ids else []


def type_name(artifact: metadata_store_pb2.Artifact) -> str:
    """Returns the name of an artifact's class, such as "Ledger".

    The types of this project have the path that imports them before it.

    Args:
      artifact: the artifact.
    """
    return artifact.type.rpartition(".")[2]


def maker_of(
    store: metadata_store.MetadataStore, artifacts: Sequence[metadata_store_pb2.Artifact]
) -> NodeExecution | None:
    """Returns the execution that made artifacts, however often they came from the cache since.

    Args:
      store: the metadata store.
      artifacts: the outputs of one execution.
    """
    if not artifacts:
        return None
    events = store.get_events_by_artifact_ids([artifact.id for artifact in artifacts])
    ids = {event.execution_id for event in events if event.type == _OUTPUT}
    made = [
        execution
        for execution in store.get_executions_by_id(ids)
        if execution.last_known_state == _Execution.COMPLETE
    ]
    first = min(made, key=lambda execution: execution.id, default=None)
    return None if first is None else describe(store, first)
