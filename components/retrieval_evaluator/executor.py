"""The RetrievalEvaluator's executor."""

import json
import os
from collections.abc import Sequence
from typing import Any

from absl import logging
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.retrieval_evaluator import blessing, embedding, evaluation, report
from components.retrieval_evaluator.config import EvaluatorConfig
from schemas import records

MODEL_KEY = "model"
CLIPS_KEY = "clips"
ANNOTATED_CLIPS_KEY = "annotated_clips"
MODEL_RUN_KEY = "model_run"
EVALUATION_KEY = "evaluation"
BLESSING_KEY = "blessing"
CONFIG_KEY = "config"

METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"
TRAINING_LOG = "training.jsonl"

_ANNOTATED = "annotated clips"
_EVAL_SPLIT = "clips of the eval split"


class Executor(base_executor.BaseExecutor):
    """Scores a model, writes metrics.json and report.html, and blesses it or not."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates.

        Args:
          input_dict: `model`, `clips` and, where given, `annotated_clips` and `model_run`.
          output_dict: `evaluation` and `blessing`.
          exec_properties: `config`, an EvaluatorConfig as JSON.

        Raises:
          embedding.ModelError: the new model does not load or fails.
          ValueError: there are fewer than two clips to score, or a file is damaged.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = EvaluatorConfig(**json.loads(exec_properties[CONFIG_KEY]))
        model_artifact = artifact_utils.get_single_instance(input_dict[MODEL_KEY])
        model = embedding.TextVideoModel(
            path_utils.serving_model_path(
                model_artifact.uri, path_utils.is_old_model_artifact(model_artifact)
            )
        )
        eval_files = clip_files(input_dict[CLIPS_KEY], records.EVAL_SPLIT)
        eval_split = None
        if input_dict.get(ANNOTATED_CLIPS_KEY):
            annotated_files = clip_files(input_dict[ANNOTATED_CLIPS_KEY], records.EVAL_SPLIT)
            headline = evaluation.evaluate(model, annotated_files, _ANNOTATED, config)
            if sum(map(embedding.count_records, eval_files)) < 2:
                logging.warning("The eval split has fewer than 2 clips and is not scored.")
            else:
                eval_split = evaluation.evaluate(model, eval_files, _EVAL_SPLIT, config)
        else:
            headline = evaluation.evaluate(model, eval_files, _EVAL_SPLIT, config)

        baseline = None
        pushed = evaluation.newest_version(config.hub_directory)
        if pushed:
            baseline = evaluation.score_baseline(pushed, headline.files, config)
            if baseline.error:
                logging.warning("The last pushed model could not be scored: %s", baseline.error)
        summary = headline.summary()
        decision = blessing.decide(summary["text_to_video"], summary["random"], baseline, config)
        document = evaluation.metrics_document(headline, eval_split, baseline, decision, config)
        logging.info(
            "Scored %d of %d expected %s. %s",
            document["num_scored"],
            document["num_expected"],
            headline.clip_set,
            decision.reason,
        )

        folder = artifact_utils.get_single_uri(output_dict[EVALUATION_KEY])
        io_utils.write_string_file(
            os.path.join(folder, METRICS_FILE), json.dumps(document, indent=2, allow_nan=False)
        )
        training_log = ""
        if input_dict.get(MODEL_RUN_KEY):
            path = os.path.join(
                artifact_utils.get_single_uri(input_dict[MODEL_RUN_KEY]), TRAINING_LOG
            )
            if fileio.exists(path):
                training_log = io_utils.read_string_file(path)
        io_utils.write_string_file(
            os.path.join(folder, REPORT_FILE), report.render(document, headline, training_log)
        )
        _bless(
            artifact_utils.get_single_instance(output_dict[BLESSING_KEY]), model_artifact, decision
        )


def clip_files(examples: list[types.Artifact], split: str) -> Sequence[str]:
    """Returns the TFRecord shards of a split, in order.

    Args:
      examples: `Examples` artifacts with clip records; one without clips in the split has no such
        split.
      split: name of the split.
    """
    uris = [
        uri
        for artifact in examples
        if split in artifact_utils.decode_split_names(artifact.split_names)
        for uri in artifact_utils.get_split_uris([artifact], split)
    ]
    return [
        os.path.join(uri, name)
        for uri in uris
        for name in sorted(fileio.listdir(uri))
        if name.endswith(".tfrecord")
    ]


def _bless(artifact: types.Artifact, model: types.Artifact, decision: blessing.Decision) -> None:
    """Marks a `ModelBlessing` as the TFX Evaluator does, for the TFX Pusher."""
    artifact.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    artifact.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    artifact.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if decision.blessed else constants.NOT_BLESSED_VALUE,
    )
    name = constants.BLESSED_FILE_NAME if decision.blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(os.path.join(artifact.uri, name), "")
