"""The BenchmarkEvaluator's executor."""

import os
from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components import beam_engine
from components.beam_metrics import MeteredPipelines
from components.benchmark_evaluator import evaluate
from components.benchmark_evaluator.config import GateConfig
from components.benchmark_evaluator.document import Result
from components.benchmark_evaluator.embedding.rows import NOT_FINITE
from components.model_blessing import is_blessed, mark_blessing

MODEL_KEY = "model"
PRIOR_BLESSING_KEY = "prior_blessing"
EVALUATION_KEY = "evaluation"
BLESSING_KEY = "blessing"
CONFIG_KEY = "config"

_STORE = "embeddings"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Scores a model on a benchmark, writes the result, and blesses the model or not."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates.

        Args:
          input_dict: `model`; where given, `prior_blessing`.
          output_dict: `evaluation` and `blessing`.
          exec_properties: `config`, a GateConfig as JSON.

        Raises:
          ManifestError: annotations, videos or features cannot be read.
          ModelError: the model does not load, lacks what the benchmark needs, or fails.
          ValueError: a setting does not fit, or too little can be scored.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = GateConfig.from_json(exec_properties[CONFIG_KEY])
        model = artifact_utils.get_single_instance(input_dict[MODEL_KEY])
        folder = artifact_utils.get_single_uri(output_dict[EVALUATION_KEY])
        request = evaluate.Request(
            benchmark=config.benchmark,
            model=path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model)),
            annotations=config.annotations,
            videos=config.videos,
            features=config.features,
            settings=evaluate.find_benchmark(config.benchmark).defaults.replaced(config.settings),
            feature_rates=config.feature_rates,
        )
        metered = MeteredPipelines(self._make_beam_pipeline)
        result = evaluate.evaluate(
            request,
            config.store or os.path.join(folder, _STORE),
            metered.make_pipeline,
            beam_engine.decoder_threads(self._beam_pipeline_args),
        )
        prior = input_dict.get(PRIOR_BLESSING_KEY)
        blessed, reason = decide(result, config, is_blessed(prior[0]) if prior else None)
        logging.info("%s", reason)
        result.content["gate"] = {
            "minimum": config.minimum,
            "require_complete": config.require_complete,
            "blessed": blessed,
            "reason": reason,
        }
        result.write(folder)
        metered.write(folder)
        mark_blessing(artifact_utils.get_single_instance(output_dict[BLESSING_KEY]), model, blessed)


def decide(result: Result, config: GateConfig, prior: bool | None) -> tuple[bool, str]:
    """Returns whether a model may be pushed, and why, as a sentence.

    Args:
      result: its result on the benchmark.
      config: the bar.
      prior: an earlier verdict on the model, or None where there is none.
    """
    content = result.content
    name, items = content["headline"], content["items"]
    value = content["metrics"][name]
    found = f"{name} of {value:.3f} on {content['title']}"
    if not_finite := items["failed_by_reason"].get(NOT_FINITE, 0):
        return False, (
            f"Not blessed: {not_finite} of the model's embeddings of {content['title']} are not "
            f"finite, so the model is broken."
        )
    if config.require_complete and items["scored"] < items["annotated"]:
        return False, (
            f"Not blessed: {items['scored']} of {items['annotated']} {items['unit']} of "
            f"{content['title']} were scored, and all are required."
        )
    # A figure that is no number does not reach it either.
    if not value >= config.minimum:
        return False, f"Not blessed: {found}; at least {config.minimum:.3f} is required."
    if prior is False:
        return False, f"Not blessed: {found} suffices, but the model was refused before."
    return True, f"Blessed: {found}; at least {config.minimum:.3f} is required."
