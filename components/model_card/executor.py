"""The ModelCardGen's executor."""

import json
import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.model_card import card
from models import description, hub_folder

TRAINED_MODEL_KEY = "trained_model"  # TFX allows no input by the name of an output.
MODEL_KEY = "model"
EVALUATION_KEY = "evaluation"
LEDGER_KEY = "ledger"
PUBLISHER_KEY = "publisher"
MODEL_NAME_KEY = "model_name"
SETTINGS_KEY = "settings"

_METRICS_FILE = "metrics.json"
_SUMMARY_FILE = "summary.json"


class Executor(base_executor.BaseExecutor):
    """Copies a model and lays a card beside its SavedModel."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the copy with the card.

        Args:
          input_dict: `trained_model`, `evaluation` and, where given, `ledger`.
          output_dict: `model`.
          exec_properties: `publisher`, `model_name`, and `settings` as JSON.

        Raises:
          ValueError: the model's description is damaged.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        source = artifact_utils.get_single_instance(input_dict[TRAINED_MODEL_KEY])
        target = artifact_utils.get_single_instance(output_dict[MODEL_KEY])
        io_utils.copy_dir(source.uri, target.uri)
        serving = path_utils.serving_model_path(
            target.uri, path_utils.is_old_model_artifact(source)
        )
        text = card.render(
            exec_properties[PUBLISHER_KEY],
            exec_properties[MODEL_NAME_KEY],
            json.loads(exec_properties[SETTINGS_KEY]),
            _read_json(input_dict[EVALUATION_KEY], _METRICS_FILE),
            _read_json(input_dict[LEDGER_KEY], _SUMMARY_FILE)
            if input_dict.get(LEDGER_KEY)
            else None,
            description.read_description(serving) if description.has_description(serving) else None,
        )
        io_utils.write_string_file(os.path.join(serving, hub_folder.CARD_FILE), text)


def _read_json(artifacts: list[types.Artifact], name: str) -> Any:
    path = os.path.join(artifact_utils.get_single_uri(artifacts), name)
    return json.loads(io_utils.read_string_file(path))
