"""The clips and words of the ablations, from a sample of a few seconds."""

import dataclasses
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from components.narrated_video_example_gen import ingest
from pipeline import configs
from pipeline.ablations import data, videos
from pipeline.sample_data import generate
from pipeline.sample_data.config import SampleConfig
from schemas import records

_PRESET = configs.with_overrides(
    configs.PRESETS["sample-ablation"], ["ingest.eval_fraction=0.25", "words.vector_size=8"]
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("sample") / "data"
    config = SampleConfig(num_videos=4, num_test_videos=1, steps_per_video=3)
    generate.write_sample_data(folder, config, workers=1)
    return folder


@pytest.fixture(scope="module")
def prepared(sample, tmp_path_factory) -> tuple[pathlib.Path, data.ClipSet]:
    """Returns the folder that keeps the clips, and the clips."""
    folder = tmp_path_factory.mktemp("clips")
    return folder, data.prepare(folder, videos.sample_videos(sample, 1), _PRESET, 33, workers=1)


def test_clips_store_as_many_captions_as_the_largest_bag(prepared):
    clips = prepared[1]
    num_train, num_test = clips.num_clips()
    assert num_train > 3
    assert num_test == 3
    assert len(clips.validation_files) == 1
    serialized = next(tf.data.TFRecordDataset(list(clips.train_files)).as_numpy_iterator())
    captions = records.parse_clip(tf.constant(serialized), 33)[records.CAPTION].numpy()
    # A transcript of so short a video ends long before; its last caption is repeated.
    assert len(set(captions)) < 8
    assert captions[-1] == captions[-2]


def test_words_are_those_of_the_train_split_most_frequent_first(prepared):
    clips = prepared[1]
    said = b" ".join(
        records.parse_clip(tf.constant(serialized), 1)[records.CAPTION].numpy()[0]
        for serialized in tf.data.TFRecordDataset(list(clips.train_files)).as_numpy_iterator()
    )
    spoken = said.decode().lower().split()
    assert set(clips.words) == set(spoken)
    counts = [spoken.count(word) for word in clips.words]
    assert counts == sorted(counts, reverse=True)
    assert clips.vectors.shape == (len(clips.words) + 1, 8)
    assert not clips.vectors[0].any()
    assert np.abs(clips.vectors[1:]).sum(axis=1).min() > 0


def test_what_was_read_is_kept(prepared, sample, monkeypatch):
    folder, clips = prepared

    def fail(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(ingest, "run_ingest", fail)
    found = videos.sample_videos(sample, 1)
    again = data.prepare(folder, found, _PRESET, 33, workers=1)
    assert again.fingerprint == clips.fingerprint
    assert again.train_files == clips.train_files
    longer = configs.with_overrides(_PRESET, ["ingest.min_clip_seconds=6"])
    with pytest.raises(AssertionError, match="read again"):
        data.prepare(folder, found, longer, 33, workers=1)


def test_without_annotated_videos_the_eval_split_is_scored(sample, tmp_path):
    alone = videos.Videos(str(sample / generate.VIDEOS))
    clips = data.prepare(tmp_path, alone, _PRESET, 1, workers=1)
    assert clips.test_files == clips.validation_files
    assert clips.name == "clips of the eval split"


def test_nothing_to_score_on_is_one_clear_error(sample, tmp_path):
    alone = videos.Videos(str(sample / generate.VIDEOS))
    whole = configs.with_overrides(_PRESET, ["ingest.eval_fraction=0"])
    with pytest.raises(ValueError, match="no clips to score on: give annotated test videos, or"):
        data.prepare(tmp_path, alone, whole, 1, workers=1)


def test_sample_of_any_size_is_taken_as_it_is(sample):
    before = sorted(path.name for path in (sample / generate.VIDEOS).iterdir())
    found = videos.sample_videos(sample, 1)
    assert sorted(path.name for path in (sample / generate.VIDEOS).iterdir()) == before
    assert found.test_annotations == str(sample / "test" / "annotations.csv")


def test_missing_sample_is_made(tmp_path, monkeypatch):
    small = SampleConfig(num_videos=1, num_test_videos=0, steps_per_video=1)
    monkeypatch.setattr(videos, "SampleConfig", lambda: small)
    told = []
    found = videos.sample_videos(tmp_path / "new", 1, lambda *numbers: told.append(numbers))
    assert pathlib.Path(found.narrated, "metadata.csv").exists()
    assert told == [(1, 1)]


def test_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(generate.SampleDataError, match="something else than a sample"):
        videos.sample_videos(tmp_path, 1)


def test_videos_become_options_of_a_run():
    found = videos.Videos("my videos", "test", "a.csv")
    assert found.options() == "--videos 'my videos' --test-videos test --test-annotations a.csv"
    assert dataclasses.replace(found, test="", test_annotations="").options() == (
        "--videos 'my videos'"
    )
    with pytest.raises(ValueError, match="must be given together"):
        videos.Videos("v", test="t")
