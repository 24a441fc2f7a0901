"""The command line without TensorFlow: help, errors, captions."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.sample_data import config as sample_config
from pipeline.sample_data import generate

COMMANDS = [
    "run",
    "ingest",
    "captions",
    "search",
    "sample-data",
    "import-gated",
    "import-milnce",
    "import-hub",
    "ablate",
    "hub",
    "study",
    "evaluate",
    "lineage",
    "metrics",
    "results",
]


@pytest.mark.parametrize("command", [[], *[[name] for name in COMMANDS]])
def test_help_imports_neither_tensorflow_nor_tfx(command):
    code = (
        "import sys; from pipeline.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'keras', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage:")


def test_captions_prints_the_howto100m_csv(tmp_path):
    subtitles = tmp_path / "a.srt"
    subtitles.write_text("1\n00:00:01,500 --> 00:00:04,000\n<i>Cut</i> the paper, &amp; fold\n")
    result = CliRunner().invoke(cli.main, ["captions", str(subtitles)])
    assert result.exit_code == 0
    assert result.output.splitlines() == ["start,end,text", '1.5,4.0,"Cut the paper, & fold"']


def test_captions_of_an_empty_file_is_one_clear_line(tmp_path):
    subtitles = tmp_path / "a.vtt"
    subtitles.write_text("")
    result = CliRunner().invoke(cli.main, ["captions", str(subtitles)])
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert "a.vtt" in result.output


def test_run_with_a_mistyped_setting_is_one_clear_line(tmp_path):
    arguments = ["run", "--videos", str(tmp_path), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.main, [*arguments, "--set", "training.step=3"])
    assert result.exit_code == 1
    assert "training has no 'step'" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("below", ["", "out"], ids=["a-file", "below-a-file"])
@pytest.mark.parametrize("command", ["run", "ingest"])
def test_an_output_that_cannot_be_a_folder_is_one_clear_line(tmp_path, command, below):
    (tmp_path / "file").write_text("kept")
    arguments = [command, "--videos", str(tmp_path), "--output", str(tmp_path / "file" / below)]
    result = CliRunner().invoke(cli.main, [*arguments, "--workers", "1"])
    assert result.exit_code == 1
    (line,) = result.output.splitlines()[-1:]
    assert line.startswith(f"Error: {tmp_path / 'file'}")
    assert line.endswith(": what should be a folder is a file; give a folder that you can write to")
    assert (tmp_path / "file").read_text() == "kept"


def test_run_with_more_candidates_than_stored_captions_is_one_clear_line(tmp_path):
    arguments = ["run", "--videos", str(tmp_path), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.main, [*arguments, "--set", "training.num_candidates=9"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: training.num_candidates is 9, but ingest.bag_size, ")
    assert result.output.count("\n") == 1
    assert "raise ingest.bag_size to 9, or lower training.num_candidates" in result.output
    assert not (tmp_path / "out").exists()


def test_search_without_a_run_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.main, ["search", "cut paper"])
    assert result.exit_code == 1
    assert "name one with --run" in result.output


def test_search_in_a_folder_without_an_index_says_so(tmp_path):
    result = CliRunner().invoke(cli.main, ["search", "cut paper", "--run", str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no index" in result.output


def test_ingest_reads_a_folder_and_says_what_it_kept(tmp_path):
    generate.write_sample_data(
        tmp_path / "sample",
        sample_config.SampleConfig(num_videos=2, num_test_videos=0, steps_per_video=2),
        workers=1,
    )
    videos = tmp_path / "sample" / "videos"
    (videos / "broken.mp4").write_bytes(b"")
    arguments = ["ingest", "--videos", str(videos), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.main, [*arguments, "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert "videos: 3 read, 2 kept, 1 left out" in result.output
    names = {path.name for path in (tmp_path / "out").iterdir()}
    files = {"ledger.jsonl", "summary.json", "videos.jsonl"}
    assert names == {"examples", "clips", "captions", *files}


def test_unexpected_error_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(cli.configs, "with_overrides", lambda *_: {}["absent"])
    arguments = ["ingest", "--videos", str(tmp_path), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.main, arguments)
    assert (result.exit_code, result.output) == (1, "Error: KeyError: 'absent'\n")


def test_features_for_a_preset_from_pixels_is_a_usage_error(tmp_path):
    result = CliRunner().invoke(
        cli.main, ["run", "--videos", str(tmp_path), "--features", str(tmp_path)]
    )
    assert result.exit_code == 2
    assert "--features is for the presets howto100m-gated, sample-gated" in result.output


def test_run_without_videos_or_annotations_is_a_usage_error():
    result = CliRunner().invoke(cli.main, ["run"])
    assert result.exit_code == 2
    assert "give --videos, or --annotations with --features" in result.output


def test_study_of_a_folder_that_is_no_run_is_one_clear_line(tmp_path):
    result = CliRunner().invoke(
        cli.main, ["study", "size", "--run", str(tmp_path), "--output", str(tmp_path / "out")]
    )
    assert result.exit_code == 1
    assert "run.json" in result.output
