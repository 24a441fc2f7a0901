"""`howto100m metrics`, `howto100m evaluate` and `howto100m results`."""

import importlib.util
import io
import json
import pathlib
import re
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.benchmarks.cli import _Bars

_COMPONENTS = pathlib.Path(__file__).parents[2] / "components" / "conftest.py"
_SPECIFICATION = importlib.util.spec_from_file_location("colour_world", _COMPONENTS)
_colour_world = importlib.util.module_from_spec(_SPECIFICATION)
_SPECIFICATION.loader.exec_module(_colour_world)


@pytest.fixture(scope="module")
def colour_world():
    return _colour_world.ColourWorld()


def call(*arguments):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def one_line(result):
    """Returns the only line of a command that ended with an error."""
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if line and line != "videos"]
    return line


@pytest.fixture
def embeddings(tmp_path):
    """Writes .npy files and returns the options that name them."""

    def write(videos, texts, **options):
        named = []
        for name, values in (("video", videos), ("text", texts)):
            path = tmp_path / f"{name}.npy"
            np.save(path, np.asarray(values), **options)
            named += [f"--{name}-embeddings", path]
        return named

    return write


# Text 0 is right; for text 1 two others are better; text 2 ties with one other.
TEXTS = [[5.0, 1.0, 0.0], [3.0, 1.0, 2.0], [0.0, 4.0, 4.0]]


def test_metrics_of_embeddings(embeddings):
    result = call("metrics", *embeddings(np.eye(3), TEXTS))
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        " text to video:  R@1 0.333  R@5 1.000  R@10 1.000  median rank 1.5",
        " video to text:  R@1 0.667  R@5 1.000  R@10 1.000  median rank 1",
        "        random:  R@1 0.333  R@5 1.000  R@10 1.000  median rank 2",
        "3 of 3 pairs scored, 1 queries tied",
    ]


def test_metrics_of_embeddings_as_json(embeddings):
    result = call("metrics", *embeddings(np.eye(3), TEXTS), "--json")
    assert result.exit_code == 0, result.output
    scored = json.loads(result.output)
    assert scored["text_to_video"]["median_rank"] == 1.5
    assert scored["num_scored"] == scored["num_expected"] == 3


def test_rows_that_are_not_finite_are_counted_and_named(embeddings):
    videos, texts = np.eye(40), np.eye(40)
    texts[3, 7] = np.nan
    few = embeddings(videos, texts)
    assert call("metrics", *few).output.splitlines()[-2:] == [
        "39 of 40 pairs scored, 0 queries tied",
        "Left out as not finite, counted from 0: rows 3",
    ]
    assert json.loads(call("metrics", *few, "--json").output)["first_not_finite"] == [3]
    videos[10:, 0] = np.inf
    output = call("metrics", *embeddings(videos, texts)).output
    assert "9 of 40 pairs scored" in output
    assert output.splitlines()[-1].endswith(
        "rows 3, 10, 11, " + ", ".join(map(str, range(12, 29))) + ", ..."
    )


def test_embeddings_of_other_shapes_are_one_clear_line(embeddings):
    line = one_line(call("metrics", *embeddings(np.eye(3), TEXTS[:2])))
    assert "holds 3 x 3 and" in line
    assert "both must have the same shape" in line


def test_pickled_embeddings_are_refused_in_one_line(embeddings):
    objects = np.array([[{}]], object)
    line = one_line(call("metrics", *embeddings(objects, TEXTS, allow_pickle=True)))
    assert "video.npy is no .npy file that can be read" in line


def test_embeddings_that_are_not_there_are_a_usage_error(tmp_path):
    result = call("metrics", "--video-embeddings", tmp_path / "a.npy")
    assert result.exit_code == 2
    assert "does not exist" in result.output


@pytest.fixture(scope="module")
def model(colour_world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "publisher" / "colours" / "3"
    folder.mkdir(parents=True)
    colour_world.write_model(folder)
    return folder.parent


SETTINGS = ("frames.num_frames=4", "frames.image_size=24", "protocol.num_windows=1")


@pytest.fixture
def arguments(colour_world, model, tmp_path):
    """Everything that an evaluation of three colours needs; one caption has no video."""
    colours = ["red paint", "green paint", "blue paint"]
    colour_world.write_video(tmp_path / "videos" / "v.mp4", colours, seconds=1)
    rows = [f"v,{second},{second + 1},{colour}" for second, colour in enumerate(colours)]
    (tmp_path / "clips.csv").write_text(
        "\n".join(["video_id,start,end,caption", *rows, "w,0,1,paint"])
    )
    return [
        *("evaluate", "--benchmark", "csv", "--annotations", tmp_path / "clips.csv"),
        *("--videos", tmp_path / "videos", "--store", tmp_path / "store", "--workers", "1"),
        *("--model", model),
        *(part for setting in SETTINGS for part in ("--set", setting)),
    ]


def test_an_evaluation_prints_what_it_writes(arguments, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "own clips, zero-shot text-to-video retrieval: 3 of 4 clips scored" in lines
    assert "  1 missing_file" in lines
    assert (
        "Protocol zero-shot-retrieval: all captions of each clip rank all clips by dot"
        in result.output
    )
    assert "0 queries tied" in lines
    assert "this model:  R@1 100.0 %  R@5 100.0 %  R@10 100.0 %  median_rank 1" in lines
    assert "median_rank: 95% interval 1 to 1" in lines
    assert "Not comparable: 3 of 4 clips were scored, so others were scored on more." in lines
    (path,) = pathlib.Path("runs/results/csv/publisher/colours/3").glob("*/result.json")
    assert lines[-1] == f"Look at {path}."
    content = json.loads((tmp_path / path).read_text())
    assert content["metrics"]["R@1"] == 1.0
    assert content["model"] == {
        "source": str(model),
        "path": f"{model}/3",
        "name": "publisher/colours/3",
    }
    assert content["settings"]["frames"]["num_frames"] == 4
    # And once more into another folder, from what is kept.
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    assert call(*arguments, "--output", tmp_path / "out").exit_code == 0
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == content
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()} == kept


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("--set", "protocol.windows=3"), "protocol has no 'windows'; it has num_windows, max_"),
        (("--set", "frame.num_frames=3"), "no section 'frame'; there are frames, protocol"),
        (("--set", "protocol.ties=none"), "protocol.ties is 'none'; it must be one of mean, opt"),
        (("--set", "frames.num_frames=many"), "it must be of type int"),
        (("--set", "frames.frame_rate=none"), "this benchmark asks for seconds of it"),
        (("--model", "nowhere"), "nowhere holds no pushed model"),
        (("--annotations", "nowhere.csv"), "nowhere.csv"),
        (("--videos", "nowhere"), "nowhere is no folder of videos"),
        (("--features", "somewhere"), "give either the folder of the videos or that of their"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(arguments, tmp_path, changed, message):
    assert message in one_line(call(*arguments, *changed, "--output", tmp_path / "out"))
    assert not list(tmp_path.glob("out/*"))


def test_a_folder_that_cannot_be_made_is_refused_before_the_evaluation(arguments, tmp_path):
    (tmp_path / "file").write_text("")
    line = one_line(call(*arguments, "--output", tmp_path / "file" / "out"))
    assert str(tmp_path / "file") in line
    assert not (tmp_path / "store").exists()


def test_a_model_from_an_address_is_named_by_it(arguments, colour_world, tmp_path, monkeypatch):
    import tensorflow_hub

    address = "https://tfhub.dev/deepmind/colours/1"
    cached = tmp_path / "tfhub_modules" / "0123456789abcdef"
    colour_world.write_model(cached)
    monkeypatch.setattr(tensorflow_hub, "resolve", {address: str(cached)}.get)
    monkeypatch.chdir(tmp_path)
    result = call(*arguments, "--model", address)
    assert result.exit_code == 0, result.output
    (path,) = pathlib.Path("runs/results/csv/tfhub.dev/deepmind/colours/1").glob("*/result.json")
    content = json.loads((tmp_path / path).read_text())
    assert content["model"] == {
        "source": address,
        "path": str(cached),
        "name": "tfhub.dev/deepmind/colours/1",
    }
    # And its page, without and with saying where the results are.
    for arguments in ([], ["runs/results"]):
        result = call("results", *arguments)
        assert result.output.splitlines() == ["1 results are in runs/results/results.html"]
    assert "tfhub.dev/deepmind/colours/1" in (tmp_path / "runs/results/results.md").read_text()


def test_no_results_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "there are no results; `howto100m evaluate` writes" in one_line(call("results"))
    (tmp_path / "result.json").write_text('{"benchmark": "coin"}')
    line = one_line(call("results", tmp_path))
    assert f"{tmp_path / 'result.json'} is no result of `howto100m evaluate`: it lacks" in line


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_each_pass_has_a_bar_that_comes_to_its_end(monkeypatch):
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    bars = _Bars()
    told = [(0, 4), (2, 4), (4, 4), (4, 4), (0, 4), (0, 4), (3, 4), (4, 4), (1, 9), (7, 9)]
    for done, total in told:
        bars.tell(done, total)
    bars.close()
    bars.close()
    shown = [
        [int(percent) for percent in re.findall(r"(\d+)%", line)]
        for line in terminal.getvalue().rstrip("\n").split("\n")
    ]
    assert shown == [[0, 50, 100], [0, 75, 100], [0, 11, 77]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("--benchmark", "imagenet"), "'imagenet' is not one of 'youcook2', 'msrvtt'"),
        (("--rate", "2d"), "'2d' is not of the form STREAM=ROWS_A_SECOND"),
        (("--rate", "2d=fast"), "'2d=fast' is not of the form"),
        (("--rate", "2d=inf"), "'2d=inf' is not of the form"),
        (("--rate", "2d=nan"), "'2d=nan' is not of the form"),
        (("--rate", "2d=0"), "'2d=0' is not of the form"),
        (("--rate", "=1"), "'=1' is not of the form"),
    ],
)
def test_options_of_another_form_are_usage_errors(arguments, changed, message):
    result = call(*arguments, *changed)
    assert result.exit_code == 2
    assert message in result.output


def test_features_are_taken_at_the_rate_that_is_said(colour_world, arguments, tmp_path):
    from models import description

    folder = tmp_path / "gated"
    layout = [{"name": "rgb", "rate": 4.0, "size": 3}]
    colour_world.write_feature_model(folder, layout=layout)
    assert description.read_description(folder).features == layout
    (tmp_path / "features" / "rgb").mkdir(parents=True)
    # Four rows a second; those at the end of a clip, which count too, show nothing.
    rows = np.zeros([12, 3])
    for second in range(3):
        rows[4 * second + 1 : 4 * second + 4, second] = 1.0
    np.save(tmp_path / "features" / "rgb" / "v.npy", rows)
    changed = ["--model", folder, "--videos", "", "--features", tmp_path / "features"]
    result = call(*arguments, *changed, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "R@1 100.0 %" in result.output
    assert call(*arguments, *changed, "--rate", "rgb=4").exit_code == 0
    line = one_line(call(*arguments, *changed, "--rate", "rgb=1"))
    assert "trained on the features rgb (3 at 4 a second), but these are rgb (3 at 1 a" in line
    line = one_line(call(*arguments, *changed, "--rate", "2d=1"))
    assert "has no stream 2d; it has rgb" in line
