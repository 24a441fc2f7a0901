import itertools

import numpy as np
import pytest

from pipeline.sample_data import narration
from pipeline.sample_data.narration import Kind, Line
from pipeline.sample_data.webvtt import format_rolling_captions, format_time
from pipeline.sample_data.world import ACTIONS, COLOURS, SHAPES, Item


@pytest.mark.parametrize("num_steps", [1, 2, 3, 8, 10])
def test_a_line_never_speaks_of_a_step_that_does_not_exist(num_steps):
    for seed in range(60):
        kinds = narration.plan_kinds(np.random.default_rng(seed), num_steps, seed % 2)
        assert len(kinds) == num_steps
        assert kinds[0] is not Kind.LATE
        assert kinds[-1] is not Kind.EARLY


def test_half_of_eight_lines_match_in_every_video():
    for seed in range(20):
        kinds = narration.plan_kinds(np.random.default_rng(seed), 8, 0)
        assert kinds.count(Kind.MATCH) == 4


def test_kinds_come_in_the_planned_proportions():
    kinds = [
        kind
        for seed in range(400)
        for kind in narration.plan_kinds(np.random.default_rng(seed), 8, 0)
    ]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in Kind}
    assert shares[Kind.MATCH] == pytest.approx(0.5, abs=0.01)
    assert shares[Kind.EARLY] == pytest.approx(0.2, abs=0.02)
    assert shares[Kind.LATE] == pytest.approx(0.15, abs=0.02)
    assert shares[Kind.FILLER] == pytest.approx(0.15, abs=0.02)


def test_greetings_count_as_lines_that_do_not_match():
    matching = sum(
        narration.plan_kinds(np.random.default_rng(seed), 8, 2).count(Kind.MATCH)
        for seed in range(50)
    )
    assert matching == 50 * 5


def test_a_sentence_names_action_colour_and_shape():
    item = Item("red", "striped", "star")
    rng = np.random.default_rng(0)
    sentences = {narration.say_step(rng, "fold", item) for _ in range(200)}
    assert len(sentences) > 40
    for sentence in sentences:
        words = sentence.split()
        assert 4 <= len(words) <= 9
        assert sentence == sentence.lower()
        assert {"red", "star"} <= set(words)
        assert {"fold", "folding", "crease", "creasing"} & set(words)
    assert 0.6 < np.mean(["striped" in sentence for sentence in sentences]) < 1


def test_fillers_name_nothing_of_the_world_and_do_not_repeat_at_once():
    world = {*COLOURS, *SHAPES, "plain", "striped", "dotted"}
    for action in ACTIONS.values():
        world |= {action.name, action.gerund, action.synonym, action.synonym_gerund}
    lines = narration.say_fillers(np.random.default_rng(1), 40)
    assert len(lines) == 40
    assert not world & set(" ".join(lines).split())
    assert all(first != second for first, second in itertools.pairwise(lines))


def _line(start, end, described):
    return Line(start, end, (start,), "word", Kind.MATCH, described)


def test_the_shown_step_is_the_one_with_the_largest_overlap():
    steps = [(1.0, 5.0), (5.0, 9.0)]
    assert narration.shown_step(_line(3.5, 6.0, None), steps) == 0
    assert narration.shown_step(_line(4.0, 7.0, None), steps) == 1
    assert narration.shown_step(_line(0.0, 1.0, None), steps) is None


def test_words_are_said_within_their_line():
    rng = np.random.default_rng(0)
    starts = narration.time_words(rng, "one two three four five six", 10.0, 11.0)
    assert starts[0] == 10.0
    assert list(starts) == sorted(starts)
    assert starts[-1] < 11.0


def test_times_beyond_an_hour():
    assert format_time(3661.0094) == "01:01:01.009"
    assert format_time(59.9996) == "00:01:00.000"


def test_captions_roll_as_on_youtube():
    lines = [
        Line(1.0, 3.5, (1.0, 1.25, 1.5), "fold the star", Kind.MATCH, 0),
        Line(3.5, 6.0, (3.5, 4.0), "thank you", Kind.FILLER, None),
    ]
    assert format_rolling_captions(lines, music=(0.0, 1.0)) == (
        "WEBVTT\n"
        "Kind: captions\n"
        "Language: en\n"
        "\n"
        "00:00:00.000 --> 00:00:00.990 align:start position:0%\n"
        " \n"
        "[Music]\n"
        "\n"
        "00:00:00.990 --> 00:00:01.000 align:start position:0%\n"
        "[Music]\n"
        " \n"
        "\n"
        "00:00:01.000 --> 00:00:03.490 align:start position:0%\n"
        "[Music]\n"
        "fold<00:00:01.250><c> the</c><00:00:01.500><c> star</c>\n"
        "\n"
        "00:00:03.490 --> 00:00:03.500 align:start position:0%\n"
        "fold the star\n"
        " \n"
        "\n"
        "00:00:03.500 --> 00:00:05.990 align:start position:0%\n"
        "fold the star\n"
        "thank<00:00:04.000><c> you</c>\n"
        "\n"
        "00:00:05.990 --> 00:00:06.000 align:start position:0%\n"
        "thank you\n"
        " \n"
    )
