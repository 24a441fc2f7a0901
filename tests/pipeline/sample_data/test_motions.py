import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from pipeline.sample_data.config import SampleConfig
from pipeline.sample_data.motions import MOTIONS
from pipeline.sample_data.render import render_frames
from pipeline.sample_data.script import Step, write_scripts
from pipeline.sample_data.world import ACTIONS, Item


def _matrices(action, phase):
    return [(layer.part, layer.matrix) for layer in MOTIONS[action](phase)]


def test_every_action_has_a_motion():
    assert set(MOTIONS) == set(ACTIONS)
    assert len(ACTIONS) >= 8


@pytest.mark.parametrize("action", sorted(MOTIONS))
def test_a_cycle_ends_where_it_began(action):
    begin = {part: matrix for part, matrix in _matrices(action, 0.0) if part != "drop"}
    end = {part: matrix for part, matrix in _matrices(action, 0.9999) if part != "drop"}
    assert begin.keys() == end.keys()
    for part, matrix in begin.items():
        np.testing.assert_allclose(matrix, end[part], atol=2e-2)


def test_rotation_is_a_quarter_turn_after_a_quarter_of_the_cycle():
    ((_, matrix),) = _matrices("rotate", 0.25)
    np.testing.assert_allclose(matrix, [[0, -1, 0], [1, 0, 0]], atol=1e-12)


def test_cut_parts_the_halves_and_joins_them_again():
    apart = dict(_matrices("cut", 0.6))
    assert apart["left"][0, 2] == pytest.approx(-0.5)
    assert apart["right"][0, 2] == pytest.approx(0.5)
    joined = dict(_matrices("cut", 0.0))
    np.testing.assert_allclose(joined["left"], joined["right"])


def test_stretch_widens_and_press_flattens_onto_the_ground():
    stretched = dict(_matrices("stretch", 0.5))["whole"]
    assert stretched[0, 0] == pytest.approx(1.6)
    assert stretched[1, 1] == pytest.approx(0.65)
    pressed = dict(_matrices("press", 0.5))["whole"]
    assert pressed[1, 1] == pytest.approx(0.32)
    bottom = pressed @ [0, 1, 1]
    assert bottom[1] == pytest.approx(1.0)


def test_a_folded_half_lies_mirrored_on_the_other_with_its_back_up():
    folded = dict(_matrices("fold", 0.5))
    assert "right" not in folded
    np.testing.assert_allclose(folded["right_back"], [[-1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_drops_run_only_while_the_item_is_tilted():
    assert "drop" not in dict(_matrices("pour", 0.0))
    assert "drop" in dict(_matrices("pour", 0.5))


def test_stacking_shows_two_items_that_meet():
    far, near = (
        [matrix[1, 2] for part, matrix in _matrices("stack", phase)] for phase in (0.0, 0.5)
    )
    assert len(near) == 2
    assert near[0] == far[0]
    assert near[0] - near[1] == pytest.approx(0.95)
    assert far[0] - far[1] == pytest.approx(2.7)


def _film(action, item, phase, seed):
    """Returns 8 frames of 64 x 64 at 2.5 frames a second, as uint8 [8, 64, 64, 3]."""
    period = sum(ACTIONS[action].periods) / 2
    ((script,), _) = write_scripts(SampleConfig(num_videos=1, num_test_videos=0))
    script = dataclasses.replace(
        script,
        picture_seed=(seed,),
        width=64,
        height=64,
        frame_rate=Fraction(5, 2),
        num_frames=8,
        steps=(Step(0.0, 3.2, action, item, period, phase),),
    )
    return np.stack([np.asarray(frame) for frame in render_frames(script)])


def test_actions_can_be_told_apart_at_64_pixels_and_low_frame_rate():
    item = Item("red", "plain", "star")
    features, labels = [], []
    for index, action in enumerate(MOTIONS):
        for seed, phase in enumerate((0.0, 0.2, 0.4, 0.6, 0.8)):
            frames = _film(action, item, phase, 10 * index + seed).astype(float)
            redness = np.clip(frames[..., 0] - frames[..., 1:].max(axis=-1), 0, None) / 255
            # What is seen how often where, whatever the moment at which the film begins.
            features.append(np.sort(redness.reshape(8, 16, 4, 16, 4).mean((2, 4)), axis=0).ravel())
            labels.append(action)
    features = np.stack(features)
    distances = np.linalg.norm(features[:, None] - features[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    nearest = np.array(labels)[distances.argmin(axis=1)]
    assert np.mean(nearest == labels) >= 0.8
