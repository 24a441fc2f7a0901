"""`howto100m ablate`: its errors, and a whole table in small."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pipeline.ablations.cli import ablate
from pipeline.sample_data import generate
from pipeline.sample_data.config import SampleConfig


def _ablate(*arguments):
    return CliRunner().invoke(ablate, [str(argument) for argument in arguments])


def _sample(folder, **settings):
    generate.write_sample_data(folder, SampleConfig(**settings), workers=1)
    return folder


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from pipeline.ablations.cli import ablate\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["g"], "'g' is not one of 'a', 'b'"),
        (["a", "--seeds", "0"], "0 is not in the range x>=1"),
        (["a", "--preset", "sample-gated"], "'sample-gated' is not one of"),
        (["a", "--test-videos", "."], "--test-videos and --test-annotations go with --videos"),
    ],
)
def test_wrong_option_says_what_is_wrong(tmp_path, arguments, message):
    result = _ablate(*arguments, "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out").exists()


def test_wrong_setting_is_one_clear_line(tmp_path):
    result = _ablate("a", "--output", tmp_path / "out", "--set", "training.lose=nce")
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1
    assert "training has no 'lose'" in result.output


def test_too_few_videos_are_one_clear_line(tmp_path):
    data = _sample(tmp_path / "data", num_videos=2, num_test_videos=1, steps_per_video=2)
    result = _ablate(
        *("e", "--data", data, "--output", tmp_path / "out", "--workers", "1"),
        *("--set", "words.vector_size=8"),
    )
    assert result.exit_code == 1
    assert "fewer clips than one batch of 48" in result.output.splitlines()[-1]
    assert not list((tmp_path / "out").glob("*.md"))


@pytest.mark.e2e
@pytest.mark.slow
def test_table_is_measured_in_earnest_and_kept(tmp_path):
    data = _sample(tmp_path / "data", num_videos=4, num_test_videos=2, steps_per_video=3)
    settings = {
        "words.vector_size": 8,
        "model.width": 0.0625,
        "model.text_hidden_size": 8,
        "model.embedding_size": 8,
        "training.steps": 2,
        "training.steps_per_epoch": 2,
        "training.batch_size": 4,
        "evaluation.num_windows": 1,
    }
    overrides = [part for item in settings.items() for part in ("--set", "{}={}".format(*item))]
    arguments = ["b", "--data", data, "--output", tmp_path / "out", "--workers", "1"]
    result = _ablate(*arguments, "--seeds", "1", *overrides)
    assert result.exit_code == 0, result.output
    assert "cell 2 of 2: table 2b, 6 (all), seed 1, about" in result.output
    content = json.loads((tmp_path / "out" / "table_2b.json").read_text())
    assert [row["negatives"] for row in content["rows"]] == ["2", "6 (all)"]
    assert all(0 <= row["R@10"]["mean"] <= 1 for row in content["rows"])
    assert content["rows"][0]["overrides"][-1] == "training.num_negatives=2"
    assert content["command"].startswith("howto100m run --preset sample-ablation --output")
    assert f"--videos {data}/videos" in content["command"]
    assert (tmp_path / "out" / "table_2b.png").exists()
    again = _ablate(*arguments, "--seeds", "1", *overrides)
    assert again.exit_code == 0, again.output
    assert "cell 1 of" not in again.output
