"""What the studies train and compare, with trials that only take notes."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from components.retrieval_evaluator.config import EvaluatorConfig
from components.trainer.config import GatedModelConfig, GatedTrainingConfig
from pipeline.studies import definitions
from pipeline.studies.feature_set import FeatureSet
from pipeline.studies.trials import count_pairs
from schemas import video_features


class _NotedTrials:
    """Trains nothing; a model's score is read off its training, so that directions are known."""

    def __init__(self):
        self.trained = []

    def train(self, data, training, init_from=""):
        self.trained.append((data.name, training, init_from))
        return pathlib.Path(f"model-{len(self.trained) - 1}")

    def score(self, model_folder, data):
        recall = 0.2
        if model_folder.name.startswith("model-"):
            _, training, init_from = self.trained[int(model_folder.name.split("-")[1])]
            recall = 0.3 * training.train_fraction + 0.4 * bool(init_from)
            recall += (training.max_search_rank or 0) / 1000
            recall += {"sampled": 0.1, "reference": 0.05}.get(training.negatives, 0.0)
        return {"R@1": recall, "R@5": recall, "R@10": recall, "median_rank": 5.0}


@pytest.fixture
def data(tmp_path) -> FeatureSet:
    """Six videos of three captions, of the search ranks 0 (unknown), 1, 2, 5, 5 and 200."""
    path = str(tmp_path / "features.tfrecord")
    stream = video_features.FeatureStream("2d", 1.0, np.ones([9, 2], np.float16))
    with tf.io.TFRecordWriter(path) as writer:
        for number, rank in enumerate((0, 1, 2, 5, 5, 200)):
            starts, ends = [0.0, 3.0, 6.0], [3.0, 6.0, 9.0]
            record = video_features.VideoFeatures(
                video_id=f"video-{number}",
                duration=9.0,
                streams=[stream],
                captions=["cut", "fold", "pour"],
                caption_starts=starts,
                caption_ends=ends,
                clip_starts=starts,
                clip_ends=ends,
                search_rank=rank,
            )
            writer.write(video_features.serialize_video_features(record))
    return FeatureSet(
        name="narrated",
        train_files=(path,),
        eval_files=(path,),
        words=("cut",),
        vectors=np.zeros([2, 3], np.float32),
        model=GatedModelConfig(embedding_size=8),
        training=GatedTrainingConfig(steps=5),
        evaluation=EvaluatorConfig(),
    )


def test_pairs_are_counted_as_the_training_takes_them(data):
    assert count_pairs(data, data.training) == (6, 18)
    ranked = dataclasses.replace(data.training, max_search_rank=5)
    assert count_pairs(data, ranked) == (4, 12)
    half = dataclasses.replace(data.training, train_fraction=0.5)
    videos, pairs = count_pairs(data, half)
    assert 0 < videos <= 6
    assert 0 < pairs < 18


def test_size_study_trains_once_for_each_threshold_and_seed(data):
    trials = _NotedTrials()
    study = definitions.training_size(data, trials, 2)
    settings = [(training.max_search_rank, training.seed) for _, training, _ in trials.trained]
    assert settings == [(rank, seed) for rank in definitions.SEARCH_RANKS for seed in (1, 2)]
    assert study.rows[0].label == "top 2 (2 videos)"
    assert [row.num_pairs for row in study.rows] == [6, 6, 12, 12, 12, 12, 12, 15]
    assert study.comparisons[0].verdict == "appears"


def test_size_study_without_search_ranks_says_what_is_missing(data):
    unranked = dataclasses.replace(data, train_files=())
    with pytest.raises(ValueError, match="narrated has no videos of different search ranks"):
        definitions.training_size(unranked, _NotedTrials(), 1)


def test_negatives_study_changes_nothing_but_the_negatives(data):
    trials = _NotedTrials()
    study = definitions.intra_video_negatives(data, trials, 1)
    assert [training.negatives for _, training, _ in trials.trained] == [
        "other_videos",
        "sampled",
        "reference",
    ]
    same = {dataclasses.replace(training, negatives="sampled") for _, training, _ in trials.trained}
    assert same == {dataclasses.replace(data.training, seed=1)}
    assert study.comparisons[0].difference == pytest.approx(0.1)


def test_fraction_study_compares_both_starts_on_the_same_shares(data):
    trials = _NotedTrials()
    study = definitions.annotated_fraction(data, pathlib.Path("pushed"), trials, 1, (0.5, 1.0))
    assert [(training.train_fraction, start) for _, training, start in trials.trained] == [
        (0.5, "pushed"),
        (1.0, "pushed"),
        (0.5, ""),
        (1.0, ""),
    ]
    assert [row.x for row in study.rows] == [0.0, 50.0, 100.0, 50.0, 100.0]
    assert [comparison.verdict for comparison in study.comparisons] == ["appears"] * 3


def test_pretraining_study_fine_tunes_each_pretrained_model(data):
    trials = _NotedTrials()
    target = dataclasses.replace(data, name="target")
    small = dataclasses.replace(data, name="small")
    study = definitions.pretraining_sets(target, [data, small], trials, 1)
    assert [(name, start) for name, _, start in trials.trained] == [
        ("target", ""),
        ("narrated", ""),
        ("target", "model-1"),
        ("small", ""),
        ("target", "model-3"),
    ]
    assert [row.series for row in study.rows] == [
        "no pre-training",
        "pre-training on narrated",
        "pre-training on small",
    ]
    assert study.comparisons[0].verdict == "appears"
    assert study.comparisons[1].verdict.startswith("is not told apart")
