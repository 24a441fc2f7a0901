"""The HubPusher as TFX runs it: metadata, cache, and a run again after a failure."""

import logging
import os

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx

from components.hub_pusher import kaggle
from components.hub_pusher.component import HubPusher

_SECRET = "0123456789abcdef"
_HANDLE = "acme/howto/tensorFlow2/default"
_STATES = metadata_store_pb2.Execution


@pytest.fixture
def run(colour_world, tmp_path):
    """Returns a function that runs a pipeline of a model and its push, from the same folder."""
    colour_world.write_model(tmp_path / "model" / "Format-Serving")
    model = tfx.dsl.Importer(
        source_uri=str(tmp_path / "model"), artifact_type=tfx.types.standard_artifacts.Model
    ).with_id("model")
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
        str(tmp_path / "metadata.sqlite")
    )

    def run():
        pusher = HubPusher(
            model=model.outputs["result"],
            hub=str(tmp_path / "hub"),
            publisher="acme",
            model_name="howto",
            kaggle_handle=_HANDLE,
        )
        tfx.orchestration.LocalDagRunner().run(
            tfx.dsl.Pipeline(
                pipeline_name="push",
                pipeline_root=str(tmp_path / "root"),
                metadata_connection_config=connection,
                components=[model, pusher],
                enable_cache=True,
            )
        )

    return run


def _pushes(tmp_path):
    """Returns the states of the HubPusher's executions and the artifacts that it made."""
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
    store = metadata_store.MetadataStore(config)
    executions = [
        execution
        for execution in store.get_executions()
        if "HubPusher" in store.get_execution_types_by_id([execution.type_id])[0].name
    ]
    states = [execution.last_known_state for execution in executions]
    return states, store.get_artifacts_by_type("PushedModel")


def test_a_run_again_after_a_failed_upload_uploads_and_the_next_one_does_nothing(
    run, tmp_path, monkeypatch, caplog
):
    uploads = []

    def fail_once(folder, *_):
        uploads.append(folder)
        if len(uploads) == 1:
            raise RuntimeError("the upload failed")

    monkeypatch.setenv("KAGGLE_API_TOKEN", _SECRET)
    monkeypatch.setattr(kaggle, "check_access", lambda _: None)
    monkeypatch.setattr(kaggle, "upload", fail_once)
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(RuntimeError, match="the upload failed"):
            run()
        run()
        run()
    states, artifacts = _pushes(tmp_path)
    assert states == [_STATES.FAILED, _STATES.COMPLETE, _STATES.CACHED]
    version, archive = sorted(os.listdir(tmp_path / "hub" / "acme" / "howto"))
    assert archive == f"{version}.tar.gz"
    folder = f"{tmp_path}/hub/acme/howto/{version}"
    assert uploads == [folder, folder]
    pushed = [
        artifact.custom_properties["pushed_destination"].string_value
        for artifact in artifacts
        if artifact.custom_properties["pushed"].int_value
    ]
    assert pushed == [folder]
    assert _SECRET not in caplog.text
    assert _SECRET.encode() not in (tmp_path / "metadata.sqlite").read_bytes()
