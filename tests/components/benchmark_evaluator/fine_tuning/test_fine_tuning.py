import dataclasses
import json
import os
import shutil

import apache_beam as beam
import av
import keras
import numpy as np
import pytest
import tensorflow as tf

from components import beam_engine
from components.benchmark_evaluator import evaluate
from components.benchmark_evaluator.benchmarks import find_benchmark
from components.benchmark_evaluator.fine_tuning import (
    labelled_clips,
    readable_videos,
    training,
)
from components.benchmark_evaluator.fine_tuning.config import FineTuningConfig
from components.narrated_video_example_gen.video import VideoError
from components.trainer.config import ModelConfig, TrainingConfig
from components.trainer.milnce_training import build_model
from models.export import export_text_video_model

_WINDOW = {"num_frames": 4, "frame_rate": 5.0, "image_size": 32}
_WORDS = ["red", "blue"]


def local_pipeline(num_workers=1):
    return beam.Pipeline(argv=beam_engine.engine_arguments((), num_workers))


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """Returns the folder of a small pushed model: random weights, statistics of coloured frames."""
    config = ModelConfig(width=0.125, text_hidden_size=8, embedding_size=8)
    vectors = np.zeros([3, 300], np.float32)
    folder = tmp_path_factory.mktemp("pushed")
    # Not every draw of weights tells the colours apart.
    keras.utils.set_random_seed(0)
    model = build_model(config, TrainingConfig(), vectors)
    colours = np.random.default_rng(0).random([8, 1, 1, 1, 3], np.float32)
    for _ in range(30):
        model.video_tower(np.broadcast_to(colours, [8, 4, 32, 32, 3]), training=True)
    export_text_video_model(model, folder, _WORDS, config.max_words, dataclasses.asdict(config))
    return str(folder)


@pytest.fixture(scope="module")
def videos(tmp_path_factory, colour_world):
    """Returns the files of four red and four blue videos, and their classes."""
    folder = tmp_path_factory.mktemp("videos")
    return [
        (str(colour_world.write_video(folder / f"{colour}{n}.mp4", [f"{colour} paint"])), label)
        for n in range(4)
        for label, colour in enumerate(("red", "blue"))
    ]


def _clips(videos, seed=0, batch_size=3):
    return labelled_clips.LabelledClips(videos, **_WINDOW, batch_size=batch_size, seed=seed)


def test_a_pass_takes_each_video_once_and_drops_the_rest(videos):
    clips = _clips(videos)
    assert len(clips) == 2
    batches = list(clips.batches(0, workers=2))
    assert [frames.shape for frames, _ in batches] == [(3, 4, 32, 32, 3)] * 2
    for frames, labels in batches:
        # Red videos are class 0, blue ones class 1.
        reds, blues = frames[..., 0].mean(axis=(1, 2, 3)), frames[..., 2].mean(axis=(1, 2, 3))
        assert ((blues > reds) == (labels == 1)).all()


def test_batches_are_a_function_of_seed_and_pass(videos):
    def labels(seed, number):
        return [part.tolist() for _, part in _clips(videos, seed).batches(number, workers=1)]

    first = next(_clips(videos).batches(3, workers=1))[0]
    again = next(_clips(videos).batches(3, workers=2))[0]
    np.testing.assert_array_equal(first, again)
    assert len({str(labels(0, number)) for number in range(6)}) > 1
    assert any(labels(0, number) != labels(1, number) for number in range(6))


def test_windows_lie_anywhere_in_the_video(tmp_path, colour_world):
    path = str(colour_world.write_video(tmp_path / "a.mp4", ["red paint", "blue paint"]))
    early, late = (
        labelled_clips.random_window(path, 4, 5.0, 32, lambda draw=draw: draw)
        for draw in (0.0, 0.999)
    )
    assert early.shape[0] == late.shape[0] == 4
    assert early[..., 0].mean() > 200 > 50 > late[..., 0].mean()


def test_a_video_shorter_than_the_window_is_filled_up_and_a_broken_one_read_from_its_start(
    tmp_path, colour_world
):
    path = colour_world.write_video(tmp_path / "a.mp4", ["red paint"], seconds=1)
    window = labelled_clips.random_window(str(path), 8, 5.0, 32, lambda: 0.5)
    assert (window.max(axis=(1, 2, 3)) > 0).tolist() == [True] * 5 + [False] * 3
    whole = colour_world.write_video(tmp_path / "b.mkv", ["red paint"] * 10, seconds=2).read_bytes()
    broken = tmp_path / "c.mkv"
    broken.write_bytes(whole[: len(whole) // 3])
    window = labelled_clips.random_window(str(broken), 4, 5.0, 32, lambda: 0.999)
    assert window[0].max() > 200
    assert labelled_clips.unreadable(str(broken)) is None
    (tmp_path / "d.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"is not a video, .*: .*/d\.mp4$"):
        labelled_clips.random_window(str(tmp_path / "d.mp4"), 4, 5.0, 32, lambda: 0.5)


def _one_frame(path, colour_world):
    return colour_world.write_video(path, ["red paint"], seconds=1, rate=1)


def _no_second_frame(path, colour_world):
    """A video whose header and first frame are good, and of which nothing else decodes."""
    colour_world.write_video(path, ["red paint", "blue paint"])
    data = path.read_bytes()
    with av.open(str(path)) as container:
        second = [packet.pos for packet in container.demux(video=0) if packet.size][1]
    path.write_bytes(data[: second + 4])
    return path


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("a.mp4", lambda path, _: path.write_bytes(b"no video"), "not_a_video"),
        ("a.mp4", lambda path, _: path.write_bytes(b""), "empty_file"),
        ("a.mkv", _one_frame, "one_frame"),
        ("a.mkv", _no_second_frame, "one_frame"),
    ],
)
def test_a_video_of_which_no_window_can_be_cut_says_why(
    tmp_path, colour_world, name, write, reason
):
    path = tmp_path / name
    write(path, colour_world)
    problem = labelled_clips.unreadable(str(path))
    assert problem[0] == reason
    assert problem[1].endswith(f": {path}")
    # It is what a training would trip over.
    with pytest.raises(VideoError, match=rf": {path}$"):
        labelled_clips.random_window(str(path), 4, 5.0, 32, lambda: 0.5)


def test_files_are_looked_at_once_until_they_change(videos, tmp_path, monkeypatch):
    looked = []

    def look(path):
        looked.append(path)
        return labelled_clips.unreadable(path)

    monkeypatch.setattr(readable_videos, "unreadable", look)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    paths = [path for path, _ in videos] + [str(broken)]
    kept = str(tmp_path / "store" / "readable.txt")
    told = []

    def find():
        looked.clear()
        return readable_videos.find_unreadable(paths, kept, 2, lambda *done: told.append(done))

    problems = find()
    assert {path: problem[0] for path, problem in problems.items()} == {str(broken): "not_a_video"}
    assert sorted(looked) == sorted(paths)
    assert (told[0], told[-1]) == ((1, 9), (9, 9))
    # The broken one may be there the next time.
    assert find() == problems
    assert looked == [str(broken)]
    shutil.copy(paths[0], broken)
    assert find() == {}
    assert find() == {}
    assert looked == []
    # A line that a kill cut off is one file to look at.
    text = (tmp_path / "store" / "readable.txt").read_text()
    (tmp_path / "store" / "readable.txt").write_text(text[:-10])
    assert find() == {}
    assert len(looked) == 1


def _train(pushed, videos, work, say=str, **settings):
    config = FineTuningConfig(**{"epochs": 2, "batch_size": 4, **settings})
    return training.train_classifier(pushed, videos, 2, config, **_WINDOW, work=str(work), say=say)


@pytest.fixture(scope="module")
def trained(pushed, videos, tmp_path_factory):
    """Returns where a training worked, the folder of its classifier, and what it said."""
    work, said = tmp_path_factory.mktemp("trained"), []
    return work, _train(pushed, videos, work, said.append), said


class _BegunError(Exception):
    """A training has begun."""


@pytest.fixture
def at_first_batch(monkeypatch):
    """Ends a training at its first batch, which takes less time than the training."""

    def batches(*_):
        raise _BegunError

    monkeypatch.setattr(labelled_clips.LabelledClips, "batches", batches)


def _weights(folder):
    return [variable.numpy() for variable in tf.saved_model.load(folder).variables]


@pytest.mark.slow
def test_training_moves_the_tower_unless_it_is_frozen(pushed, videos, trained, tmp_path):
    start = _weights(pushed)
    tuned = _weights(trained[1])
    frozen = _weights(_train(pushed, videos, tmp_path, freeze_tower=True))
    assert not np.array_equal(tuned[0], start[0])
    np.testing.assert_array_equal(frozen[0], start[0])


@pytest.mark.slow
def test_a_training_that_was_cut_off_ends_with_the_same_weights(
    pushed, videos, tmp_path, monkeypatch
):
    whole = _weights(_train(pushed, videos, tmp_path / "whole", epochs=3))
    said = []

    def cut(line):
        said.append(line)
        if len(said) == 2:
            raise KeyboardInterrupt

    config = FineTuningConfig(epochs=3, batch_size=4)
    arguments = (pushed, videos, 2, config)
    with pytest.raises(KeyboardInterrupt):
        training.train_classifier(*arguments, **_WINDOW, work=str(tmp_path / "cut"), say=cut)
    folder = training.train_classifier(
        *arguments, **_WINDOW, work=str(tmp_path / "cut"), say=said.append
    )
    assert [line.partition(":")[0] for line in said] == [
        "pass 1 of 3",
        "pass 2 of 3",
        "pass 3 of 3",
    ]
    for ours, theirs in zip(_weights(folder), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_what_was_trained_is_not_trained_again(pushed, videos, trained, at_first_batch):
    work, folder, said = trained
    assert [line.partition(":")[0] for line in said] == ["pass 1 of 2", "pass 2 of 2"]
    assert _train(pushed, videos, work) == folder
    with pytest.raises(_BegunError):
        _train(pushed, videos, work, seed=1)


@pytest.mark.slow
def test_another_file_in_the_place_of_a_video_is_trained_on_anew(
    pushed, videos, trained, at_first_batch
):
    work, folder, _ = trained
    path = videos[3][0]
    before = os.stat(path)
    try:
        os.utime(path, ns=(1, 1))
        with pytest.raises(_BegunError):
            _train(pushed, videos, work)
    finally:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _train(pushed, videos, work) == folder


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused_by_its_name(seed):
    with pytest.raises(ValueError, match=f"protocol.seed is {seed}; it must be from 0 to 42949"):
        FineTuningConfig(seed=seed)


def test_a_model_without_a_tower_and_a_single_class_are_refused(
    pushed, videos, tmp_path, colour_world
):
    with pytest.raises(ValueError, match="at least two classes"):
        _train(pushed, videos[::2], tmp_path)
    foreign = colour_world.write_model(tmp_path / "foreign")
    with pytest.raises(ValueError, match=r"does not describe the model.*import-hub"):
        _train(foreign, videos, tmp_path)
    gated = colour_world.write_feature_model(tmp_path / "gated")
    with pytest.raises(ValueError, match="is a gated model"):
        _train(gated, videos, tmp_path)


def _hmdb51(path, rows):
    path.write_text("video_id,label,split1,split2,split3\n" + "".join(f"{row}\n" for row in rows))
    return str(path)


@pytest.mark.slow
def test_a_benchmark_is_fine_tuned_on_each_split(pushed, videos, tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    rows = []
    for number, (path, label) in enumerate(videos):
        shutil.copy(path, folder / f"v{number}.mp4")
        parts = (2, 1, 1) if number >= 6 else (1, 2, 1) if number >= 4 else (1, 1, 2)
        rows.append(f"v{number}.avi,{('red', 'blue')[label]}_test,{','.join(map(str, parts))}")
    rows.append("gone.avi,red_test,1,1,1")
    (folder / "broken.mp4").write_bytes(b"no video")
    rows.append("broken.avi,red_test,2,1,1")
    settings = find_benchmark("hmdb51_fine_tuning").defaults.replaced(
        {
            "frames": {"num_frames": 4, "frame_rate": 5.0, "image_size": 32},
            # Even random weights tell two colours apart, and a frozen tower keeps its statistics.
            "protocol": {
                "epochs": 12,
                "batch_size": 4,
                "num_windows": 2,
                "learning_rate": 0.5,
                "dropout": 0.0,
                "freeze_tower": True,
                "splits": 2,
            },
        }
    )
    request = evaluate.Request(
        "hmdb51_fine_tuning",
        pushed,
        _hmdb51(tmp_path / "hmdb51.csv", rows),
        str(folder),
        "",
        settings,
    )
    said = []
    result = evaluate.evaluate(request, str(tmp_path / "store"), local_pipeline, say=said.append)
    content = result.content
    assert content["metrics"] == {"top_1": 1.0, "top_1_split_1": 1.0, "top_1_split_2": 1.0}
    assert [split["num_test"] for split in content["details"]["splits"]] == [2, 2]
    assert content["items"]["annotated"] == 10
    assert content["items"]["scored"] == 8
    assert content["items"]["failed_by_reason"] == {"missing_file": 1, "not_a_video": 1}
    assert not content["comparable"]
    assert len(said) == 24
    json.dumps(content, allow_nan=False)


def test_features_cannot_be_fine_tuned_on(pushed, tmp_path):
    settings = find_benchmark("kinetics700").defaults
    (tmp_path / "train.csv").write_text(
        "label,youtube_id,time_start,time_end,split\nred,aaaaaaaaaaa,0,10,train\n"
    )
    request = evaluate.Request(
        "kinetics700", pushed, f"train={tmp_path}/train.csv", "", str(tmp_path), settings
    )
    with pytest.raises(ValueError, match="fine-tuned on videos, not on their features"):
        evaluate.evaluate(request, str(tmp_path / "store"), local_pipeline)
