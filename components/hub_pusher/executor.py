"""The HubPusher's executor."""

import os
from typing import Any

from absl import logging
from tfx import types
from tfx.components.pusher import executor as pusher_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.hub_pusher import kaggle, push
from models import hub_folder

# The TFX Pusher's executor looks for the inputs by these names.
MODEL_KEY = "model"
MODEL_BLESSING_KEY = "model_blessing"
PUSHED_MODEL_KEY = "pushed_model"
HUB_KEY = "hub"
PUBLISHER_KEY = "publisher"
MODEL_NAME_KEY = "model_name"
KAGGLE_HANDLE_KEY = "kaggle_handle"


class Executor(pusher_executor.Executor):
    """Pushes a blessed model into a hub folder, and to Kaggle where asked."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model and says in `pushed_model` where it is, as the TFX Pusher does.

        Args:
          input_dict: `model` and, where given, `model_blessing`.
          output_dict: `pushed_model`.
          exec_properties: `hub`, `publisher`, `model_name`, and `kaggle_handle`, empty for no
            upload.

        Raises:
          ValueError: there is no SavedModel, or a name is not one that a hub, or Kaggle, can have.
          RuntimeError: the hub folder cannot be written to; the upload to Kaggle is not possible,
            or failed after the push, which a repeated execution then takes as it is.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict[PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        publisher, model_name = exec_properties[PUBLISHER_KEY], exec_properties[MODEL_NAME_KEY]
        hub_folder.check_names(publisher, model_name)
        handle = exec_properties[KAGGLE_HANDLE_KEY]
        if handle:
            kaggle.check_access(handle)
        model = self.GetModelPath(input_dict)
        folder = push.push(model, os.path.join(exec_properties[HUB_KEY], publisher, model_name))
        version = os.path.basename(folder)
        logging.info("Version %s is in %s.", version, folder)
        io_utils.copy_dir(model, pushed.uri)
        # The last step, as it would make a second version on Kaggle if it was repeated.
        if handle:
            with push.local_copy(folder) as local:
                kaggle.upload(local, handle, f"{publisher}/{model_name}, version {version}")
        self._MarkPushed(pushed, pushed_destination=folder, pushed_version=version)
