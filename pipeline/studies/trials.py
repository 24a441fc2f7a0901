"""Trainings and their scores, each done once: an interrupted study goes on where it was."""

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np

from components.retrieval_evaluator.feature_clips import FeatureClips
from components.trainer import gated_training
from components.trainer.config import GatedTrainingConfig
from models import annotation_fraction
from pipeline.studies import scores
from pipeline.studies.feature_set import FeatureSet
from schemas import video_features


class Trials:
    """Trains and scores models in a folder of its own."""

    def __init__(self, folder: pathlib.Path):
        """Prepares the folder.

        Args:
          folder: keeps the models and their scores, by all that decides them.
        """
        self._folder = folder
        self._scores = scores.KeptScores(folder / "scores")

    def train(
        self, data: FeatureSet, training: GatedTrainingConfig, init_from: str = ""
    ) -> pathlib.Path:
        """Trains a model, unless that was done before.

        Args:
          data: what to train on.
          training: the settings, the seed among them.
          init_from: folder of an exported model to start from, or empty.

        Returns:
          The folder of the exported model.

        Raises:
          ValueError: there is too little to train on.
        """
        described = [data.train_files, dataclasses.asdict(data.model), dataclasses.asdict(training)]
        name = scores.short_name([described, init_from])
        model_folder = self._folder / name / "model"
        if (model_folder / "saved_model.pb").exists():
            return model_folder
        videos, _ = count_pairs(data, training)
        gated_training.train(
            list(data.train_files),
            [],
            words=list(data.words),
            vectors=data.vectors,
            model_config=data.model,
            # A set of fewer videos than a batch is trained on whole at every step.
            config=dataclasses.replace(
                training, videos_per_batch=max(2, min(training.videos_per_batch, videos))
            ),
            checkpoint_directory=self._folder / name / "checkpoints",
            log_directory=self._folder / name / "logs",
            model_directory=model_folder,
            init_from=init_from,
        )
        return model_folder

    def score(self, model_folder: pathlib.Path, data: FeatureSet) -> Mapping[str, float]:
        """Scores a model, unless that was done before.

        Args:
          model_folder: the exported model.
          data: whose eval files to score on.

        Returns:
          The text-to-video metrics.
        """
        return self._scores.get(
            [str(model_folder), data.eval_files],
            lambda: scores.text_to_video(model_folder, FeatureClips(data.eval_files), data.name),
        )


def count_pairs(data: FeatureSet, training: GatedTrainingConfig) -> tuple[int, int]:
    """Returns how many videos and how many caption-clip pairs a training would see.

    Args:
      data: what to train on.
      training: the settings, of which `max_search_rank` and `train_fraction` count.
    """
    videos = pairs = 0
    for record in video_features.read_video_features(data.train_files):
        limit = training.max_search_rank
        if limit is not None and not 1 <= record.search_rank <= limit:
            continue
        kept = int(
            annotation_fraction.is_kept(
                record.video_id, np.array(record.caption_starts), training.train_fraction
            )
            .numpy()
            .sum()
        )
        pairs += kept
        videos += kept > 0
    return videos, pairs
