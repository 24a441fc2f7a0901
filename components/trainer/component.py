"""The TFX Trainer with one more input: the frozen word vectors."""

import dataclasses

from tfx import types
from tfx.components.trainer import component as tfx_trainer
from tfx.dsl.components.base import executor_spec
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.utils import json_utils

from components import artifacts
from components.trainer import config as config_lib
from components.trainer import executor, run
from models import hub_folder

WORD_VECTORS_KEY = executor.WORD_VECTORS_KEY


class TextVideoTrainerSpec(standard_component_specs.TrainerSpec):
    """The Trainer's specification, with word vectors."""

    INPUTS = {  # noqa: RUF012 - TFX declares its channels in a plain dict.
        **standard_component_specs.TrainerSpec.INPUTS,
        WORD_VECTORS_KEY: types.component_spec.ChannelParameter(type=artifacts.WordVectors),
    }


class TextVideoTrainer(tfx_trainer.Trainer):
    """Trains a joint text-video embedding, on clip records or on feature records.

    It is `tfx.components.Trainer` in all but its inputs: the Trainer has no channel through which
    frozen word vectors could reach `run_fn`, so this one adds it, and the executor hands the
    folder on as `custom_config["word_vectors_uri"]`.

    Outputs `model`, a SavedModel for `hub.load`, and `model_run`, the training log.
    """

    SPEC_CLASS = TextVideoTrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        clips: types.BaseChannel,
        word_vectors: types.BaseChannel,
        model: config_lib.ModelConfig | config_lib.GatedModelConfig,
        training: config_lib.TrainingConfig | config_lib.GatedTrainingConfig,
        checkpoint_directory: str,
        run_fn: str = "components.trainer.milnce.run_fn",
        init_from: str = "",
    ):
        """Construct a TextVideoTrainer.

        Args:
          clips: Channel of type `Examples` with the records that `run_fn` trains on, in the splits
            `train` and, if there is one, `eval`: clip records for the MIL-NCE road, feature records
            for the HowTo100M road.
          word_vectors: Channel of type `WordVectors`.
          model: the joint model, of the kind that `run_fn` trains.
          training: the training run, likewise.
          checkpoint_directory: where checkpoints outlive the execution, so that a run that was
            killed goes on from the last one. Runs with other settings or other data do not mix.
          run_fn: import path of the function that trains: `components.trainer.milnce.run_fn` or
            `components.trainer.gated.run_fn`.
          init_from: folder of a pushed model of the same kind, or of its versions, to start from;
            its settings, words and word vectors replace `model` and `word_vectors`. Empty starts
            with new weights.

        Raises:
          ValueError: there is no pushed model in `init_from`.
        """
        if init_from:
            init_from = hub_folder.version_folder(init_from)
        spec = TextVideoTrainerSpec(
            examples=clips,
            word_vectors=word_vectors,
            train_args=trainer_pb2.TrainArgs(num_steps=training.steps),
            eval_args=trainer_pb2.EvalArgs(num_steps=training.validation_batches),
            run_fn=run_fn,
            custom_config=json_utils.dumps(
                {
                    "model": dataclasses.asdict(model),
                    "training": dataclasses.asdict(training),
                    "checkpoint_directory": checkpoint_directory,
                    "init_from": init_from,
                    # Another model in the same folder is no cache hit.
                    "init_from_fingerprint": run.model_fingerprint(init_from),
                }
            ),
            model=types.Channel(type=standard_artifacts.Model),
            model_run=types.Channel(type=standard_artifacts.ModelRun),
        )
        # Past the Trainer's own constructor, which would make a specification without word vectors.
        super(tfx_trainer.Trainer, self).__init__(spec=spec)
