"""The four studies: what each trains, and which direction of the paper it looks for."""

import dataclasses
import pathlib
import time
from collections.abc import Mapping, Sequence

from components.trainer.config import GatedTrainingConfig
from pipeline.studies.feature_set import FeatureSet
from pipeline.studies.study import Comparison, Row, Study
from pipeline.studies.trials import Trials, count_pairs

SEARCH_RANKS = (2, 3, 5, 10, 20, 40, 80, 200)
FRACTIONS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)

_FINE_TUNED = "pre-trained and fine-tuned"
_TARGET_ONLY = "trained on the target only"
_PRETRAINED = "pre-trained only"


def training_size(
    data: FeatureSet, trials: Trials, num_seeds: int, ranks: Sequence[int] = SEARCH_RANKS
) -> Study:
    """Trains on the videos up to each search rank, for the same number of steps.

    Figure 3 of the paper: more videos, though each further one is less relevant to its task, make a
    better model.

    Args:
      data: narrated videos with search ranks.
      trials: trains and scores.
      num_seeds: trainings for each threshold.
      ranks: the thresholds.

    Raises:
      ValueError: no video has a search rank.
    """
    started = time.monotonic()
    rows = []
    for rank in ranks:
        training = dataclasses.replace(data.training, max_search_rank=rank)
        videos, pairs = count_pairs(data, training)
        if videos < 2:
            continue
        rows.append(
            Row(
                "HowTo100M road",
                f"top {rank} ({videos:,} videos)",
                pairs,
                _over_seeds(trials, data, training, num_seeds),
                x=float(rank),
            )
        )
    if len(rows) < 2:
        raise ValueError(
            f"{data.name} has no videos of different search ranks: a column search_rank in the "
            f"manifest or in metadata.csv gives them"
        )
    return Study(
        name="size",
        title="Size of the training set",
        paper="figure 3 of the paper",
        setting="highest search rank",
        protocol=_protocol(
            data, "A video is trained on if its search rank is at most the threshold."
        ),
        rows=rows,
        comparisons=[Comparison("More videos make a better model", rows[-1], rows[0])],
        seconds=time.monotonic() - started,
        log_axis=True,
    )


def intra_video_negatives(data: FeatureSet, trials: Trials, num_seeds: int) -> Study:
    """Trains with and without negatives from the same video.

    Table 3 of the paper: half of the negatives from the same video beat negatives from other
    videos alone on three of four sets.

    Args:
      data: narrated videos.
      trials: trains and scores.
      num_seeds: trainings for each choice.
    """
    started = time.monotonic()
    labels = {
        "other_videos": "no intra-video negatives",
        "sampled": "half intra-video negatives",
        "reference": "reference code's weighting",
    }
    rows = {}
    for negatives, label in labels.items():
        training = dataclasses.replace(data.training, negatives=negatives)
        _, pairs = count_pairs(data, training)
        measured = _over_seeds(trials, data, training, num_seeds)
        rows[negatives] = Row("negatives", label, pairs, measured)
    return Study(
        name="negatives",
        title="Negatives from the same video",
        paper="table 3 of the paper",
        setting="negatives",
        protocol=_protocol(data, "Each choice has the same number of negatives, but for the last."),
        rows=list(rows.values()),
        comparisons=[
            Comparison("Negatives from the same video help", rows["sampled"], rows["other_videos"])
        ],
        seconds=time.monotonic() - started,
    )


def pretraining_sets(
    target: FeatureSet, sources: Sequence[FeatureSet], trials: Trials, num_seeds: int
) -> Study:
    """Pre-trains on each set and fine-tunes on the target.

    Figure 5 of the paper: pre-training on the large narrated set is best on every target.

    Args:
      target: the annotated set to fine-tune and to score on.
      sources: the sets to pre-train on, the narrated one first.
      trials: trains and scores.
      num_seeds: trainings for each set.
    """
    started = time.monotonic()
    _, pairs = count_pairs(target, target.training)
    scratch = Row(
        "no pre-training",
        f"fine-tuned on {target.name}",
        pairs,
        _over_seeds(trials, target, target.training, num_seeds),
    )
    rows = [scratch]
    for source in sources:
        _, source_pairs = count_pairs(source, source.training)
        measured = []
        for seed in range(1, num_seeds + 1):
            pretrained = trials.train(source, dataclasses.replace(source.training, seed=seed))
            training = dataclasses.replace(target.training, seed=seed)
            tuned = trials.train(target, training, init_from=str(pretrained))
            measured.append(trials.score(tuned, target))
        rows.append(
            Row(
                f"pre-training on {source.name}",
                f"fine-tuned on {target.name}",
                source_pairs + pairs,
                measured,
            )
        )
    comparisons = [Comparison("Pre-training on narrated videos helps", rows[1], scratch)]
    comparisons += [
        Comparison("The large narrated set is the better one to pre-train on", rows[1], row)
        for row in rows[2:]
    ]
    return Study(
        name="pretraining",
        title=f"Pre-training sets, scored on {target.name}",
        paper="figure 5 of the paper",
        setting="then",
        protocol=_protocol(target, "Every set is trained on with the settings of its own run."),
        rows=rows,
        comparisons=comparisons,
        seconds=time.monotonic() - started,
    )


def annotated_fraction(
    target: FeatureSet,
    pretrained: pathlib.Path,
    trials: Trials,
    num_seeds: int,
    fractions: Sequence[float] = FRACTIONS,
) -> Study:
    """Fine-tunes a pushed model, and trains from nothing, on shares of the annotations.

    Figure 4 of the paper: a pre-trained model needs a fraction of the annotations.

    Args:
      target: the annotated set.
      pretrained: folder of the pushed model.
      trials: trains and scores.
      num_seeds: trainings for each share and start.
      fractions: the shares of the target's captions.
    """
    started = time.monotonic()
    rows = [Row(_PRETRAINED, "0 %", 0, [trials.score(pretrained, target)], x=0.0)]
    by_start: dict[str, list[Row]] = {_FINE_TUNED: [], _TARGET_ONLY: []}
    for series, init_from in ((_FINE_TUNED, str(pretrained)), (_TARGET_ONLY, "")):
        for fraction in fractions:
            training = dataclasses.replace(target.training, train_fraction=fraction)
            _, pairs = count_pairs(target, training)
            measured = _over_seeds(trials, target, training, num_seeds, init_from)
            row = Row(series, f"{100 * fraction:g} %", pairs, measured, x=100 * fraction)
            by_start[series].append(row)
    rows += by_start[_FINE_TUNED] + by_start[_TARGET_ONLY]
    return Study(
        name="fraction",
        title=f"Share of the annotations of {target.name}",
        paper="figure 4 of the paper",
        setting="share of the annotations (%)",
        protocol=_protocol(target, "Smaller shares are parts of larger ones."),
        rows=rows,
        comparisons=[
            Comparison(
                "Fine-tuning beats training on the target only",
                by_start[_FINE_TUNED][-1],
                by_start[_TARGET_ONLY][-1],
            ),
            Comparison(
                "A fine-tuned model needs a fraction of the annotations",
                by_start[_FINE_TUNED][len(fractions) // 2 - 1],
                by_start[_TARGET_ONLY][-1],
            ),
            Comparison("Fine-tuning helps", by_start[_FINE_TUNED][-1], rows[0]),
        ],
        seconds=time.monotonic() - started,
    )


def _over_seeds(
    trials: Trials,
    data: FeatureSet,
    training: GatedTrainingConfig,
    num_seeds: int,
    init_from: str = "",
) -> list[Mapping[str, float]]:
    return [
        trials.score(trials.train(data, dataclasses.replace(training, seed=seed), init_from), data)
        for seed in range(1, num_seeds + 1)
    ]


def _protocol(data: FeatureSet, what: str) -> str:
    """Returns how a study was done, in sentences."""
    training = data.training
    return (
        f"{what} Each training takes {training.steps:,} steps of at most "
        f"{training.videos_per_batch} videos x {training.pairs_per_video} pairs at a learning rate "
        f"of {training.learning_rate:g}; d = {data.model.embedding_size}. Scored on the clips of "
        f"{data.name} that are kept out of training, by the protocol of its metrics.json."
    )
