import json
import os

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
from tfx import types
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import artifact_utils, standard_artifacts

from components import artifacts
from components.clip_index import executor as index_executor
from components.hub_pusher import component, executor, kaggle
from models.hub_folder import version_folder


def _artifact(kind, uri):
    artifact = kind()
    artifact.uri = str(uri)
    uri.mkdir(parents=True, exist_ok=True)
    return artifact


@pytest.fixture
def model(colour_world, tmp_path):
    serving = tmp_path / "model" / "Format-Serving"
    colour_world.write_model(serving)
    (serving / "MODEL_CARD.md").write_text("# acme/howto\n")
    return _artifact(standard_artifacts.Model, tmp_path / "model")


def _push(tmp_path, model, blessed=None, handle=""):
    inputs = {"model": [model]}
    if blessed is not None:
        blessing = _artifact(standard_artifacts.ModelBlessing, tmp_path / "blessing")
        blessing.set_int_custom_property("blessed", blessed)
        inputs["model_blessing"] = [blessing]
    pushed = _artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
    executor.Executor().Do(
        inputs,
        {"pushed_model": [pushed]},
        {
            "hub": str(tmp_path / "hub"),
            "publisher": "acme",
            "model_name": "howto",
            "kaggle_handle": handle,
        },
    )
    return pushed


@pytest.mark.parametrize("blessed", [1, None])
def test_a_blessed_model_is_pushed_and_loads(tmp_path, model, blessed):
    pushed = _push(tmp_path, model, blessed)
    folder = pushed.get_string_custom_property("pushed_destination")
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_string_custom_property("pushed_version") == os.path.basename(folder)
    assert folder == version_folder(str(tmp_path / "hub" / "acme" / "howto"))
    assert os.path.isfile(f"{folder}/MODEL_CARD.md")
    assert os.path.isfile(f"{folder}.tar.gz")
    assert os.path.isfile(tmp_path / "pushed" / "saved_model.pb")
    loaded = hub.load(folder)
    embedding = loaded.signatures["text"](words=tf.constant(["red"]))["text_embedding"]
    assert embedding.numpy().tolist() == [[1.0, -1.0, -1.0]]


def test_a_model_that_is_not_blessed_is_not_pushed(tmp_path, model, monkeypatch):
    monkeypatch.setattr(kaggle, "check_access", lambda _: pytest.fail("nothing is to upload"))
    pushed = _push(tmp_path, model, blessed=0, handle="acme/howto/tensorFlow2/default")
    assert pushed.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "hub").exists()


def test_the_clip_index_takes_the_pushed_model(colour_world, tmp_path, model):
    pushed = _push(tmp_path, model, blessed=1)
    colour_world.write_clips(tmp_path / "clips" / "Split-eval", colour_world.captions)
    clips = _artifact(standard_artifacts.Examples, tmp_path / "clips")
    clips.split_names = artifact_utils.encode_split_names(["eval"])
    sampling = {"num_frames": 4, "frame_rate": 2.0, "image_size": 16, "num_windows": 1}
    index_executor.Executor().Do(
        {"pushed_model": [pushed], "clips": [clips]},
        {"index": [_artifact(artifacts.ClipIndex, tmp_path / "index")]},
        {"sampling": json.dumps({**sampling, "batch_size": 8})},
    )
    assert np.load(tmp_path / "index" / "embeddings.npy").shape == (len(colour_world.captions), 3)


def test_kaggle_is_checked_before_and_uploaded_to_after_the_push(tmp_path, model, monkeypatch):
    calls = []
    hub_directory = tmp_path / "hub" / "acme" / "howto"
    monkeypatch.setattr(
        kaggle, "check_access", lambda handle: calls.append((handle, hub_directory.exists()))
    )
    monkeypatch.setattr(kaggle, "upload", lambda *arguments: calls.append(arguments))
    handle = "acme/howto/tensorFlow2/default"
    pushed = _push(tmp_path, model, blessed=1, handle=handle)
    folder = pushed.get_string_custom_property("pushed_destination")
    version = os.path.basename(folder)
    assert calls == [(handle, False), (folder, handle, f"acme/howto, version {version}")]


def test_a_run_after_a_failed_upload_only_repeats_the_upload(tmp_path, model, monkeypatch):
    uploaded = []

    def fail_once(folder, *_):
        uploaded.append(folder)
        if len(uploaded) == 1:
            raise RuntimeError("Kaggle is down")

    monkeypatch.setattr(kaggle, "check_access", lambda _: None)
    monkeypatch.setattr(kaggle, "upload", fail_once)
    handle = "acme/howto/tensorFlow2/default"
    with pytest.raises(RuntimeError, match="Kaggle is down"):
        _push(tmp_path, model, blessed=1, handle=handle)
    pushed = _push(tmp_path, model, blessed=1, handle=handle)
    folder = pushed.get_string_custom_property("pushed_destination")
    assert uploaded == [folder, folder]
    version = os.path.basename(folder)
    assert sorted(os.listdir(tmp_path / "hub" / "acme" / "howto")) == [version, f"{version}.tar.gz"]


def test_nothing_is_pushed_where_an_upload_is_not_possible(tmp_path, model, monkeypatch):
    def refuse(_):
        raise RuntimeError("no credentials")

    monkeypatch.setattr(kaggle, "check_access", refuse)
    with pytest.raises(RuntimeError, match="no credentials"):
        _push(tmp_path, model, blessed=1, handle="acme/howto/tensorFlow2/default")
    assert not (tmp_path / "hub").exists()


def _component(**changed):
    arguments = {"hub": "runs/demo/hub", "publisher": "acme", "model_name": "howto", **changed}
    return component.HubPusher(
        model=types.Channel(type=standard_artifacts.Model),
        model_blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        **arguments,
    )


def test_component_takes_a_model_and_gives_a_pushed_one():
    pusher = _component()
    assert pusher.outputs["pushed_model"].type_name == "PushedModel"
    assert pusher.exec_properties == {
        "hub": "runs/demo/hub",
        "publisher": "acme",
        "model_name": "howto",
        "kaggle_handle": "",
    }


def test_the_hub_may_be_a_parameter_of_the_run():
    hub = RuntimeParameter(name="hub", ptype=str, default="gs://bucket/hub")
    taken = _component(hub=hub).exec_properties["hub"]
    assert (taken.name, taken.default) == ("hub", "gs://bucket/hub")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_name": "how to"}, "cannot be the name of a model"),
        ({"publisher": ".."}, "cannot be the name of a publisher"),
        ({"kaggle_handle": "acme/howto"}, "is not owner/model/framework/variation"),
        ({"kaggle_handle": "acme/howto/tensorFlow2/default/3"}, "Kaggle counts the versions"),
    ],
)
def test_names_that_cannot_be_served_are_refused_at_once(changed, message):
    with pytest.raises(ValueError, match=message):
        _component(**changed)
