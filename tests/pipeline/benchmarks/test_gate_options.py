"""What `howto100m run` says of a gate that could never let a model pass, before anything is run."""

import pathlib

import numpy as np
import pytest
from click.testing import CliRunner

from components.benchmark_evaluator.config import GateConfig
from pipeline import cli
from pipeline.benchmarks.gate import check_gate


@pytest.fixture
def gate_of(tmp_path):
    """Makes the gate of two annotated videos, of which there are files."""
    (tmp_path / "clips.csv").write_text("video_id,start,end,caption\na,0,1,cut\nb,0,1,fold\n")
    for name in "ab":
        (tmp_path / "videos" / "deep").mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / "deep" / f"{name}.mp4").write_bytes(b"is not read")
        for stream in ("2d", "3d"):
            (tmp_path / "features" / stream).mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / "features" / stream / f"{name}.npy", np.zeros([2, 4]))

    def make(by_features=False, **changed):
        kind = "features" if by_features else "videos"
        values = {"annotations": str(tmp_path / "clips.csv"), kind: str(tmp_path / kind)}
        return GateConfig(**{"benchmark": "csv", **values, **changed})

    return make


@pytest.mark.parametrize("by_features", [False, True])
def test_a_gate_that_can_be_passed_is_good(gate_of, by_features):
    check_gate(gate_of(by_features))


@pytest.mark.parametrize(
    ("by_features", "lost", "folder"),
    [(False, "videos/deep/b.mp4", "videos"), (True, "features/3d/b.npy", "features")],
)
def test_a_missing_video_is_named_unless_it_may_be_missing(
    gate_of, tmp_path, by_features, lost, folder
):
    (tmp_path / lost).unlink()
    message = (
        rf"^1 of the videos of csv are not in {tmp_path}/{folder} \(b\), so that no model would be "
        rf"pushed; --benchmark-allow-missing scores the others$"
    )
    with pytest.raises(ValueError, match=message):
        check_gate(gate_of(by_features))
    check_gate(gate_of(by_features, require_complete=False))


def test_an_annotation_that_cannot_be_used_is_named_likewise(gate_of, tmp_path):
    with (tmp_path / "clips.csv").open("a") as stream:
        stream.write("a,3,2,backwards\n")
    with pytest.raises(ValueError, match=r"^1 of csv cannot be used \(.*\), so that no model"):
        check_gate(gate_of())
    check_gate(gate_of(require_complete=False))


def test_many_missing_videos_are_not_all_named(gate_of, tmp_path):
    rows = "".join(f"gone{number},0,1,cut\n" for number in range(9))
    with (tmp_path / "clips.csv").open("a") as stream:
        stream.write(rows)
    with pytest.raises(ValueError, match=r"^9 of .* \(gone0, gone1, gone2, gone3, gone4, …\)"):
        check_gate(gate_of())


@pytest.mark.parametrize(
    ("by_features", "changed", "message"),
    [
        (False, {"videos": "/gone"}, "--benchmark-videos /gone: there is no such folder"),
        (True, {"features": "/gone"}, "--benchmark-features /gone: there is no such folder"),
        (False, {"annotations": "/gone.csv"}, "gone.csv"),
        (True, {"feature_rates": {"4d": 1.0}}, "has no stream 4d; it has 2d and 3d"),
        (
            False,
            {"settings": {"frames": {"output": "mixed_5c"}}},
            "frames.output must be video_embedding, not mixed_5c",
        ),
        (
            False,
            {"settings": {"frames": {"frame_rate": None}}},
            "frames.frame_rate must be a number",
        ),
    ],
)
def test_what_does_not_fit_is_one_clear_error(gate_of, by_features, changed, message):
    with pytest.raises(ValueError, match=message):
        check_gate(gate_of(by_features, **changed))


def test_a_folder_of_other_videos_and_an_empty_one_are_refused(gate_of, tmp_path):
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "c.mp4").write_bytes(b"is not read")
    for require_complete in (True, False):
        others = gate_of(videos=str(tmp_path / "others"), require_complete=require_complete)
        with pytest.raises(ValueError, match="none of the 2 videos of csv is in"):
            check_gate(others)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no features"):
        check_gate(gate_of(True, features=str(tmp_path / "empty")))


def test_run_refuses_a_gate_before_it_writes_anything(gate_of, tmp_path, monkeypatch):
    gate = gate_of()
    pathlib.Path(gate.videos, "deep", "a.mp4").unlink()
    result = CliRunner().invoke(
        cli.main,
        [
            *("run", "--videos", str(tmp_path), "--output", str(tmp_path / "out")),
            *("--benchmark", "csv", "--benchmark-annotations", gate.annotations),
            *("--benchmark-videos", gate.videos),
        ],
    )
    assert result.exit_code == 1
    assert "1 of the videos of csv are not in" in result.output
    assert not (tmp_path / "out").exists()


def test_run_takes_no_option_of_a_benchmark_without_one(tmp_path):
    arguments = ["run", "--videos", str(tmp_path), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.main, [*arguments, "--benchmark-rate", "2d=1"])
    assert result.exit_code == 1
    assert result.output == "Error: --benchmark-rate: say which one by --benchmark\n"
