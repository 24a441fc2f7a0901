"""Trains a classifier from a pushed video tower, and exports it."""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence

import keras
import numpy as np

from components.benchmark_evaluator.embedding.model_fingerprint import model_fingerprint
from components.benchmark_evaluator.fine_tuning.config import FineTuningConfig
from components.benchmark_evaluator.fine_tuning.labelled_clips import LabelledClips
from components.files_fingerprint import files_fingerprint
from components.trainer import starting_point
from components.trainer.config import ModelConfig, TrainingConfig
from components.trainer.milnce_training import build_model
from models import video_classifier
from models.description import has_description, read_description
from models.training import Checkpoints


def train_classifier(
    model_folder: str,
    videos: Sequence[tuple[str, int]],
    num_classes: int,
    config: FineTuningConfig,
    *,
    num_frames: int,
    frame_rate: float | None,
    image_size: int,
    work: str,
    workers: int = 0,
    say: Callable[[str], None] = print,
) -> str:
    """Trains and exports a classifier, unless that was done before.

    A training that is cut off goes on from the end of its last pass.

    Args:
      model_folder: a pushed MIL-NCE model, or an imported one, with its description.
      videos: file and class of each training video.
      num_classes: number of classes.
      config: how.
      num_frames: frames of a clip.
      frame_rate: frames a second; None takes the files' own.
      image_size: height and width of the crops, in pixels.
      work: folder that keeps checkpoints and classifiers, by all that decides them.
      workers: threads that decode; 0 for one for each core, as nothing else decodes meanwhile.
      say: gets a line after each pass.

    Returns:
      The folder of the classifier's SavedModel, with the signature `video`.

    Raises:
      ValueError: the model has no video tower to train, or there is nothing to learn from.
    """
    if len({label for _, label in videos}) < 2:
        raise ValueError("a classifier needs training videos of at least two classes")
    window = {"num_frames": num_frames, "frame_rate": frame_rate, "image_size": image_size}
    described = [
        model_fingerprint(model_folder),
        videos,
        files_fingerprint(path for path, _ in videos),
        num_classes,
        dataclasses.asdict(config),
        window,
    ]
    key = hashlib.sha256(json.dumps(described).encode()).hexdigest()[:32]
    folder = pathlib.Path(work) / key
    exported = folder / "classifier"
    if exported.exists():
        return str(exported)
    keras.utils.set_random_seed(config.seed)
    classifier = video_classifier.VideoClassifier(_tower(model_folder), num_classes, config.dropout)
    classifier.tower.trainable = not config.freeze_tower
    classifier.tower.head.trainable = False  # It leads to the joint space, which is not used.
    clips = LabelledClips(videos, **window, batch_size=config.batch_size, seed=config.seed)
    classifier.compile(
        optimizer=keras.optimizers.SGD(
            keras.optimizers.schedules.CosineDecay(
                config.learning_rate, config.epochs * len(clips)
            ),
            momentum=0.9,
            weight_decay=config.weight_decay,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    classifier.build()
    checkpoints = Checkpoints(classifier, folder / "checkpoints")
    for number in range(checkpoints.restore(), config.epochs):
        losses = [
            float(classifier.train_on_batch(frames, labels))
            for frames, labels in clips.batches(number, workers or os.cpu_count() or 1)
        ]
        checkpoints.on_epoch_end(number)
        say(f"pass {number + 1} of {config.epochs}: loss {np.mean(losses):.3f}")
    staging = f"{exported}.new"
    shutil.rmtree(staging, ignore_errors=True)
    video_classifier.export_classifier(classifier, staging)
    os.rename(staging, exported)
    return str(exported)


def _tower(folder: str) -> keras.Model:
    """Returns the video tower of a pushed model, with its weights."""
    if not has_description(folder):
        raise ValueError(
            f"{folder} does not describe the model in it, so nothing can be trained on; bring a "
            f"public module in by `howto100m import-hub` or `import-milnce`"
        )
    described = read_description(folder)
    if described.kind != "milnce":
        raise ValueError(f"{folder} is a {described.kind} model and has no video tower to train")
    start = starting_point.find(ModelConfig(), (), np.zeros([1, 1], np.float32), folder)
    model = build_model(start.config, TrainingConfig(), start.word_vectors())
    start.restore(model)
    return model.video_tower
