import json

import pytest
from PIL import Image

from pipeline.studies import study


def _row(series, label, recalls, x=None):
    measurements = [
        {"R@1": recall / 10, "R@5": recall / 2, "R@10": recall, "median_rank": 4.0}
        for recall in recalls
    ]
    return study.Row(series, label, 1200, measurements, x)


_LOW = _row("size", "top 2", [0.10, 0.20], x=2.0)
_HIGH = _row("size", "top 200", [0.50, 0.60], x=200.0)


def _study(rows, comparisons):
    return study.Study(
        "size", "Size", "figure 3", "search rank", "How.", rows, comparisons, 12.0, log_axis=True
    )


def test_mean_and_sample_deviation_by_hand():
    assert _LOW.mean("R@10") == pytest.approx(0.15)
    assert _LOW.spread("R@10") == pytest.approx(0.1 / 2**0.5)
    assert _row("a", "b", [0.3]).spread("R@10") == 0.0


@pytest.mark.parametrize(
    ("higher", "lower", "verdict"),
    [
        (_HIGH, _LOW, "appears"),
        (_LOW, _HIGH, "is the other way round"),
        (_row("size", "top 3", [0.13, 0.19]), _LOW, "is not told apart from the spread"),
    ],
)
def test_direction_is_reported_as_measured(higher, lower, verdict):
    comparison = study.Comparison("More is better", higher, lower)
    assert comparison.verdict.startswith(verdict)
    assert verdict in comparison.in_words()


def test_files_say_the_same(tmp_path):
    result = _study([_LOW, _HIGH], [study.Comparison("More is better", _HIGH, _LOW)])
    result.write(tmp_path)
    table = (tmp_path / "size.md").read_text()
    assert "| size | top 200 | 1,200 | 5.5 ± 0.7 % | 27.5 ± 3.5 % | 55.0 ± 7.1 % |" in table
    assert "the direction appears." in table
    assert "differ by more than the larger of their standard deviations" in table
    content = json.loads((tmp_path / "size.json").read_text())
    assert content["rows"][0]["R@10"]["mean"] == pytest.approx(0.15)
    assert content["rows"][1]["search rank"] == "top 200"
    assert content["directions"][0]["difference"] == pytest.approx(0.4)
    with Image.open(tmp_path / "size.png") as image:
        assert image.width > 300


def test_settings_without_a_number_become_bars(tmp_path):
    rows = [_row("negatives", "none", [0.1]), _row("negatives", "half", [0.2])]
    _study(rows, []).write(tmp_path)
    with Image.open(tmp_path / "size.png") as image:
        colours = image.convert("RGB").getcolors(1 << 20)
    assert max(count for count, colour in colours if colour != (255, 255, 255)) > 5_000


def test_rows_with_settings_say_how_to_measure_them_again(tmp_path):
    measured = _LOW.measurements
    rows = [
        study.Row("1 candidate", name, None, measured, overrides=(f"training.loss={name}",))
        for name in ("nce", "binary")
    ]
    result = study.Study(
        *("table_2a", "Loss", "table 2a", "loss", "How.", rows, [], 12.0),
        cores=2,
        command="howto100m run",
    )
    table = result.as_markdown()
    assert "|  | loss | R@1 | R@5 | R@10 | median rank | settings |" in table
    assert "4.0 ± 0.0 | `training.loss=nce` |" in table
    assert "over 2 seeds; 12 s on 2 cores." in table
    assert table.endswith("\n    howto100m run\n")
    content = result.as_dict()
    assert (content["cores"], content["command"]) == (2, "howto100m run")
    assert content["rows"][1]["overrides"] == ["training.loss=binary"]
    assert "num_pairs" not in content["rows"][0]
