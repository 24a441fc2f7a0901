"""Whole evaluations in the world of colours, whose figures are known."""

import dataclasses
import json
import shutil

import apache_beam as beam
import numpy as np
import pytest

from components import beam_engine
from components.benchmark_evaluator import benchmarks
from components.benchmark_evaluator.evaluate import Request, evaluate, model_folder
from components.narrated_video_example_gen.manifest import ManifestError
from components.retrieval_evaluator.text_video_model import ModelError

# A window of 0.4 s of small frames.
FRAMES = {"num_frames": 4, "frame_rate": 10.0, "image_size": 24}
RED, GREEN, BLUE, BLACK = "red paint", "green paint", "blue paint", "nothing but paint"


@pytest.fixture(scope="module")
def models(colour_world, tmp_path_factory):
    """Paths of a model of frames, one that is wrong in all it says, and one of features."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "frames": colour_world.write_model(folder / "frames"),
        "wrong": colour_world.write_model(folder / "wrong", sign=-1.0),
        "features": colour_world.write_feature_model(folder / "features"),
    }


@pytest.fixture
def request_of(tmp_path, models):
    """Makes a request with the videos in `tmp_path`/videos; what is given is changed."""

    def make(benchmark, annotations, frames=None, protocol=None, **changed):
        values = {"frames": frames or FRAMES, "protocol": protocol or {}}
        request = Request(
            benchmark=benchmark,
            model=models["frames"],
            annotations=str(annotations),
            videos=str(tmp_path / "videos"),
            features="",
            settings=benchmarks.find_benchmark(benchmark).defaults.replaced(values),
        )
        return dataclasses.replace(request, **changed)

    return make


def local_pipeline():
    return beam.Pipeline(argv=beam_engine.engine_arguments((), 1))


def run(request, tmp_path, **arguments):
    return evaluate(request, str(tmp_path / "store"), local_pipeline, **arguments)


def again(request, tmp_path):
    """Evaluates once more and fails if anything is embedded."""
    return evaluate(request, str(tmp_path / "store"), lambda: pytest.fail("it is kept already"))


def written(result, folder):
    """Writes a result and returns what its two files hold; NaN and infinity are no JSON."""
    result.write(str(folder))
    content = json.loads(
        (folder / "result.json").read_text(), parse_constant=lambda name: pytest.fail(name)
    )
    failures = [json.loads(line) for line in (folder / "failures.jsonl").read_text().splitlines()]
    assert {path.name for path in folder.iterdir()} == {"result.json", "failures.jsonl"}
    return content, failures


@pytest.fixture
def painted_clips(colour_world, tmp_path):
    """A CSV of the eight colours, nearly a second each, in two videos."""
    rows = ["video_id,start,end,caption"]
    for video in range(2):
        shown = colour_world.captions[4 * video :][:4]
        colour_world.write_video(tmp_path / "videos" / "deep" / f"v{video}.mp4", shown, seconds=1)
        rows += [f"v{video},{start},{start + 0.9},{said}" for start, said in enumerate(shown)]
    path = tmp_path / "clips.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_own_clips(request_of, models, painted_clips, tmp_path):
    request = request_of("csv", painted_clips)
    told = []
    result = run(request, tmp_path, progress=lambda *done: told.append(done))
    assert result.content["metrics"] == {"R@1": 1.0, "R@5": 1.0, "R@10": 1.0, "median_rank": 1.0}
    assert result.content["details"]["video_to_text"]["R@1"] == 1.0
    assert result.content["items"]["scored"] == 8
    assert result.failures == []
    assert (told[0], told[-1]) == ((0, 2), (2, 2))
    assert again(request, tmp_path).content == result.content
    # Each clip is last of the eight for a model that turns everything round.
    wrong = run(dataclasses.replace(request, model=models["wrong"]), tmp_path)
    assert wrong.content["metrics"] == {"R@1": 0.0, "R@5": 0.0, "R@10": 1.0, "median_rank": 8.0}


def test_other_settings_of_the_score_embed_nothing_anew(request_of, painted_clips, tmp_path):
    run(request_of("csv", painted_clips), tmp_path)
    changed = request_of("csv", painted_clips, {**FRAMES, "batch_size": 3}, {"ties": "optimistic"})
    assert again(changed, tmp_path).content["metrics"]["R@1"] == 1.0


def test_what_is_written_is_json_and_has_all_settings(
    colour_world, request_of, models, painted_clips, tmp_path
):
    with painted_clips.open("a") as stream:
        stream.write(f"away,0,3,{RED}\nv1,9,10,{RED}\nv1,2,1,{RED}\n")
    (tmp_path / "videos" / "broken.mp4").write_text("no video")
    with painted_clips.open("a") as stream:
        stream.write(f"broken,0,1,{RED}\n")
    request = request_of("csv", painted_clips, {**FRAMES, "batch_size": 3}, {"num_windows": 2})
    content, failures = written(run(request, tmp_path), tmp_path / "result")
    assert content["benchmark"] == "csv"
    assert content["headline"] == "R@10"
    assert content["metrics"]["R@1"] == 1.0
    items = content["items"]
    assert (items["annotated"], items["found"], items["scored"]) == (12, 10, 8)
    assert items["failed"] == 4
    assert items["failed_by_reason"] == dict.fromkeys(
        ["bad_segment", "missing_file", "no_frames", "not_a_video"], 1
    )
    assert items["first_failed"] == failures
    assert sorted(failure["item"].split()[0] for failure in failures) == [
        "away",
        "broken",
        "v1",
        "v1",
    ]
    assert content["settings"] == request.settings.as_dict()
    assert content["settings"]["frames"]["output"] == "video_embedding"
    assert content["settings"]["frames"]["batch_size"] == 3
    assert content["settings"]["protocol"]["num_windows"] == 2
    assert content["changed_settings"] == [
        "frames.num_frames=4",
        "frames.image_size=24",
        "protocol.num_windows=2",
    ]
    assert content["comparable"] is False
    reasons = content["not_comparable_because"]
    assert reasons[0] == "8 of 12 clips were scored, so others were scored on more."
    assert "Settings differ from the papers': frames.num_frames=4" in reasons[-1]
    assert content["model"]["path"] == content["model"]["source"] == models["frames"]
    assert content["protocol"]["name"] == "zero-shot-retrieval"
    assert "2 windows of 4 frames" in content["protocol"]["in_words"]
    assert content["num_ties"] == content["details"]["num_ties"] == 0
    assert content["inputs"] == {
        "annotations": str(painted_clips),
        "video_list_sha256": None,
        "videos": str(tmp_path / "videos"),
        "features": "",
        "streams": [],
    }


def test_a_video_that_was_missing_is_embedded_later(colour_world, request_of, tmp_path):
    colour_world.write_video(tmp_path / "videos" / "a.mp4", [RED, BLUE], seconds=1)
    (tmp_path / "clips.csv").write_text(
        f"video_id,start,end,caption\na,0,1,{RED}\na,1,2,{BLUE}\nb,0,1,{GREEN}\n"
    )
    request = request_of("csv", tmp_path / "clips.csv")
    assert run(request, tmp_path).content["items"]["scored"] == 2
    (tmp_path / "videos" / "b.mp4").write_text("is being copied")
    assert run(request, tmp_path).failures[0].reason == "not_a_video"
    colour_world.write_video(tmp_path / "videos" / "b.mp4", [GREEN], seconds=1)
    content = run(request, tmp_path).content
    assert (content["items"]["scored"], content["metrics"]["R@1"]) == (3, 1.0)


@pytest.fixture
def painted_features(painted_clips, tmp_path):
    """The features of the same videos: one frame of each colour, in two streams."""
    for video, captions in (("v0", range(4)), ("v1", range(4, 8))):
        # A row for each second, red, green and blue as the bits of the captions' numbers.
        flat = [[number >> 2 & 1, number >> 1 & 1] for number in captions]
        deep = [[number & 1] for number in captions]
        for stream, rows in (("my-2d", flat), ("colour-3d", deep)):
            (tmp_path / "features" / stream).mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / "features" / stream / f"{video}.npy", np.float16(rows))
    return tmp_path / "features"


def test_own_clips_by_features(request_of, models, painted_clips, painted_features, tmp_path):
    layout = [{"name": "2d", "rate": 1.0, "size": 2}, {"name": "3d", "rate": 1.0, "size": 1}]
    (tmp_path / "model").mkdir()
    request = request_of(
        "csv",
        painted_clips,
        model=models["features"],
        videos="",
        features=str(painted_features),
        feature_rates={"3d": 1.0},
    )
    with pytest.raises(ModelError, match=r"trained on .* 3d \(1 at 1\.5 .*are .* 3d \(1 at 1 a"):
        run(request, tmp_path)
    model = retold(models["features"], tmp_path / "told", layout)
    request = dataclasses.replace(request, model=model, feature_rates={})
    result = run(request, tmp_path)
    assert result.content["metrics"]["R@1"] == 1.0
    assert result.content["items"]["scored"] == 8
    assert result.content["inputs"]["streams"] == layout
    assert result.content["settings"]["frames"] is None
    assert result.content["settings"]["protocol"]["num_windows"] is None
    assert result.content["changed_settings"] == []
    assert "Features made elsewhere" in result.content["not_comparable_because"][-1]
    assert again(request, tmp_path).content == result.content
    (painted_features / "colour-3d" / "v1.npy").unlink()
    content = run(request, tmp_path).content
    assert (content["items"]["found"], content["items"]["scored"]) == (4, 4)
    assert content["items"]["failed_by_reason"] == {"missing_file": 4}


def retold(model, folder, layout):
    """Returns a copy of a model that says it was trained on another layout."""
    from models import description

    shutil.copytree(model, folder)
    told = description.read_description(model)
    description.write_description(folder, dataclasses.replace(told, features=layout))
    return str(folder)


@pytest.fixture
def crosstask_release(colour_world, tmp_path):
    """Three videos of two tasks; in the last one "blue paint" is annotated where it is not."""
    folder = tmp_path / "release"
    (folder / "annotations").mkdir(parents=True)
    (folder / "tasks_primary.txt").write_text(
        f"7\nPaint\nhttp://x\n2\n{RED},{BLUE}\n\n8\nPaint More\nhttp://x\n2\n{GREEN},{BLUE}\n"
    )
    (folder / "tasks_related.txt").write_text("9\nMake Coffee\nhttp://x\n1\ngrind\n")
    (folder / "videos.csv").write_text("7,a,x\n7,b,x\n8,c,x\n9,d,x\n")
    (folder / "videos_val.csv").write_text("8,e,x\n")
    (folder / "annotations" / "7_a.csv").write_text("1,0,2\n2,4,6\n")
    (folder / "annotations" / "7_b.csv").write_text("1,0,2\n")
    (folder / "annotations" / "8_c.csv").write_text("1,2,4\n2,0,1\n")
    (folder / "annotations" / "8_e.csv").write_text("1,2,4\n")
    for name in "abc":
        colour_world.write_video(tmp_path / "videos" / f"{name}.mp4", [RED, GREEN, BLUE], seconds=2)
    return folder


def test_crosstask(request_of, crosstask_release, tmp_path):
    request = request_of("crosstask", crosstask_release, protocol={"test_videos": "all_annotated"})
    result = run(request, tmp_path)
    content = result.content
    assert content["details"]["recall_by_task"] == {"Paint": 1.0, "Paint More": 0.5}
    assert content["metrics"] == {"average_recall": 0.75}
    assert (content["items"]["annotated"], content["items"]["scored"]) == (4, 3)
    assert content["items"]["failed_by_reason"] == {"missing_file": 1}
    assert content["changed_settings"][-1] == "protocol.test_videos=all_annotated"
    assert again(request, tmp_path).content == content
    # The same rows, scored in another way.
    other = request_of(
        "crosstask",
        crosstask_release,
        protocol={"test_videos": "all_annotated", "scoring": "howto_crosstask"},
    )
    assert again(other, tmp_path).content["metrics"]["average_recall"] == pytest.approx(0.75, 1e-4)


def test_crosstask_of_a_list_of_videos(request_of, crosstask_release, tmp_path):
    (tmp_path / "list.txt").write_text("c\n")
    protocol = {"test_videos": "list", "video_list": str(tmp_path / "list.txt")}
    content = run(request_of("crosstask", crosstask_release, protocol=protocol), tmp_path).content
    assert content["metrics"] == {"average_recall": 0.5}
    assert content["items"]["annotated"] == 1
    # sha256sum of the list.
    assert content["inputs"]["video_list_sha256"] == "a3a5e715f0cc574a"
    assert content["num_ties"] is None


def test_a_draw_that_leaves_no_video_says_so(request_of, crosstask_release, tmp_path):
    with pytest.raises(ManifestError, match=r"release has no video to score with these settings"):
        run(request_of("crosstask", crosstask_release), tmp_path)


def test_hmdb51(colour_world, request_of, tmp_path):
    shown = {"r1": RED, "r2": RED, "r#3 [x]": RED, "b1": BLUE, "b2": BLUE, "odd": BLUE}
    for name, colour in shown.items():
        colour_world.write_video(tmp_path / "videos" / f"{name}.avi", [colour], seconds=1)
    (tmp_path / "hmdb51.csv").write_text(
        "video_id,label,split1,split2,split3\n"
        "r1.avi,red_test,1,2,1\nr2.avi,red_test,2,1,0\nr#3 [x].avi,red_test,2,2,2\n"
        "b1.avi,blue_test,1,1,1\nb2.avi,blue_test,2,2,2\nodd.avi,red_test,0,0,2\n"
    )
    frames = {"num_frames": 4, "image_size": 24}
    request = request_of("hmdb51", tmp_path / "hmdb51.csv", frames, {"num_windows": 3})
    content = run(request, tmp_path).content
    # Of the third split's tests one shows blue and is annotated as red.
    assert content["metrics"] == {
        "top_1": pytest.approx((1 + 1 + 2 / 3) / 3),
        "top_1_split_1": 1.0,
        "top_1_split_2": 1.0,
        "top_1_split_3": pytest.approx(2 / 3),
    }
    assert content["settings"]["frames"]["frame_rate"] is None
    assert content["settings"]["frames"]["output"] == "mixed_5c"
    assert (content["items"]["annotated"], content["items"]["scored"]) == (6, 6)
    assert "figures are published for 6,766" in content["not_comparable_because"][0]
    assert again(request, tmp_path).content == content


def test_hmdb51_by_features_needs_no_model(request_of, tmp_path):
    (tmp_path / "features" / "rgb").mkdir(parents=True)
    rows = []
    for number, side in enumerate([-1.0, 1.0, -1.0, 1.0]):
        name = f"v{number}"
        np.save(tmp_path / "features" / "rgb" / f"{name}.npy", np.full([5, 2], side))
        part = 1 if number < 2 else 2
        rows.append(f"{name}.avi,{'left' if side < 0 else 'right'}_test,{part},{part},{part}")
    (tmp_path / "hmdb51.csv").write_text("\n".join(["video_id,label,split1,split2,split3", *rows]))
    request = request_of(
        "hmdb51",
        tmp_path / "hmdb51.csv",
        model="",
        videos="",
        features=str(tmp_path / "features"),
    )
    content, _ = written(run(request, tmp_path), tmp_path / "result")
    assert content["metrics"]["top_1"] == 1.0
    assert content["model"] == {"source": "", "path": "", "name": ""}
    assert content["inputs"]["streams"] == [{"name": "rgb", "rate": 1.0, "size": 2}]
    assert "Features made elsewhere" in content["not_comparable_because"][-1]


def test_coin(colour_world, request_of, tmp_path):
    def video(name, subset, *shown):
        colour_world.write_video(tmp_path / "videos" / f"{name}.mp4", shown, seconds=2)
        numbers = {RED: 1, BLUE: 2}
        steps = [
            {"id": numbers[colour], "label": colour, "segment": [2.0 * place, 2.0 * place + 2]}
            for place, colour in enumerate(shown)
            if colour in numbers
        ]
        length = 2.0 * len(shown)
        times = {"duration": length, "start": 0.0, "end": length}
        return {name: {"subset": subset, "class": "Paint", "annotation": steps, **times}}

    database = {
        **video("a", "training", BLACK, RED, GREEN, BLUE),
        **video("b", "training", BLUE, GREEN, RED, BLACK),
        **video("c", "testing", RED, BLACK, BLUE),
        **video("d", "testing", GREEN, BLUE),
    }
    (tmp_path / "COIN.json").write_text(json.dumps({"database": database}))
    protocol = {"clip_seconds": 1.0, "position_size": 0, "epochs": 100, "learning_rate": 0.1}
    request = request_of("coin", tmp_path / "COIN.json", {**FRAMES, "output": "mixed_5c"}, protocol)
    content = run(request, tmp_path).content
    # Black and green are the background: two of the five stretches that are scored.
    assert content["metrics"] == {"frame_accuracy": 1.0, "majority_class_accuracy": 0.4}
    assert content["details"]["majority_class"] == "background"
    assert content["details"]["num_frames"] == 100
    assert again(request, tmp_path).content == content


def test_youtube8m_segments(colour_world, request_of, tmp_path):
    import tensorflow as tf

    def write(name, *videos):
        with tf.io.TFRecordWriter(str(tmp_path / f"{name}.tfrecord")) as writer:
            for video_id, shown, ratings in videos:
                colour_world.write_video(tmp_path / "videos" / f"{video_id}.mp4", shown, seconds=5)
                labels, starts, scores = zip(*ratings, strict=True)
                context = {
                    "id": tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[video_id.encode()])
                    ),
                    "segment_labels": integers(labels),
                    "segment_start_times": integers(starts),
                    "segment_scores": tf.train.Feature(float_list=tf.train.FloatList(value=scores)),
                }
                record = tf.train.SequenceExample(context=tf.train.Features(feature=context))
                writer.write(record.SerializeToString())

    def integers(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    red, blue = 30, 31
    write(
        "train",
        ("a", [RED, BLUE], [(red, 0, 1.0), (red, 5, 0.0), (blue, 5, 1.0), (blue, 0, 0.0)]),
    )
    write(
        "eval",
        ("b", [BLUE, RED], [(red, 5, 1.0), (red, 0, 0.0)]),
        ("c", [BLUE, RED], [(blue, 0, 1.0), (blue, 5, 0.0)]),
    )
    (tmp_path / "vocabulary.csv").write_text(f"Index\n{red}\n{blue}\n")
    frames = {**FRAMES, "output": "mixed_5c"}
    protocol = {"vocabulary": str(tmp_path / "vocabulary.csv")}
    files = f"train={tmp_path / 'train.tfrecord'},eval={tmp_path / 'eval.tfrecord'}"
    request = request_of("youtube8m_segments", files, frames, protocol)
    content = run(request, tmp_path).content
    assert content["metrics"] == {"mAP": 1.0}
    assert content["details"]["average_precision_by_class"] == {"30": 1.0, "31": 1.0}
    assert content["items"]["scored"] == content["items"]["annotated"] == 8
    assert "8 rated segments of 2 classes" in content["not_comparable_because"][0]
    assert again(request, tmp_path).content == content
    with pytest.raises(ValueError, match=r"--set protocol\.vocabulary=segment_label_ids\.csv"):
        run(request_of("youtube8m_segments", files, frames), tmp_path)
    with pytest.raises(ValueError, match="0 rated segments to learn from and 4 to rank"):
        run(dataclasses.replace(request, annotations=str(tmp_path / "eval.tfrecord")), tmp_path)


@pytest.mark.parametrize(
    ("benchmark", "changed", "message"),
    [
        ("csv", {"videos": ""}, "give either the folder of the videos or that of their features"),
        ("csv", {"features": "FEATURES"}, "give either the folder of the videos or that of"),
        ("csv", {"model": ""}, "own clips needs a model"),
        ("csv", {"model": "", "videos": "", "features": "FEATURES"}, "own clips needs a model"),
        ("hmdb51", {"model": ""}, "HMDB-51 needs a model"),
        ("hmdb51_fine_tuning", {}, r"tower cannot be trained; .* `howto100m import-hub` first"),
        ("csv", {"model": "features"}, "takes frozen features, not frames: give their folder"),
        ("csv", {"videos": "", "features": "FEATURES"}, "takes frames, not features: give the"),
        ("csv", {"model": "nowhere"}, "nowhere is not a SavedModel that loads"),
        ("csv", {"videos": "nowhere"}, "nowhere is no folder of videos"),
        (
            "csv",
            {"videos": "", "features": "nowhere", "model": "features"},
            "nowhere is no folder of features",
        ),
        (
            "csv",
            {
                "videos": "",
                "features": "FEATURES",
                "model": "features",
                "feature_rates": {"4d": 1.0, "2d": 1.0},
            },
            "has no stream 4d; it has 2d and 3d",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_at_once(
    request_of, models, painted_clips, painted_features, tmp_path, benchmark, changed, message
):
    annotations = painted_clips
    if benchmark.startswith("hmdb51"):
        annotations = tmp_path / "hmdb51.csv"
        annotations.write_text("video_id,label,split1,split2,split3\nv0.mp4,red_test,1,1,1\n")
    changed = dict(changed)
    if "model" in changed:
        changed["model"] = models.get(changed["model"], changed["model"])
    if changed.get("features") == "FEATURES":
        changed["features"] = str(painted_features)
    request = request_of(benchmark, annotations, **changed)
    with pytest.raises(ValueError, match=message):
        again(request, tmp_path)
    assert not list((tmp_path / "store").glob("*"))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ({"output": "mixed_5c"}, "frames.output must be video_embedding, not mixed_5c"),
        ({"frame_rate": None}, "this benchmark asks for seconds of it: give a number"),
    ],
)
def test_frames_that_retrieval_cannot_use_are_refused_at_once(
    request_of, painted_clips, tmp_path, frames, message
):
    with pytest.raises(ValueError, match=message):
        again(request_of("csv", painted_clips, {**FRAMES, **frames}), tmp_path)


def test_more_words_than_the_model_keeps_are_refused_at_once(
    request_of, models, painted_clips, painted_features, tmp_path
):
    from models import description

    shutil.copytree(models["features"], tmp_path / "short")
    told = description.read_description(models["features"])
    config = {**told.config, "max_words": 16}
    description.write_description(tmp_path / "short", dataclasses.replace(told, config=config))
    request = request_of(
        "csv",
        painted_clips,
        protocol={"max_words": 20},
        model=str(tmp_path / "short"),
        videos="",
        features=str(painted_features),
    )
    with pytest.raises(ValueError, match="keeps 16 words of a sentence"):
        again(request, tmp_path)


def test_an_output_that_the_model_lacks_is_refused_at_once(request_of, tmp_path):
    (tmp_path / "hmdb51.csv").write_text(
        "video_id,label,split1,split2,split3\na.avi,red_test,1,1,1\n"
    )
    request = request_of("hmdb51", tmp_path / "hmdb51.csv", {"output": "mixed_6"})
    message = "gives no mixed_6, which HMDB-51 needs; it gives mixed_5c and video_embedding"
    with pytest.raises(ModelError, match=message):
        again(request, tmp_path)


def test_a_model_without_text_can_be_probed_alone(request_of, painted_clips, tmp_path):
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None] * 4 + [3], name="images")])
        def video(self, images):
            return {"mixed_5c": tf.reduce_mean(images, [1, 2, 3])}

    model = Model()
    path = str(tmp_path / "model")
    tf.saved_model.save(model, path, signatures={"video": model.video})
    with pytest.raises(ModelError, match="has no signature text"):
        again(request_of("csv", painted_clips, model=path), tmp_path)
    (tmp_path / "hmdb51.csv").write_text(
        "video_id,label,split1,split2,split3\n"
        "v0.mp4,left_test,1,1,1\nv1.mp4,right_test,1,1,1\nv1x.mp4,right_test,2,2,2\n"
    )
    shutil.copy(tmp_path / "videos" / "deep" / "v1.mp4", tmp_path / "videos" / "v1x.mp4")
    frames = {"num_frames": 4, "image_size": 24}
    found = run(request_of("hmdb51", tmp_path / "hmdb51.csv", frames, model=path), tmp_path)
    assert found.content["metrics"]["top_1"] == 1.0


def test_no_video_at_all_says_what_a_file_should_be_called(
    request_of, models, painted_clips, painted_features, tmp_path
):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match=r"none of the 2 .*/empty: .*, such as v0\.mp4"):
        again(request_of("csv", painted_clips, videos=str(tmp_path / "empty")), tmp_path)
    for path in painted_features.glob("my-2d/*"):
        path.rename(path.with_name(f"other-{path.name}"))
    model = retold(models["features"], tmp_path / "untold", None)
    request = request_of(
        "csv", painted_clips, model=model, videos="", features=str(painted_features)
    )
    with pytest.raises(ManifestError, match=r"none of the 2 .*/features: .*, such as v0\.npy"):
        again(request, tmp_path)


def test_a_model_is_its_newest_version(models, tmp_path):
    for version in ("9", "10", "tmp"):
        (tmp_path / "pushed" / version).mkdir(parents=True)
        (tmp_path / "pushed" / version / "saved_model.pb").write_bytes(b"")
    assert model_folder(str(tmp_path / "pushed")) == str(tmp_path / "pushed" / "10")
    assert model_folder(models["frames"]) == models["frames"]
    with pytest.raises(ValueError, match="holds no pushed model"):
        model_folder(str(tmp_path))


def test_an_address_is_downloaded(models, monkeypatch):
    import tensorflow_hub

    monkeypatch.setattr(tensorflow_hub, "resolve", {"https://hub/colours/1": models["frames"]}.get)
    assert model_folder("https://hub/colours/1") == models["frames"]


def test_a_benchmark_that_there_is_not_is_refused(request_of, painted_clips, tmp_path):
    request = dataclasses.replace(request_of("csv", painted_clips), benchmark="imagenet")
    with pytest.raises(ValueError, match=r"there is no benchmark 'imagenet'; there are youcook2"):
        run(request, tmp_path)
