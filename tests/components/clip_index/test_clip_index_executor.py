import json

import numpy as np
import pytest
from tfx import types
from tfx.types import artifact_utils, standard_artifacts

from components import artifacts
from components.clip_index import component, executor, search
from components.retrieval_evaluator.config import EvaluatorConfig

_SAMPLING = {
    "num_frames": 4,
    "frame_rate": 2.0,
    "image_size": 16,
    "num_windows": 2,
    "batch_size": 8,
}


def _artifact(kind, uri):
    artifact = kind()
    artifact.uri = str(uri)
    uri.mkdir(parents=True, exist_ok=True)
    return artifact


def _examples(uri, splits):
    examples = _artifact(standard_artifacts.Examples, uri)
    examples.split_names = artifact_utils.encode_split_names(splits)
    return examples


@pytest.fixture
def run(colour_world, tmp_path):
    def run(pushed, annotated=None):
        model = _artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
        model.set_int_custom_property("pushed", int(bool(pushed)))
        if pushed:
            model.set_string_custom_property("pushed_destination", pushed)
        captions = colour_world.captions
        colour_world.write_clips(tmp_path / "clips" / "Split-train", captions[:5])
        colour_world.write_clips(tmp_path / "clips" / "Split-eval", captions[5:7])
        inputs = {
            "clips": [_examples(tmp_path / "clips", ["train", "eval"])],
            "pushed_model": [model],
        }
        if annotated:
            colour_world.write_clips(tmp_path / "annotated" / "Split-eval", annotated)
            inputs["annotated_clips"] = [_examples(tmp_path / "annotated", ["eval"])]
        index = _artifact(artifacts.ClipIndex, tmp_path / "index")
        executor.Executor().Do(inputs, {"index": [index]}, {"sampling": json.dumps(_SAMPLING)})
        return tmp_path / "index"

    return run


def test_every_clip_of_every_split_is_found_by_its_caption(run, colour_world, tmp_path):
    pushed = colour_world.write_model(tmp_path / "hub" / "1")
    captions = colour_world.captions
    index = search.ClipIndex.load(run(pushed, annotated=captions[7:]))
    assert index.pushed_model == pushed
    assert index.embeddings.shape == (8, 3)
    assert [clip.split for clip in index.clips] == ["train"] * 5 + ["eval"] * 2 + ["annotated"]
    assert [clip.caption for clip in index.clips] == list(captions)
    query = search.embed_query(pushed, captions)
    found = [index.search(embedding, k=1)[0].caption for embedding in query.embeddings]
    assert found == list(captions)
    # The second clip of the training split is from second 10 to 15 of its video.
    (hit,) = index.search(query.embeddings[1], k=1)
    assert (hit.video_id, hit.start, hit.end) == ("v1", 10.0, 15.0)
    np.testing.assert_allclose(hit.score, 1.5, atol=0.02)


def test_clips_of_features_are_found_by_their_caption(colour_world, tmp_path):
    pushed = colour_world.write_feature_model(tmp_path / "hub" / "1")
    model = _artifact(standard_artifacts.PushedModel, tmp_path / "pushed")
    model.set_int_custom_property("pushed", 1)
    model.set_string_custom_property("pushed_destination", pushed)
    captions = colour_world.captions
    colour_world.write_features(tmp_path / "features" / "Split-train", captions[:5])
    colour_world.write_features(tmp_path / "annotated" / "Split-eval", captions[5:])
    inputs = {
        "features": [_examples(tmp_path / "features", ["train"])],
        "annotated_features": [_examples(tmp_path / "annotated", ["eval"])],
        "pushed_model": [model],
    }
    folder = _artifact(artifacts.ClipIndex, tmp_path / "index")
    executor.Executor().Do(inputs, {"index": [folder]}, {"sampling": "{}"})
    index = search.ClipIndex.load(tmp_path / "index")
    assert [clip.split for clip in index.clips] == ["train"] * 5 + ["annotated"] * 3
    query = search.embed_query(pushed, captions)
    hits = [index.search(embedding, k=1)[0] for embedding in query.embeddings]
    assert [hit.caption for hit in hits] == list(captions)
    np.testing.assert_allclose([hit.score for hit in hits], 1.0, atol=1e-6)


def test_nothing_pushed_gives_an_empty_index_that_says_so(run):
    folder = run(pushed="")
    assert sorted(path.name for path in folder.iterdir()) == ["clips.jsonl", "model.json"]
    with pytest.raises(search.ClipIndexError, match="no model was pushed by this run"):
        search.ClipIndex.load(folder)


def test_component_reads_features_instead_of_clips():
    examples = types.Channel(type=standard_artifacts.Examples)
    pushed = types.Channel(type=standard_artifacts.PushedModel)
    generator = component.ClipIndexGen(
        clips=examples, pushed_model=pushed, annotated_clips=examples, features=examples
    )
    assert set(generator.inputs) == {"features", "pushed_model"}
    assert generator.exec_properties["sampling"] == "{}"
    with pytest.raises(ValueError, match="needs clips or features"):
        component.ClipIndexGen(clips=None, pushed_model=pushed)


def test_component_keeps_only_the_sampling_for_its_cache_key():
    generator = component.ClipIndexGen(
        clips=types.Channel(type=standard_artifacts.Examples),
        pushed_model=types.Channel(type=standard_artifacts.PushedModel),
        config=EvaluatorConfig(recall_name="R@1", max_clips=3, **_SAMPLING),
    )
    assert json.loads(generator.exec_properties["sampling"]) == _SAMPLING
    assert generator.outputs["index"].type_name == "components.ClipIndex"
