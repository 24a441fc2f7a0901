"""The RetrievalEvaluator's executor."""

import json
import os
from collections.abc import Sequence
from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.model_blessing import mark_blessing
from components.retrieval_evaluator import blessing, evaluation, fine_tuning, report
from components.retrieval_evaluator.clips import ClipSource
from components.retrieval_evaluator.config import EvaluatorConfig
from components.retrieval_evaluator.feature_clips import FeatureClips
from components.retrieval_evaluator.frame_clips import FrameClips
from components.retrieval_evaluator.text_video_model import TextVideoModel
from schemas import records

MODEL_KEY = "model"
TARGET_ONLY_MODEL_KEY = "target_only_model"
CLIPS_KEY = "clips"
FEATURES_KEY = "features"
ANNOTATED_CLIPS_KEY = "annotated_clips"
ANNOTATED_FEATURES_KEY = "annotated_features"
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
          input_dict: `model`; `clips` or `features` or both; where given, `annotated_clips`,
            `annotated_features`, `model_run` and `target_only_model`.
          output_dict: `evaluation` and `blessing`.
          exec_properties: `config`, an EvaluatorConfig as JSON.

        Raises:
          ModelError: the new model does not load or fails.
          ValueError: there are fewer than two clips to score, or a file is damaged.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = EvaluatorConfig(**json.loads(exec_properties[CONFIG_KEY]))
        model_artifact = artifact_utils.get_single_instance(input_dict[MODEL_KEY])
        model = TextVideoModel(_serving_folder(model_artifact))
        narrated = _clip_source(input_dict, FEATURES_KEY, CLIPS_KEY, config)
        annotated = _clip_source(input_dict, ANNOTATED_FEATURES_KEY, ANNOTATED_CLIPS_KEY, config)
        eval_split = None
        if annotated:
            headline = evaluation.evaluate(model, annotated, _ANNOTATED, config.max_clips)
            try:
                eval_split = evaluation.evaluate(model, narrated, _EVAL_SPLIT, config.max_clips)
            except evaluation.TooFewClipsError:
                logging.warning("The eval split has fewer than 2 clips and is not scored.")
        else:
            headline = evaluation.evaluate(model, narrated, _EVAL_SPLIT, config.max_clips)

        baseline = None
        pushed = evaluation.newest_version(config.hub_directory)
        if pushed:
            baseline = evaluation.score_baseline(pushed, headline.source, config.max_clips)
            if baseline.error:
                logging.warning("The last pushed model could not be scored: %s", baseline.error)
        summary = headline.summary()
        decision = blessing.decide(summary["text_to_video"], summary["random"], baseline, config)
        compared = None
        if config.pretrained_model:
            target_only = input_dict.get(TARGET_ONLY_MODEL_KEY)
            compared = fine_tuning.compare(
                headline,
                config.pretrained_model,
                _serving_folder(target_only[0]) if target_only else None,
                config.max_clips,
            )
        document = evaluation.metrics_document(headline, eval_split, baseline, decision, compared)
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
        pictures = split_files(
            input_dict.get(ANNOTATED_CLIPS_KEY if annotated else CLIPS_KEY) or [],
            records.EVAL_SPLIT,
        )
        io_utils.write_string_file(
            os.path.join(folder, REPORT_FILE),
            report.render(document, headline, pictures, training_log),
        )
        mark_blessing(
            artifact_utils.get_single_instance(output_dict[BLESSING_KEY]),
            model_artifact,
            decision.blessed,
        )


def split_files(examples: list[types.Artifact], split: str) -> Sequence[str]:
    """Returns the TFRecord shards of a split, in order.

    Args:
      examples: `Examples` artifacts with clip or feature records; one without clips in the split
        has no such split.
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


def _clip_source(
    input_dict: dict[str, list[types.Artifact]],
    features_key: str,
    clips_key: str,
    config: EvaluatorConfig,
) -> ClipSource | None:
    """Returns the eval split of the features, without them of the clips, without both None."""
    if input_dict.get(features_key):
        return FeatureClips(split_files(input_dict[features_key], records.EVAL_SPLIT))
    if input_dict.get(clips_key):
        files = split_files(input_dict[clips_key], records.EVAL_SPLIT)
        return FrameClips.from_config(files, config)
    return None


def _serving_folder(model: types.Artifact) -> str:
    return path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
