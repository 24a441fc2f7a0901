"""The Trainer's executor, which tells `run_fn` where the word vectors are."""

from typing import Any

from tfx import types
from tfx.components.trainer import executor, fn_args_utils
from tfx.proto import trainer_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from schemas import records

WORD_VECTORS_KEY = "word_vectors"


class Executor(executor.GenericExecutor):
    """TFX's generic Trainer executor; adds `word_vectors_uri` to the custom config."""

    def _GetFnArgs(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> fn_args_utils.FnArgs:
        clips = artifact_utils.get_single_instance(
            input_dict[standard_component_specs.EXAMPLES_KEY]
        )
        splits = artifact_utils.decode_split_names(clips.split_names)
        if records.TRAIN_SPLIT not in splits:
            raise ValueError("no video is left in the train split; the ledger says why")
        has_eval = records.EVAL_SPLIT in splits
        if not has_eval:
            # TFX insists on files; without an eval split there is no validation while training.
            eval_args = trainer_pb2.EvalArgs(splits=[records.TRAIN_SPLIT])
            exec_properties = {
                **exec_properties,
                standard_component_specs.EVAL_ARGS_KEY: proto_utils.proto_to_json(eval_args),
            }
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        if not has_eval:
            fn_args.eval_files = []
        fn_args.custom_config["word_vectors_uri"] = artifact_utils.get_single_uri(
            input_dict[WORD_VECTORS_KEY]
        )
        return fn_args
