"""Joins a MIL-NCE training of several machines: `python -m components.trainer.worker JOB`.

TFX runs the Trainer on one machine. With `training.strategy=multi_worker` that machine writes what
it is to train to a file, leads the training, and says what to start on the others. Each of them
has a TF_CONFIG of its own, and sees the files under the same names.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from components.trainer.config import ModelConfig, TrainingConfig
from components.word_vectors import store
from models import files

JOB_NAME = "worker.json"
_SECONDS_BETWEEN_LOOKS = 0.5


@dataclasses.dataclass(frozen=True)
class Job:
    """A training, in what JSON can say.

    Attributes:
      train_files: patterns of TFRecord shards of clip records.
      eval_files: likewise, to validate on.
      model: the fields of `ModelConfig`.
      training: the fields of `TrainingConfig`.
      word_vectors_uri: folder of the word vectors.
      checkpoint_directory: folder of this training's checkpoints.
      log_directory: gets TensorBoard's files.
      model_directory: gets the SavedModel.
      init_from: folder of a pushed model to start from, or empty.
    """

    train_files: Sequence[str]
    eval_files: Sequence[str]
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    word_vectors_uri: str
    checkpoint_directory: str
    log_directory: str
    model_directory: str
    init_from: str = ""

    def run(self) -> None:
        """Trains, as `milnce_training.train` does, and raises what that raises."""
        # Here, so that a wrong call of the program is told at once.
        from components.trainer import milnce_training

        words, vectors = store.load(self.word_vectors_uri)
        milnce_training.train(
            self.train_files,
            self.eval_files,
            words=words,
            vectors=vectors,
            model_config=ModelConfig(**self.model),
            config=TrainingConfig(**self.training),
            checkpoint_directory=self.checkpoint_directory,
            log_directory=self.log_directory,
            model_directory=self.model_directory,
            init_from=self.init_from,
        )

    def run_with_others(self) -> None:
        """Writes the job to its checkpoints and runs it as the first worker of several.

        It runs in a process of its own, as TensorFlow has to know of the other workers before it
        does anything, and this one may have used it already.

        Raises:
          ValueError: TF_CONFIG says that this is not the first worker, or the training failed.
        """
        _check_is_first()
        path = os.path.join(self.checkpoint_directory, JOB_NAME)
        files.make_folder(self.checkpoint_directory)
        files.write_text(path, json.dumps(dataclasses.asdict(self), indent=2))
        print(
            f"Start on each of the other machines of TF_CONFIG, with its own index in it:\n"
            f"  python -m components.trainer.worker {path}",
            flush=True,
        )
        command = [sys.executable, "-m", "components.trainer.worker", path]
        status = subprocess.run(command, check=False).returncode
        if status:
            raise ValueError(
                f"the first worker of the training ended with status {status}; the lines above "
                f"say why: set that right on all machines and run again"
            )


def read_job(path: files.Path) -> Job:
    """Reads a job, once it is there.

    Args:
      path: the file that the first worker writes; it may be yet to come.

    Raises:
      ValueError: the file holds no job.
    """
    if not files.is_file(path):
        print(f"Waiting for the first worker to write {path}", flush=True)
    while not files.is_file(path):
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    try:
        return Job(**json.loads(files.read_text(path)))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is not the job of a training: {error}; give the {JOB_NAME} that the first "
            f"worker wrote, and run the same version of the program on all machines"
        ) from error


def _check_is_first() -> None:
    try:
        index = int(json.loads(os.environ["TF_CONFIG"])["task"]["index"])
    except (KeyError, ValueError, TypeError):
        return  # The strategy says what is wrong with it.
    if index:
        raise ValueError(
            f"the machine that runs the pipeline leads the training, but its TF_CONFIG has the "
            f"task index {index}; give it 0, and the others 1 and up"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program.

    Args:
      arguments: its command line, or None for the process's own.

    Returns:
      The exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m components.trainer.worker")
    parser.add_argument("job", help=f"the {JOB_NAME} in the checkpoints of the training")
    path = parser.parse_args(arguments).job
    try:
        job = read_job(path)
        if job.training.get("strategy") != "multi_worker":
            raise ValueError(f"{path} is of a training without training.strategy=multi_worker")
        job.run()
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    files.end_process(main())
