"""The options of `howto100m run` that say where a model is pushed to."""

import json
import sys

import pytest
from click.testing import CliRunner

from pipeline import cli, configs, local_runner
from pipeline import pipeline as pipeline_lib

_HANDLE = "acme/howto/tensorFlow2/default"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Returns a function that gives options to `howto100m run`, which is not to get beyond them."""
    (tmp_path / "videos").mkdir()
    monkeypatch.setattr(local_runner, "run", lambda _: pytest.fail("it ran"))

    def invoke(*options):
        videos, output = str(tmp_path / "videos"), str(tmp_path / "out")
        arguments = ["run", "--videos", videos, "--output", output, *options]
        result = CliRunner().invoke(cli.main, arguments)
        assert not (tmp_path / "out").exists()
        return result

    return invoke


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--publisher", "../acme"], "'../acme' cannot be the name of a publisher"),
        (["--model-name", "a/b"], "'a/b' cannot be the name of a model"),
        (["--kaggle", "acme/howto"], "'acme/howto' is not owner/model/framework/variation"),
    ],
)
def test_a_name_that_cannot_be_one_is_one_clear_line(run, options, message):
    result = run(*options)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_a_hub_that_cannot_be_written_to_is_one_clear_line(run, tmp_path):
    (tmp_path / "file").write_text("x")
    result = run("--hub", str(tmp_path / "file" / "hub"))
    assert result.exit_code == 1
    assert result.output == (
        f"Error: --hub {tmp_path}/file/hub: {tmp_path}/file is not a folder that can be written "
        f"to; give another one\n"
    )


def test_a_hub_on_the_web_is_one_clear_line(run):
    result = run("--hub", "https://tfhub.dev/acme")
    assert result.exit_code == 1
    assert result.output == (
        "Error: --hub https://tfhub.dev/acme: nothing can be pushed to an address of the web; give "
        "a folder, or an address such as gs://BUCKET/hub, and `howto100m hub serve` it\n"
    )


def test_a_missing_credential_is_one_clear_line(run, no_credentials):
    pytest.importorskip("kagglehub", reason="the extra `kaggle` is not installed")
    result = run("--kaggle", _HANDLE)
    assert result.exit_code == 1
    assert result.output.startswith(
        f"Error: no model can be uploaded as {_HANDLE} without credentials: set KAGGLE_API_TOKEN"
    )
    assert len(result.output.splitlines()) == 1


def test_a_missing_kagglehub_is_one_clear_line(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    result = run("--kaggle", _HANDLE)
    assert result.exit_code == 1
    assert "install the extra `kaggle`" in result.output


def test_the_pipeline_pushes_to_the_hub_and_indexes_by_what_was_pushed(tmp_path):
    options = configs.RunOptions(
        videos="videos",
        output=str(tmp_path / "out"),
        preset="sample",
        publisher="acme",
        hub="gs://bucket/hub",
        kaggle_handle=_HANDLE,
    )
    options.save(tmp_path / "run.json")
    config = configs.load_run(tmp_path / "run.json")
    nodes = {node.id: node for node in pipeline_lib.create_pipeline(config).components}
    assert "Pusher" not in nodes
    pusher = nodes["HubPusher"]
    assert pusher.exec_properties == {
        "hub": "gs://bucket/hub",
        "publisher": "acme",
        "model_name": "mil-nce-s3d",
        "kaggle_handle": _HANDLE,
    }
    assert nodes["ClipIndexGen"].inputs["pushed_model"] is pusher.outputs["pushed_model"]
    evaluated = json.loads(nodes["RetrievalEvaluator"].exec_properties["config"])
    assert evaluated["hub_directory"] == "gs://bucket/hub/acme/mil-nce-s3d"
