"""The Trainer's executor, which tells `run_fn` where the word vectors are."""

from typing import Any

from tfx import types
from tfx.components.trainer import executor, fn_args_utils
from tfx.types import artifact_utils

WORD_VECTORS_KEY = "word_vectors"


class Executor(executor.GenericExecutor):
    """TFX's generic Trainer executor; adds `word_vectors_uri` to the custom config."""

    def _GetFnArgs(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> fn_args_utils.FnArgs:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        fn_args.custom_config["word_vectors_uri"] = artifact_utils.get_single_uri(
            input_dict[WORD_VECTORS_KEY]
        )
        return fn_args
