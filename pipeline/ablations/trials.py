"""Trainings of MIL-NCE and their scores, each done once: an ablation goes on where it was."""

import dataclasses
import gc
import os
import pathlib
import shutil
import time
from collections.abc import Mapping
from typing import Any

import keras

from components.retrieval_evaluator.frame_clips import FrameClips, sampling
from components.trainer import milnce_training
from pipeline.ablations.data import ClipSet
from pipeline.configs import Preset
from pipeline.studies import scores


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A model's score.

    Attributes:
      metrics: text-to-video.
      seconds: of training and scoring; of an interrupted training the last part.
      cores: on which it took so long.
    """

    metrics: Mapping[str, float]
    seconds: float
    cores: int


class Trials:
    """Trains and scores models in a folder of its own, which keeps nothing but the scores.

    Attributes:
      cores: of the machine, for one training.
    """

    def __init__(self, folder: pathlib.Path, data: ClipSet, jobs: int = 1):
        """Prepares the folder.

        Args:
          folder: keeps the scores by all that decides them, and the checkpoints of a training
            until it is scored.
          data: what to train and to score on.
          jobs: how many trainings share the machine.
        """
        self.cores = max(1, (os.cpu_count() or 1) // jobs)
        self._folder = folder
        self._data = data
        self._scores = scores.KeptScores(folder / "scores")

    def find(self, preset: Preset) -> Measurement | None:
        """Returns the score of settings that were measured before, or None.

        Args:
          preset: the settings, the seed among them.
        """
        kept = self._scores.find(self._described(preset))
        return Measurement(**kept) if kept else None

    def measure(self, preset: Preset) -> Measurement:
        """Trains and scores a model, unless that was done before.

        Args:
          preset: the settings, the seed among them.

        Raises:
          ValueError: there is too little to train or to score on.
          FloatingPointError: the loss became NaN or infinite.
        """
        described = self._described(preset)
        work = self._folder / scores.short_name(described)
        measured = self._scores.get(described, lambda: self._measure(preset, work))
        shutil.rmtree(work, ignore_errors=True)
        return Measurement(**measured)

    def _described(self, preset: Preset) -> list[Any]:
        return [
            self._data.fingerprint,
            dataclasses.asdict(preset.model),
            dataclasses.asdict(preset.training),
            sampling(preset.evaluation),
        ]

    def _measure(self, preset: Preset, work: pathlib.Path) -> Mapping[str, Any]:
        started = time.monotonic()
        data = self._data
        milnce_training.train(
            list(data.train_files),
            list(data.validation_files),
            words=list(data.words),
            vectors=data.vectors,
            model_config=preset.model,
            config=preset.training,
            checkpoint_directory=work / "checkpoints",
            log_directory=work / "logs",
            model_directory=work / "model",
        )
        clips = FrameClips.from_config(data.test_files, preset.evaluation)
        metrics = scores.text_to_video(work / "model", clips, data.name)
        # Dozens of models follow one another in this process.
        keras.backend.clear_session()
        gc.collect()
        return {
            "metrics": metrics,
            "seconds": round(time.monotonic() - started, 1),
            "cores": self.cores,
        }
