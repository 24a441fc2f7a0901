"""The executor of FeatureExtractor."""

import os
from typing import Any

from absl import logging
from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components import beam_engine
from components.beam_metrics import MeteredPipelines
from components.feature_extractor import extraction
from components.feature_extractor.config import FeaturesConfig
from components.narrated_video_example_gen import ledger

EXAMPLES_KEY = "examples"
VIDEOS_KEY = "videos"
CONFIG_KEY = "features_config"
FEATURES_KEY = "features"
LEDGER_KEY = "ledger"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Computes or gathers features on Beam and writes feature records and the ledger."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the extraction.

        Args:
          input_dict: `examples`, caption records.
          output_dict: one artifact each for `features` and `ledger`.
          exec_properties: `videos`, a folder, a manifest CSV or empty, and `features_config`, JSON.

        Raises:
          ManifestError: the videos cannot be listed.
          ValueError: there are no features or weights to be had, or a network does not load.
          ExtractionError: too many videos failed or none is left. As TFX deletes the outputs of a
            failed execution, the ledger is then in its stateful working folder; the message names
            it.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        features = artifact_utils.get_single_instance(output_dict[FEATURES_KEY])
        entries = artifact_utils.get_single_instance(output_dict[LEDGER_KEY])
        context = self._context
        metered = MeteredPipelines(self._make_beam_pipeline)
        outcome = extraction.extract(
            caption_files=_caption_files(input_dict[EXAMPLES_KEY]),
            videos=exec_properties[VIDEOS_KEY],
            config=FeaturesConfig.from_json(exec_properties[CONFIG_KEY]),
            folders=extraction.Folders(features.uri, entries.uri),
            make_pipeline=metered.make_pipeline,
            threads=beam_engine.decoder_threads(self._beam_pipeline_args),
            failure_folder=(context.stateful_working_dir or "") if context else "",
        )
        metered.write(entries.uri)
        features.split_names = artifact_utils.encode_split_names(list(outcome.splits))
        examples_utils.set_payload_format(features, example_gen_pb2.FORMAT_TF_EXAMPLE)
        for line in ledger.format_summary(outcome.summary).splitlines():
            logging.info("%s", line)
        if missing := ledger.format_missing(outcome.summary):
            logging.warning("%s", missing)


def _caption_files(examples: list[types.Artifact]) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for artifact in examples:
        for split in artifact_utils.decode_split_names(artifact.split_names):
            (folder,) = artifact_utils.get_split_uris([artifact], split)
            names = fileio.listdir(folder)
            files.setdefault(split, []).extend(os.path.join(folder, name) for name in names)
    return files
