"""What a run leaves for people, copied out of the TFX roots."""

import contextlib
import os
import pathlib
import shutil

from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from models import files
from pipeline import configs
from pipeline.observability import report_section, run_summary
from pipeline.observability.executions import connect

PIPELINE_NAME = "howto100m"


def latest_output(
    store: metadata_store.MetadataStore, node_id: str, output: str
) -> metadata_store_pb2.Artifact | None:
    """Returns the artifact that a node's last successful execution wrote or took from the cache.

    Args:
      store: the metadata store.
      node_id: such as "Trainer".
      output: the node's output key.
    """
    context = store.get_context_by_type_and_name("node", f"{PIPELINE_NAME}.{node_id}")
    if context is None:
        return None
    good = (metadata_store_pb2.Execution.COMPLETE, metadata_store_pb2.Execution.CACHED)
    executions = [
        execution
        for execution in store.get_executions_by_context(context.id)
        if execution.last_known_state in good
    ]
    if not executions:
        return None
    last = max(executions, key=lambda execution: execution.id)
    artifact_ids = [
        event.artifact_id
        for event in store.get_events_by_execution_ids([last.id])
        if event.type == metadata_store_pb2.Event.OUTPUT and event.path.steps[0].key == output
    ]
    return store.get_artifacts_by_id(artifact_ids)[0] if artifact_ids else None


def ledgers(config: configs.RunConfig) -> dict[str, str]:
    """Returns the nodes of a run that keep a ledger, and how their files' names begin.

    Args:
      config: the run.
    """
    nodes = {"NarratedVideoExampleGen": ""}
    if config.preset.features is not None:
        nodes["FeatureExtractor"] = "features_"
    if config.test_videos:
        nodes["AnnotatedVideoExampleGen"] = "test_"
        if config.preset.features is not None:
            nodes["AnnotatedFeatureExtractor"] = "test_features_"
    return nodes


def gather(config: configs.RunConfig) -> None:
    """Copies what people look at out of the last run into its output folder.

    That is ledgers, metrics, report, search index and the result of a benchmark that gates the
    push. The ledgers are those of the ingest and, on the HowTo100M road, of the features. The
    summary of the run goes beside them, and into the report.

    The index is copied only when a model was pushed: after a run whose model was not blessed,
    search goes on with the last blessed one.

    Args:
      config: the run.
    """
    output = pathlib.Path(config.output)
    store = connect(output / "metadata.sqlite")
    summary = run_summary.summarize(store)
    wanted = [
        ("RetrievalEvaluator", "evaluation", "metrics.json", "metrics.json"),
        ("RetrievalEvaluator", "evaluation", "report.html", "report.html"),
    ]
    if config.gate is not None:
        wanted += [
            ("BenchmarkEvaluator", "evaluation", name, f"benchmark_{name}")
            for name in ("result.json", "failures.jsonl")
        ]
    for node_id, prefix in ledgers(config).items():
        wanted += [
            (node_id, "ledger", name, prefix + name) for name in ("ledger.jsonl", "summary.json")
        ]
    for node_id, key, source, target in wanted:
        if artifact := latest_output(store, node_id, key):
            files.copy(os.path.join(artifact.uri, source), str(output / target))
    if summary is not None:
        run_summary.write(summary, output)
        report = output / "report.html"
        report.write_text(report_section.with_section(report.read_text(), summary))
    index = latest_output(store, "ClipIndexGen", "index")
    if index and files.is_file(os.path.join(index.uri, "embeddings.npy")):
        staging = output / "index.new"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        for name in files.names(index.uri):
            files.copy(os.path.join(index.uri, name), str(staging / name))
        shutil.rmtree(output / "index", ignore_errors=True)
        staging.rename(output / "index")


def summarize_failure(config: configs.RunConfig) -> None:
    """Writes the summary of a run that failed, as far as it can be had.

    Args:
      config: the run.
    """
    output = pathlib.Path(config.output)
    metadata = output / "metadata.sqlite"
    # The disk may be full, or the metadata may be what failed: the error itself matters more.
    with contextlib.suppress(Exception):
        if metadata.exists() and (summary := run_summary.summarize(connect(metadata))):
            run_summary.write(summary, output)
