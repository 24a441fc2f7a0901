"""Which trainings an ablation does, and what its tables say, with trials that only take notes."""

import pytest
import tensorflow as tf

from pipeline import configs
from pipeline.ablations import data, tables
from pipeline.ablations.ablation import Ablation
from pipeline.ablations.trials import Measurement

_PRESET = configs.PRESETS["sample-ablation"]
_RECALLS = {"binary": 0.1, "max_margin": 0.2, "nce": 0.3, "mil_nce": 0.4}


class _NotedTrials:
    """Trains nothing; a score is read off the settings, so that directions are known."""

    def __init__(self, kept=()):
        self.trained = []
        self._kept = set(kept)

    def find(self, preset):
        return self._score(preset) if preset in self._kept else None

    def measure(self, preset):
        assert preset not in self._kept
        self.trained.append(preset)
        return self._score(preset)

    def _score(self, preset):
        training = preset.training
        recall = _RECALLS.get(training.loss, 0.35) + 0.01 * training.seed
        recall += {5: 0.05, 33: -0.3}.get(training.num_candidates, 0.0)
        metrics = {"R@1": recall / 4, "R@5": recall / 2, "R@10": recall, "median_rank": 5.0}
        return Measurement(metrics, 60.0, 2)


@pytest.fixture
def clips(tmp_path) -> data.ClipSet:
    """Three clips to train and to score on, of which only the number counts."""
    path = str(tmp_path / "clips.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        for _ in range(3):
            writer.write(b"clip")
    files = (path,)
    return data.ClipSet("annotated test clips", "f", files, (), files, ("cut",), None)


def _ablate(letters, trials, clips, num_seeds=2, preset=_PRESET):
    said = []
    made = [tables.make_table(letter, preset) for letter in letters]
    planned = Ablation(made, preset, trials, num_seeds, said.append)
    return list(planned.run(clips, "howto100m run")), said


def test_cells_that_tables_share_are_trained_once(clips):
    trials = _NotedTrials()
    studies, _ = _ablate("abcdef", trials, clips, num_seeds=3)
    assert [study.name for study in studies] == [f"table_2{letter}" for letter in "abcdef"]
    assert len(trials.trained) == len(set(trials.trained)) == 20 * 3
    assert [preset.training.seed for preset in trials.trained] == [1, 2, 3] * 20
    # K = 3 of table c is the row of the paper's own in d, e and f.
    rows = [studies[2].rows[1], studies[3].rows[3], studies[4].rows[2], studies[5].rows[4]]
    assert [row.mean("R@10") for row in rows] == pytest.approx([0.42] * 4)
    # A table's time is that of all of its trainings, whoever did them.
    assert [study.seconds for study in studies] == [n * 180 for n in (3, 4, 7, 4, 3, 5)]


def test_progress_tells_how_far_it_is(clips):
    _, said = _ablate("a", _NotedTrials(), clips)
    assert said == [
        "cell 1 of 6: table 2a, binary classification, seed 1",
        "cell 2 of 6: table 2a, binary classification, seed 2, about 5 min left",
        "cell 3 of 6: table 2a, max-margin, seed 1, about 4 min left",
        "cell 4 of 6: table 2a, max-margin, seed 2, about 3 min left",
        "cell 5 of 6: table 2a, NCE, seed 1, about 2 min left",
        "cell 6 of 6: table 2a, NCE, seed 2, about 1 min left",
    ]


def test_interrupted_ablation_trains_only_what_is_missing(clips):
    first = _NotedTrials()
    whole, _ = _ablate("a", first, clips)
    second = _NotedTrials(kept=first.trained[:4])
    again, said = _ablate("a", second, clips)
    assert second.trained == first.trained[4:]
    assert said[0] == "cell 5 of 6: table 2a, NCE, seed 1, about 2 min left"
    assert again == whole


def test_3_and_5_candidates_are_each_compared(clips):
    (study,), _ = _ablate("c", _NotedTrials(), clips)
    compared = {(x.higher.label, x.lower.label): x for x in study.comparisons}
    assert set(compared) == {
        (higher, lower) for higher in ("3", "5") for lower in ("1", "1, max-margin", "33")
    }
    # 0.45 against 0.3 and 0.2, the same seeds in each.
    assert compared["5", "1"].difference == pytest.approx(0.15)
    assert compared["5", "1, max-margin"].difference == pytest.approx(0.25)
    assert compared["5", "33"].difference == pytest.approx(0.35)
    assert compared["5", "1"].verdict == "appears"


def test_table_says_how_it_was_made_and_how_to_train_a_cell(clips, tmp_path):
    (study,), _ = _ablate("b", _NotedTrials(), clips)
    study.write(tmp_path)
    text = (tmp_path / "table_2b.md").read_text()
    assert "A batch of 48 clips has 94 negatives for each" in text
    assert "Trained on 3 clips, scored on 3 annotated test clips." in text
    assert "sum over the table's 8 trainings" in text
    assert "; 480 s on 2 cores." in text
    assert (
        "| NCE, 1 candidate | 8 | 7.9 ± 0.2 % | 15.8 ± 0.4 % | 31.5 ± 0.7 % | 5.0 ± 0.0 | "
        "`training.num_candidates=1` `training.loss=nce` `training.num_negatives=8` |" in text
    )
    assert text.endswith("    howto100m run\n")
    assert (tmp_path / "table_2b.png").stat().st_size > 5_000


def test_less_than_one_seed_is_refused(clips):
    with pytest.raises(ValueError, match="there are 0 seeds; give at least 1"):
        _ablate("a", _NotedTrials(), clips, num_seeds=0)
