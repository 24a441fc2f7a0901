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
