import collections

import pytest

from pipeline.sample_data.config import SampleConfig
from pipeline.sample_data.narration import Kind, shown_step
from pipeline.sample_data.script import write_scripts
from pipeline.sample_data.world import ACTIONS, COLOURS, PATTERNS, SHAPES, describe


@pytest.fixture(scope="module")
def scripts():
    return write_scripts(SampleConfig())


def test_the_same_seed_writes_the_same_scripts_and_another_seed_others(scripts):
    assert write_scripts(SampleConfig()) == scripts
    assert write_scripts(SampleConfig(seed=1))[0][0] != scripts[0][0]


def test_more_videos_do_not_change_the_first_ones(scripts):
    train, test = write_scripts(SampleConfig(num_videos=5, num_test_videos=2))
    assert train == scripts[0][:5]
    assert test == scripts[1][:2]


def test_half_of_the_default_narration_matches_the_picture(scripts):
    train, _ = scripts
    about = [
        shown_step(line, [(step.start, step.end) for step in script.steps]) == line.described_step
        for script in train
        for line in script.lines
        if line.kind is not Kind.FILLER
    ]
    num_lines = sum(len(script.lines) for script in train)
    assert 0.45 <= sum(about) / num_lines <= 0.55


def test_lines_are_in_order_and_as_many_as_steps(scripts):
    for script in scripts[0]:
        assert len(script.lines) - len(script.steps) in (0, 1)
        for line, after in zip(script.lines, script.lines[1:], strict=False):
            assert line.start < line.end == after.start
            assert line.text != after.text
        assert script.lines[-1].end <= script.duration


def test_steps_follow_each_other_and_differ(scripts):
    for script in [*scripts[0], *scripts[1]]:
        for step, after in zip(script.steps, script.steps[1:], strict=False):
            assert step.end == after.start
            assert step.action != after.action
            assert step.item != after.item
        assert all(4.45 < step.end - step.start < 6.05 for step in script.steps)
        assert script.steps[-1].end < script.duration


def test_test_clips_have_distinct_captions_even_without_the_pattern(scripts):
    steps = [step for script in scripts[1] for step in script.steps]
    assert len(steps) == 256
    assert len({describe(step.action, step.item) for step in steps}) == 256
    assert len({(s.action, s.item.colour, s.item.shape) for s in steps}) == 256


def test_train_and_test_videos_are_disjoint(scripts):
    train, test = ({script.video_id for script in part} for part in scripts)
    assert len(train) == 480
    assert len(test) == 32
    assert not train & test
    assert all(len(video_id) == 11 for video_id in train | test)
    seeds = [script.picture_seed for part in scripts for script in part]
    assert len(set(seeds)) == len(seeds)


def test_the_whole_world_appears_in_the_test_set(scripts):
    steps = [step for script in scripts[1] for step in script.steps]
    assert {step.action for step in steps} == set(ACTIONS)
    assert {step.item.colour for step in steps} == set(COLOURS)
    assert {step.item.shape for step in steps} == set(SHAPES)
    assert {step.item.pattern for step in steps} == set(PATTERNS)


def test_videos_vary_in_size_rate_length_and_sound(scripts):
    train, _ = scripts
    assert len({(script.width, script.height) for script in train}) >= 10
    assert {script.width > script.height for script in train} == {True, False}
    assert len({script.frame_rate for script in train}) == 5
    assert len({len(script.steps) for script in train}) == 5
    assert collections.Counter(script.has_audio for script in train)[True] >= 24
    assert all(1 <= script.search_rank <= 200 and script.views >= 100 for script in train)


@pytest.mark.parametrize(
    "config",
    [
        SampleConfig(num_videos=2, num_test_videos=3, steps_per_video=1),
        SampleConfig(num_videos=2, num_test_videos=20, steps_per_video=16),
        SampleConfig(num_videos=0, num_test_videos=40, steps_per_video=8),
    ],
)
def test_unusual_numbers_of_steps(config):
    train, test = write_scripts(config)
    assert len(train) == config.num_videos
    captions = {describe(s.action, s.item) for script in test for s in script.steps}
    assert len(captions) == config.num_test_videos * config.steps_per_video


@pytest.mark.parametrize(
    "settings",
    [{"num_videos": -1}, {"steps_per_video": 0}, {"num_test_videos": 41}, {"seed": -1}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=r"must|distinct"):
        SampleConfig(**settings)
