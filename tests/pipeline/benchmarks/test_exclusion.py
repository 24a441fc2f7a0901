import pathlib

import pytest
from click.testing import CliRunner

from components.narrated_video_example_gen.exclusions import read_exclusions
from components.narrated_video_example_gen.manifest import ManifestError
from pipeline import cli
from pipeline.benchmarks.exclusion import exclusion, exclusion_lines


def test_the_ids_of_several_benchmarks_go_to_one_file(tmp_path):
    held_out = tmp_path / "held_out.txt"
    held_out.write_text("aaaaaaaaaaa\n\nbbbbbbbbbbb\n")
    clips = tmp_path / "clips.csv"
    clips.write_text("end,start,task,text,video_id\n9,1,101,cut,ccccccccccc\n")
    (setting,) = exclusion([f"ids={held_out}", f"youcook2={clips}"], tmp_path / "run")
    name, _, path = setting.partition("=")
    assert name == "ingest.exclude_videos"
    assert pathlib.Path(path).is_absolute()
    assert read_exclusions(path) == {
        "aaaaaaaaaaa": "ids",
        "bbbbbbbbbbb": "ids",
        "ccccccccccc": "youcook2",
    }


def test_fine_tuning_is_on_the_same_videos(tmp_path):
    table = tmp_path / "hmdb51.csv"
    table.write_text("video_id,label,split1,split2,split3\na.avi,run_test,1,1,2\n")
    (setting,) = exclusion([f"hmdb51_fine_tuning={table}"], tmp_path)
    assert set(read_exclusions(setting.partition("=")[2]).values()) == {"hmdb51"}


def test_what_an_exclusion_names_and_leaves_out_is_said(tmp_path, capsys):
    for name, ids in (("a", "x\ny\n"), ("b", "y\nz\n")):
        (tmp_path / f"{name}.txt").write_text(ids)
    (setting,) = exclusion([f"ids={tmp_path}/a.txt", f"csv={tmp_path}/b.txt"], tmp_path)
    assert capsys.readouterr().out.splitlines() == [
        "excluded from training: 2 ids of ids",
        "excluded from training: 2 ids of csv",
    ]
    summary = {"videos": {"left_out": {"in_csv": 1, "too_few_words": 7}}}
    # An id that both name counts for the first by name.
    assert sorted(exclusion_lines(setting.partition("=")[2], summary)) == [
        "excluded from training: 0 videos by 1 ids of ids; no video that was read has one of them",
        "excluded from training: 1 videos by 2 ids of csv",
    ]
    assert exclusion_lines("", summary) == []


def test_two_files_of_one_benchmark_are_joined(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"{name}\n")
    (setting,) = exclusion([f"ids={tmp_path}/a.txt", f"ids={tmp_path}/b.txt"], tmp_path)
    assert set(read_exclusions(setting.partition("=")[2])) == {"a", "b"}


def test_nothing_is_excluded_without_being_asked_for(tmp_path):
    assert exclusion([], tmp_path / "run") == ()
    assert not (tmp_path / "run").exists()


def test_what_names_no_video_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not of the form BENCHMARK=ANNOTATIONS"):
        exclusion(["youcook2"], tmp_path)
    with pytest.raises(ManifestError, match="no benchmark"):
        exclusion([f"kinetics={tmp_path}"], tmp_path)


def test_ingest_says_in_one_line_what_is_wrong(tmp_path):
    result = CliRunner().invoke(
        cli.main,
        [
            *("ingest", "--videos", str(tmp_path), "--output", str(tmp_path / "out")),
            *("--exclude-from-training", "youcook2=gone.json"),
        ],
    )
    assert result.exit_code == 1
    assert "gone.json" in result.output
    assert len(result.output.strip().splitlines()) == 1
