import math

import pytest

from components.benchmark_evaluator.benchmarks import BENCHMARKS
from components.benchmark_evaluator.protocol_names import protocol_name
from components.benchmark_evaluator.protocols.windows import regular_windows
from components.benchmark_evaluator.settings import (
    FineTuningProtocol,
    LocalizationProtocol,
    ProbeProtocol,
    RankingProtocol,
    SegmentationProtocol,
)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        (LocalizationProtocol, "row_seconds"),
        (ProbeProtocol, "regularization"),
        (SegmentationProtocol, "clip_seconds"),
        (SegmentationProtocol, "label_rate"),
        (SegmentationProtocol, "learning_rate"),
        (SegmentationProtocol, "weight_decay"),
        (RankingProtocol, "regularization"),
        (FineTuningProtocol, "learning_rate"),
        (FineTuningProtocol, "weight_decay"),
        (FineTuningProtocol, "dropout"),
    ],
)
def test_a_setting_that_is_no_finite_number_is_refused(protocol, name, value):
    with pytest.raises(ValueError, match=rf"{name} is -?(nan|inf); it must be a finite number"):
        protocol(**{name: value})


def test_a_negative_setting_is_refused():
    with pytest.raises(ValueError, match="row_seconds is -1; it must be at least 0"):
        LocalizationProtocol(row_seconds=-1.0)
    with pytest.raises(ValueError, match="weight_decay is -1; it must be at least 0"):
        SegmentationProtocol(weight_decay=-1.0)


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=BENCHMARKS)
def test_each_default_fits_towers_that_take_frames_in_pairs(benchmark):
    assert benchmark.defaults.frames.num_frames % 2 == 0


def test_coins_windows_have_the_centres_of_its_clips():
    settings = BENCHMARKS["coin"].defaults
    seconds = settings.frames.num_frames / settings.frames.frame_rate
    starts = regular_windows(60.0, settings.protocol.clip_seconds, seconds)
    # The first and the last window cannot reach over the ends of the video.
    assert starts[1:-1] + seconds / 2 == pytest.approx([1.5 * n + 0.75 for n in range(1, 39)])


def test_a_fine_tuned_model_is_tested_at_the_scale_of_its_training():
    frames = BENCHMARKS["kinetics700"].defaults.frames
    assert (frames.short_side, frames.image_size) == (256, 224)


@pytest.mark.parametrize(
    ("benchmark", "frames", "short_side"),
    [
        ("kinetics700", {}, 256),
        ("kinetics700", {"image_size": 112}, 128),
        ("hmdb51_fine_tuning", {"image_size": 200}, 229),
        ("hmdb51_fine_tuning", {"image_size": 112, "short_side": 0}, 0),
        ("hmdb51_fine_tuning", {"image_size": 112, "short_side": 160}, 160),
        ("hmdb51", {"image_size": 112}, 0),
        ("coin", {"image_size": 112, "short_side": 256}, 256),
    ],
)
def test_another_square_of_a_fine_tuning_is_cut_at_the_same_scale(benchmark, frames, short_side):
    asked = BENCHMARKS[benchmark].defaults.replaced({"frames": frames})
    fitted = BENCHMARKS[benchmark].fitted(asked)
    assert fitted == asked.replaced({"frames": {"short_side": short_side}})


@pytest.mark.parametrize(
    ("benchmark", "protocol", "by_features", "name", "words"),
    [
        ("youcook2", {}, False, "zero-shot-retrieval", "4 windows of 32 frames at 10 a second"),
        ("youcook2", {}, True, "zero-shot-retrieval", "a clip is its pooled features"),
        ("msrvtt", {"captions": "first"}, False, "zero-shot-retrieval", "the first caption of"),
        ("csv", {"ties": "optimistic"}, False, "zero-shot-retrieval", "by the rule 'optimistic'"),
        ("crosstask", {}, False, "step-localization-crosstask", "crosstask, seed 0"),
        (
            "crosstask",
            {"scoring": "drop_dtw", "test_videos": "validation"},
            False,
            "step-localization-drop_dtw",
            "one recall over all occurrences; test videos: validation",
        ),
        ("ucf101", {"num_windows": 3}, False, "linear-svm-mil-nce", "SVM on 3 windows"),
        ("ucf101", {"classifier": "mmv-ucf101"}, True, "linear-svm-mmv-ucf101", "on all rows"),
        ("coin", {}, False, "clip-regression", "labels clips of 1.5 s"),
        ("youtube8m_segments", {}, False, "youtube8m-challenge-map", "first 100,000"),
        ("kinetics700", {"freeze_tower": True}, False, "fine-tuning", "the last layer trained"),
        ("hmdb51_fine_tuning", {"splits": 1}, False, "fine-tuning", "the first 1 of the official"),
    ],
)
def test_a_protocol_has_a_name_and_says_what_it_does(benchmark, protocol, by_features, name, words):
    settings = BENCHMARKS[benchmark].defaults.replaced({"protocol": protocol})
    found = BENCHMARKS[benchmark].protocol(settings, by_features)
    assert found == protocol_name(settings, by_features)
    assert found.name == name
    assert words in found.in_words
