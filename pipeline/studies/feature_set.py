"""The features, words and settings of a run of a gated preset, as the studies use them."""

import dataclasses
import pathlib

import numpy as np

from components.retrieval_evaluator.config import EvaluatorConfig
from components.trainer.config import GatedModelConfig, GatedTrainingConfig
from components.word_vectors import store
from pipeline import configs, results
from schemas import records


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """What was extracted by a run, to train on and to score on.

    Attributes:
      name: of the run's folder.
      train_files: TFRecord shards of feature records to train on.
      eval_files: those to score on: the annotated ones of the run, or else its eval split.
      words: the vocabulary of its train split.
      vectors: float32 [V + 1, D], row 0 the padding.
      model: the run's model settings.
      training: the run's training settings.
      evaluation: the run's evaluation settings.
    """

    name: str
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    words: tuple[str, ...]
    vectors: np.ndarray
    model: GatedModelConfig
    training: GatedTrainingConfig
    evaluation: EvaluatorConfig


def load_feature_set(run: pathlib.Path) -> FeatureSet:
    """Returns the features of a finished run.

    Args:
      run: the run's output folder.

    Raises:
      ValueError: the folder holds no finished run of a gated preset, or no clips to score on.
    """
    config = configs.load_run(run / "run.json")
    if config.preset.features is None:
        raise ValueError(
            f"{run} is a run of a {config.preset.kind} preset; studies need a gated one"
        )
    database = run / "metadata.sqlite"
    if not database.exists():
        raise ValueError(f"{run} holds no finished run; `howto100m run` makes one")
    store_ = results.connect(database)
    features = results.latest_output(store_, "FeatureExtractor", "features")
    annotated = results.latest_output(store_, "AnnotatedFeatureExtractor", "features")
    words_artifact = results.latest_output(store_, "WordVectorsGen", "word_vectors")
    if features is None or words_artifact is None:
        raise ValueError(f"{run} holds no features; its run has not come that far")
    eval_files = _shards((annotated or features).uri, records.EVAL_SPLIT)
    if not eval_files:
        raise ValueError(f"{run} has no clips to score on, neither annotated nor in an eval split")
    words, vectors = store.load(pathlib.Path(words_artifact.uri))
    return FeatureSet(
        name=run.resolve().name,
        train_files=_shards(features.uri, records.TRAIN_SPLIT),
        eval_files=eval_files,
        words=tuple(words),
        vectors=vectors,
        model=config.preset.model,
        training=config.preset.training,
        evaluation=config.preset.evaluation,
    )


def _shards(uri: str, split: str) -> tuple[str, ...]:
    return tuple(sorted(map(str, pathlib.Path(uri, f"Split-{split}").glob("*.tfrecord"))))
