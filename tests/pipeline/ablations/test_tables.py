"""What the six parts of table 2 vary."""

import dataclasses

import pytest

from pipeline import configs
from pipeline.ablations import tables

_PRESET = configs.PRESETS["sample-ablation"]


def _trained(letter, preset=_PRESET):
    """Returns loss, candidates, negatives, their number and text model of a table's cells."""
    changed = [cell.preset(preset) for cell in tables.make_table(letter, preset).cells]
    return [
        (
            cell.training.loss,
            cell.training.num_candidates,
            cell.training.negatives,
            cell.training.num_negatives,
            cell.model.text_model,
        )
        for cell in changed
    ]


@pytest.mark.parametrize(
    ("letter", "trained"),
    [
        (
            "a",
            [
                ("binary", 1, "symmetric", None, "max_pool"),
                ("max_margin", 1, "symmetric", None, "max_pool"),
                ("nce", 1, "symmetric", None, "max_pool"),
            ],
        ),
        ("b", [("nce", 1, "symmetric", number, "max_pool") for number in (8, 16, 32, None)]),
        (
            "c",
            [
                ("nce", 1, "symmetric", None, "max_pool"),
                *(("mil_nce", k, "symmetric", None, "max_pool") for k in (3, 5, 9, 17, 33)),
                ("max_margin", 1, "symmetric", None, "max_pool"),
            ],
        ),
        (
            "d",
            [
                (loss, 3, "symmetric", None, "max_pool")
                for loss in ("max_nce", "attention_nce", "concatenation_nce", "mil_nce")
            ],
        ),
        (
            "e",
            [
                ("mil_nce", 3, negatives, None, "max_pool")
                for negatives in ("captions", "videos", "symmetric")
            ],
        ),
        (
            "f",
            [
                ("mil_nce", 3, "symmetric", None, name)
                for name in ("lstm", "gru", "transformer", "netvlad", "max_pool")
            ],
        ),
    ],
)
def test_cells_are_the_papers(letter, trained):
    assert _trained(letter) == trained


def test_nothing_but_the_named_settings_changes():
    changed = {"loss", "num_candidates", "negatives", "num_negatives"}
    for letter in tables.LETTERS:
        for cell in tables.make_table(letter, _PRESET).cells:
            preset = cell.preset(_PRESET)
            same = {name: getattr(_PRESET.training, name) for name in changed}
            assert dataclasses.replace(preset.training, **same) == _PRESET.training
            assert dataclasses.replace(preset.model, text_model="max_pool") == _PRESET.model
            assert preset.evaluation == _PRESET.evaluation
            assert preset.ingest.bag_size >= preset.training.num_candidates


def test_only_larger_bags_than_the_presets_are_asked_of_the_ingest():
    cells = tables.make_table("c", _PRESET).cells
    bags = [[text for text in cell.overrides if "bag_size" in text] for cell in cells]
    assert bags == [
        [],
        [],
        [],
        *([f"ingest.bag_size={number}"] for number in (9, 17, 33)),
        [],
    ]
    assert tables.most_candidates(_PRESET) == 33


@pytest.mark.parametrize(
    ("overrides", "labels"),
    [
        (["training.batch_size=128"], ["16", "32", "64", "254 (all)"]),
        (["training.batch_size=8"], ["2", "4", "14 (all)"]),
        (["training.batch_size=2"], ["2 (all)"]),
        (["training.negatives=videos"], ["4", "8", "16", "47 (all)"]),
    ],
)
def test_numbers_of_negatives_follow_the_batch(overrides, labels):
    preset = configs.with_overrides(_PRESET, overrides)
    table = tables.make_table("b", preset)
    assert [cell.label for cell in table.cells] == labels
    for cell in table.cells:
        cell.preset(preset)
    assert len(table.directions) == (len(labels) > 1)


def test_directions_and_labels_fit_each_other():
    for letter in tables.LETTERS:
        table = tables.make_table(letter, _PRESET)
        labels = [cell.label for cell in table.cells]
        assert len(set(labels)) == len(labels)
        assert len(table.directions) >= 1
        for direction in table.directions:
            assert {direction.higher, direction.lower} <= set(labels)
            assert direction.lower != direction.higher


def test_unknown_table_and_other_road_are_refused():
    with pytest.raises(ValueError, match="there is no table 'g'; there are a, b, c, d, e, f"):
        tables.make_table("g", _PRESET)
    with pytest.raises(ValueError, match="this preset trains a gated model"):
        tables.make_table("a", configs.PRESETS["sample-gated"])
