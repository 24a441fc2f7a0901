"""A metadata store with runs written by hand."""

import json
import pathlib

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

_Execution = metadata_store_pb2.Execution
_Event = metadata_store_pb2.Event
_READ_AND_WRITE = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE


class History:
    """Writes runs into a store as TFX does."""

    def __init__(self, folder: pathlib.Path, database: pathlib.Path):
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(database)
        config.sqlite.connection_mode = _READ_AND_WRITE
        self.store = metadata_store.MetadataStore(config)
        self.folder = folder
        types = {
            name: metadata_store_pb2.ContextType(name=name) for name in ("pipeline_run", "node")
        }
        self._contexts = {n: self.store.put_context_type(kind) for n, kind in types.items()}

    def start_run(self, name: str, code_version: str | None = None) -> metadata_store_pb2.Context:
        """Adds a run; without a version it is as older code left it."""
        run = metadata_store_pb2.Context(type_id=self._contexts["pipeline_run"], name=name)
        if code_version is not None:
            run.custom_properties["code_version"].string_value = code_version
        (run.id,) = self.store.put_contexts([run])
        return run

    def artifact(self, type_name: str, name: str, **properties) -> metadata_store_pb2.Artifact:
        """Makes an artifact with a folder, which is not stored before an execution gives it out."""
        kind = metadata_store_pb2.ArtifactType(name=type_name)
        artifact = metadata_store_pb2.Artifact(
            type_id=self.store.put_artifact_type(kind), uri=str(self.folder / name)
        )
        for key, value in properties.items():
            field = "int_value" if isinstance(value, int) else "string_value"
            setattr(artifact.custom_properties[key], field, value)
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        return artifact

    def execute(self, run, node, inputs=(), outputs=(), state=_Execution.COMPLETE, **properties):
        """Adds an execution of a node, and gives its outputs their ids."""
        kind = metadata_store_pb2.ExecutionType(name=f"type.{node}")
        execution = _Execution(type_id=self.store.put_execution_type(kind), last_known_state=state)
        for key, value in properties.items():
            execution.custom_properties[key].string_value = (
                value if isinstance(value, str) else json.dumps(value)
            )
        context = self.store.get_context_by_type_and_name("node", f"howto100m.{node}")
        if context is None:
            context = metadata_store_pb2.Context(
                type_id=self._contexts["node"], name=f"howto100m.{node}"
            )
            (context.id,) = self.store.put_contexts([context])
        links = [(artifact, _Event(type=_Event.INPUT)) for artifact in inputs]
        links += [(artifact, _Event(type=_Event.OUTPUT)) for artifact in outputs]
        _, ids, _ = self.store.put_execution(execution, links, [run, context])
        for (artifact, _), artifact_id in zip(links, ids, strict=True):
            artifact.id = artifact_id


@pytest.fixture
def history(tmp_path) -> History:
    return History(tmp_path / "root", tmp_path / "metadata.sqlite")
