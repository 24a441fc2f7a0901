import pytest

from components.trainer import config


def test_the_defaults_are_sound():
    assert config.GatedTrainingConfig().max_search_rank is None
    assert config.TrainingConfig().train_fraction == 1.0


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("steps", 0, "training.steps is 0; it must be at least 1"),
        ("videos_per_batch", 1, "the loss needs a second video for negatives"),
        ("pairs_per_video", 0, "it must be at least 1"),
        ("negatives", "hard", "one of sampled, reference, other_videos"),
        ("growing_order", "random", "one of time, reference"),
        ("hard_negative_rate", 1.5, r"must lie in \[0, 1\]"),
        ("min_seconds", -1.0, "training.min_seconds is -1.0; it must be at least 0"),
        ("margin", float("nan"), "training.margin is nan"),
        ("decay", 0.0, r"must lie in \(0, 1\]"),
        ("train_fraction", 0.0, r"training.train_fraction is 0.0; it must lie in \(0, 1\]"),
        ("max_search_rank", 0, "training.max_search_rank is 0; it must be at least 1"),
    ],
)
def test_bad_settings_of_the_gated_training_are_refused(setting, value, message):
    with pytest.raises(ValueError, match=message):
        config.GatedTrainingConfig(**{setting: value})


def test_bad_settings_of_the_milnce_training_are_refused():
    with pytest.raises(ValueError, match="train_fraction is 2; it must lie in"):
        config.TrainingConfig(train_fraction=2)
    with pytest.raises(ValueError, match="batch_size is 0; it must be at least 1"):
        config.TrainingConfig(batch_size=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 1}, "batch_size is 1; the loss needs a second clip for negatives"),
        ({"loss": "triplet"}, "training.loss is 'triplet'; it must be one of mil_nce, max_nce"),
        ({"loss": "nce"}, "loss=nce takes one candidate, but training.num_candidates is 5"),
        ({"negatives": "both"}, "one of symmetric, captions, videos"),
        ({"positives": "twice", "negatives": "captions"}, "positives=twice is the reference's"),
        ({"num_negatives": 63}, "num_negatives is 63; symmetric negatives need an even number"),
        (
            {"num_negatives": 96, "batch_size": 48, "num_candidates": 1, "loss": "nce"},
            "num_negatives is 96, but a batch of 48 clips has 94",
        ),
        ({"strategy": "four"}, "one of one_device, mirrored, multi_worker, tpu"),
        ({"micro_batch_size": 0}, "micro_batch_size is 0; it must be at least 1"),
        ({"margin": -0.1}, "training.margin is -0.1; it must be at least 0"),
    ],
)
def test_milnce_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        config.TrainingConfig(**settings)


def test_the_number_of_negatives_counts_all_candidates_and_the_chosen_sides():
    config.TrainingConfig(batch_size=3, num_candidates=5, num_negatives=20)
    config.TrainingConfig(batch_size=3, num_candidates=5, num_negatives=9, negatives="videos")
    with pytest.raises(ValueError, match="a batch of 3 clips has 4"):
        # The joined narration is one candidate.
        config.TrainingConfig(
            batch_size=3, num_candidates=5, num_negatives=6, loss="concatenation_nce"
        )


def test_towers_are_checked():
    with pytest.raises(ValueError, match=r"backbone is 'r3d'; it must be one of s3d, i3d"):
        config.ModelConfig(backbone="r3d")
    with pytest.raises(ValueError, match="text_model is 'bert'"):
        config.ModelConfig(text_model="bert")
