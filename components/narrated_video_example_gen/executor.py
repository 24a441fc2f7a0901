"""The executor of NarratedVideoExampleGen."""

from typing import Any

from absl import logging
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components import beam_engine
from components.beam_metrics import MeteredPipelines
from components.narrated_video_example_gen import ingest, ledger
from components.narrated_video_example_gen.config import IngestConfig

VIDEOS_KEY = "videos"
CONFIG_KEY = "ingest_config"
EXAMPLES_KEY = "examples"
CLIPS_KEY = "clips"
LEDGER_KEY = "ledger"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads narrated videos on Beam and writes clips, caption records and the ledger."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the ingest.

        Args:
          input_dict: empty.
          output_dict: one artifact each for `examples`, `clips` and `ledger`.
          exec_properties: `videos`, a folder, a manifest CSV or empty, and `ingest_config`, JSON.

        Raises:
          ManifestError: the videos or the annotations cannot be listed.
          IngestError: too many videos failed or no clip is left. As TFX deletes the outputs of a
            failed execution, the ledger is then in its stateful working folder; the message names
            it.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = IngestConfig.from_json(exec_properties[CONFIG_KEY])
        examples = artifact_utils.get_single_instance(output_dict[EXAMPLES_KEY])
        clips = artifact_utils.get_single_instance(output_dict[CLIPS_KEY])
        entries = artifact_utils.get_single_instance(output_dict[LEDGER_KEY])
        context = self._context
        metered = MeteredPipelines(self._make_beam_pipeline)
        outcome = ingest.ingest(
            videos=exec_properties[VIDEOS_KEY],
            config=config,
            folders=ingest.Folders(examples.uri, clips.uri, entries.uri),
            make_pipeline=metered.make_pipeline,
            threads=beam_engine.decoder_threads(self._beam_pipeline_args),
            failure_folder=(context.stateful_working_dir or "") if context else "",
        )
        metered.write(entries.uri)
        for artifact, payload in (
            (examples, example_gen_pb2.FORMAT_TF_EXAMPLE),
            (clips, example_gen_pb2.FORMAT_TF_SEQUENCE_EXAMPLE),
        ):
            artifact.split_names = artifact_utils.encode_split_names(list(outcome.splits))
            examples_utils.set_payload_format(artifact, payload)
        for line in ledger.format_summary(outcome.summary).splitlines():
            logging.info("%s", line)
        if missing := ledger.format_missing(outcome.summary):
            logging.warning("%s", missing)
