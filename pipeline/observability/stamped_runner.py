"""LocalDagRunner, with the version of the code in the metadata of each run."""

from typing import Any

from tfx import v1 as tfx
from tfx.proto.orchestration import pipeline_pb2

from pipeline.observability.executions import CODE_VERSION, RUN_CONTEXT


class StampedRunner(tfx.orchestration.LocalDagRunner):
    """Gives the MLMD context of a run the property `code_version`.

    It is no property of an execution, so that new code alone is no miss of the cache.
    """

    def __init__(self, code_version: str):
        """Remembers the version.

        Args:
          code_version: see `code_version.code_version`.
        """
        super().__init__()
        self._code_version = code_version

    def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, *args: Any, **kwargs: Any) -> None:
        """Runs a compiled pipeline.

        Args:
          pipeline: the pipeline; it is changed.
          *args: as LocalDagRunner takes them.
          **kwargs: likewise.
        """
        for node in pipeline.nodes:
            for context in node.pipeline_node.contexts.contexts:
                if context.type.name == RUN_CONTEXT:
                    value = context.properties[CODE_VERSION].field_value
                    value.string_value = self._code_version
        super().run_with_ir(pipeline, *args, **kwargs)
