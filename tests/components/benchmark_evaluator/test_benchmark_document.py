import dataclasses
import json
import os
import re

import pytest

from components.benchmark_evaluator import names
from components.benchmark_evaluator.benchmarks import BENCHMARKS
from components.benchmark_evaluator.document import Inputs, Result, ids_digest, model_name
from components.benchmark_evaluator.evaluate import Request, result_folder
from components.benchmark_evaluator.outcome import Failure, Items, Outcome, reasons_in_words

# What `ids_digest` says of the videos of MSR-VTT's two tests of 1,000 clips.
IDS_1K_A = "49a09fb68f7ec52b3b9bbb7e856ffbd3f00233976ed435fded658309c3cd491a"
IDS_1K_B = "a0ad82bd7f2c45e38a460e40920fa9403a3411c053ea52a27f189d11b7ca1825"


def outcome(num_annotated, num_scored, failures=(), **changed):
    return Outcome(
        **{
            "headline": "top_1",
            "metrics": {"top_1": 0.5},
            "intervals": {"top_1": (0.4, 0.6)},
            "drawn": "test videos",
            "items": Items("videos", num_annotated, num_scored, num_scored, list(failures)),
            "details": {"chance": 0.25},
            **changed,
        }
    )


def result(
    benchmark="hmdb51",
    num_annotated=6766,
    num_scored=None,
    settings=None,
    failures=(),
    details=None,
    inputs=None,
    **asked,
):
    found = BENCHMARKS[benchmark]
    request = Request(
        **{
            "benchmark": benchmark,
            "model": "/hub/publisher/model/7",
            "annotations": "hmdb51.csv",
            "videos": "videos",
            "features": "",
            "settings": found.defaults.replaced(settings or {}),
            **asked,
        }
    )
    num_scored = num_annotated if num_scored is None else num_scored
    changed = {} if details is None else {"details": details}
    found_out = outcome(num_annotated, num_scored, failures, **changed)
    return Result.of(found, request, found_out, inputs)


def reasons(*arguments, **settings):
    content = result(*arguments, **settings).content
    assert content["comparable"] is not bool(content["not_comparable_because"])
    return content["not_comparable_because"]


def methods(*arguments, **settings):
    """Returns the papers' rows that stand beside a result."""
    content = result(*arguments, **settings).content
    return [row["method"] for row in content["published"]]


def test_names_are_those_of_the_registry():
    assert tuple(BENCHMARKS) == names.BENCHMARKS
    assert all(name == benchmark.name for name, benchmark in BENCHMARKS.items())


def test_a_whole_benchmark_with_the_papers_settings_is_comparable():
    content = result().content
    assert content["comparable"] is True
    assert content["not_comparable_because"] == []
    assert content["changed_settings"] == []
    assert content["items"]["set"] == "all videos of the three splits"
    assert content["model"] == {
        "source": "/hub/publisher/model/7",
        "path": "/hub/publisher/model/7",
        "name": "publisher/model/7",
    }
    assert content["protocol"]["name"] == "linear-svm-mil-nce"
    assert "10 windows" in content["protocol"]["in_words"]
    assert content["num_ties"] is None
    assert methods() == ["MIL-NCE I3D, frozen", "MIL-NCE S3D, frozen"]


@pytest.mark.parametrize(
    "settings",
    [{"frames": {"batch_size": 2}}, {"protocol": {"num_windows": 10}}],
)
def test_what_decides_nothing_or_is_as_it_was_may_be_set(settings):
    assert reasons(settings=settings) == []


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("msrvtt", {"video_list": "1k-b.txt"}),
        ("youtube8m_segments", {"vocabulary": "segment_label_ids.csv"}),
    ],
)
def test_a_list_of_videos_and_the_classes_are_a_part_of_the_benchmark(name, setting):
    assert result(name, settings={"protocol": setting}).content["changed_settings"] == []


def test_figures_that_rest_on_less_are_not_comparable():
    assert reasons(num_scored=6765) == [
        "6,765 of 6,766 videos were scored, so others were scored on more."
    ]


def test_figures_of_another_set_are_not_comparable():
    (reason,) = reasons(num_annotated=6765)
    assert reason == (
        "The annotations have 6,765 videos; figures are published for 6,766 (all videos of the "
        "three splits)."
    )
    (reason,) = reasons("youcook2", 3492)
    assert "3,492 videos; figures are published for 3,350 (the public CSV's" in reason
    assert reason.endswith(
        "; 3,369 (the validation clips that UniVL scores on); 3,320 (the validation clips that "
        "VATT scores on)."
    )


def test_the_two_tests_of_a_thousand_clips_are_told_by_their_videos():
    details = {"num_queries": 1000, "num_ties": 3}
    for ids, of_set, has_rows in ((IDS_1K_A, "1k-A", True), (IDS_1K_B, "1k-B", False)):
        found = result("msrvtt", 1000, details=details, inputs=Inputs(video_ids=ids)).content
        assert (found["comparable"], bool(found["published"])) == (True, has_rows)
        assert of_set in found["items"]["set"]
        assert found["num_ties"] == 3
    (reason,) = reasons("msrvtt", 1000, details=details, inputs=Inputs(video_ids=64 * "0"))
    assert reason.startswith("The annotations have 1,000 videos of other videos; figures are")
    assert reasons("msrvtt", 2990, details={"num_queries": 59_800}) == []


def test_twenty_captions_of_a_clip_are_another_protocol_than_one():
    inputs = Inputs(video_ids=IDS_1K_A, video_list="0123456789abcdef")
    found = result("msrvtt", 1000, details={"num_queries": 20_000}, inputs=inputs).content
    assert found["not_comparable_because"] == [
        "20,000 captions were queries for 1,000 videos; figures are published for one caption each."
    ]
    assert found["inputs"]["video_list_sha256"] == "0123456789abcdef"


def test_a_digest_of_ids_is_of_the_set_of_them():
    assert ids_digest(["b", "a", "b"]) == ids_digest(["a", "b"]) != ids_digest(["ab"])


def test_classes_that_are_not_scored_are_not_comparable():
    assert reasons("kinetics700", 9, inputs=Inputs(num_classes=700)) == []
    assert reasons("kinetics700", 9, inputs=Inputs(num_classes=400)) == [
        "The annotations have 9 videos of 400 classes; figures are published for 700 classes (all "
        "of its classes)."
    ]
    assert methods("kinetics700", 9, inputs=Inputs(num_classes=400)) == []
    all_classes = Inputs(num_classes=1000)
    details = {"num_classes_scored": 1000}
    assert reasons("youtube8m_segments", 237_788, details=details, inputs=all_classes) == []
    details = {"num_classes_scored": 999}
    (reason,) = reasons("youtube8m_segments", 237_788, details=details, inputs=all_classes)
    assert "237,788 videos of 999 classes; figures are published for 237,788 of 1,000" in reason
    (reason,) = reasons("youtube8m_segments", 5, details={"num_classes_scored": 1000})
    assert reason.startswith("The annotations have 5 videos of 1,000 classes")


def test_losses_inside_of_items_are_not_comparable():
    failures = [Failure(f"v{n}", "bad_segment", "") for n in range(2)]
    failures.append(Failure("w", "truncated", "it breaks off"))
    assert reasons(failures=failures) == [
        "All videos were scored, but without 3 of their parts (2 bad_segment, 1 truncated)."
    ]


def test_features_do_not_tell_what_they_hold():
    stream = {"name": "i3d", "rate": 1.5, "size": 1024}
    found = result(
        settings={"frames": {"num_frames": 8}, "protocol": {"num_windows": 4}},
        videos="",
        features="features",
        inputs=Inputs(streams=[stream]),
    ).content
    assert found["not_comparable_because"] == [
        "Features made elsewhere: which frames and windows they hold is not known."
    ]
    assert found["settings"]["frames"] is None
    assert found["settings"]["protocol"]["num_windows"] is None
    assert found["settings"]["protocol"]["classifier"] == "mil-nce"
    assert found["changed_settings"] == []
    assert found["inputs"]["streams"] == [stream]
    assert found["model"] == {"source": "", "path": "", "name": ""}
    assert "all rows" in found["protocol"]["in_words"]
    found = result("youcook2", 3350, videos="", features="features").content
    assert found["not_comparable_because"][-1].startswith("Features made elsewhere")
    assert found["settings"]["frames"] is None
    assert found["model"]["name"] == "publisher/model/7"


def test_a_fine_tuning_has_no_output_to_choose():
    assert result("hmdb51_fine_tuning").content["settings"]["frames"]["output"] is None


@pytest.mark.parametrize(
    ("benchmark", "size", "setting"),
    [
        ("crosstask", 1850, {"scoring": "drop_dtw"}),
        ("crosstask", 1850, {"test_videos": "validation"}),
        ("crosstask", 1850, {"cost": "similarity"}),
        ("hmdb51", 6766, {"classifier": "mmv-hmdb51"}),
        ("ucf101", 13320, {"regularization": 1.0}),
        ("lsmdc", 1000, {"captions": "first"}),
        ("ucf101_fine_tuning", 13320, {"splits": 1}),
    ],
)
def test_papers_rows_are_of_the_same_protocol_and_set_alone(benchmark, size, setting):
    assert methods(benchmark, size)
    assert methods(benchmark, size, settings={"protocol": setting}) == []
    assert methods(benchmark, size - 1) == []


def test_a_list_of_videos_makes_the_papers_set_only_where_ids_can_be_compared():
    listed = Inputs(video_list="0123456789abcdef")
    assert methods("lsmdc", 1000)
    assert methods("lsmdc", 1000, inputs=listed) == []
    same = Inputs(video_ids=IDS_1K_A, video_list="0123456789abcdef")
    assert methods("msrvtt", 1000, details={"num_queries": 1000}, inputs=same)


def test_a_result_says_what_its_model_was_asked_for_as():
    address = "https://tfhub.dev/deepmind/mil-nce/s3d/1?tf-hub-format=compressed"
    cached = "/tmp/tfhub_modules/0123456789abcdef"
    found = result(model=cached, model_source=address)
    assert found.content["model"] == {
        "source": address,
        "path": cached,
        "name": "tfhub.dev/deepmind/mil-nce/s3d/1",
    }


@pytest.mark.parametrize(
    ("benchmark", "asked", "folder"),
    [
        ("coin", {}, "coin/publisher/model/7"),
        ("coin", {"model": "/m"}, "coin/m"),
        ("coin", {"model": "x", "model_source": "https://h/../a/./1"}, "coin/h/a/1"),
        ("coin", {"videos": "", "features": "/data/i3d_features/"}, "coin/i3d_features"),
        ("csv", {"videos": "", "features": "/data/i3d"}, "csv/publisher/model/7"),
        ("coin", {"model": ""}, "coin"),
    ],
)
def test_each_model_has_a_folder_of_its_own(benchmark, asked, folder):
    settings = BENCHMARKS[benchmark].defaults
    request = Request(
        **{
            "benchmark": benchmark,
            "model": "/hub/publisher/model/7",
            "annotations": "a",
            "videos": "v",
            "features": "",
            "settings": settings,
            **asked,
        }
    )
    parent, digest = os.path.split(result_folder(request))
    assert parent == f"runs/results/{folder}"
    assert re.fullmatch("[0-9a-f]+", digest)


def test_other_settings_and_other_data_have_a_folder_of_their_own():
    settings = BENCHMARKS["csv"].defaults
    other = dataclasses.replace(
        settings, protocol=dataclasses.replace(settings.protocol, num_windows=1)
    )
    requests = [
        Request("csv", "/m", "a", "v", "", settings),
        Request("csv", "/m", "b", "v", "", settings),
        Request("csv", "/m", "a", "w", "", settings),
        Request("csv", "/m", "a", "", "v", settings),
        Request("csv", "/m", "a", "", "v", settings, {"2d": 2.0}),
        Request("csv", "/m", "a", "v", "", other),
    ]
    assert settings.protocol.num_windows != 1
    assert len({result_folder(request) for request in requests}) == len(requests)
    assert result_folder(requests[0]) == result_folder(Request("csv", "/m", "a", "v", "", settings))


def test_a_models_name_does_not_depend_on_where_one_stands(monkeypatch, tmp_path):
    (tmp_path / "hub" / "publisher" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "hub" / "publisher" / "model")
    found = Request("coin", "7", "a", "v", "", BENCHMARKS["coin"].defaults)
    assert model_name(found) == "publisher/model/7"


def test_figures_of_other_settings_are_not_comparable():
    settings = {"frames": {"frame_rate": 10.0}, "protocol": {"classifier": "mmv-hmdb51"}}
    assert reasons(settings=settings) == [
        "Settings differ from the papers': frames.frame_rate=10.0, protocol.classifier=mmv-hmdb51."
    ]


def test_all_that_speaks_against_it_is_said():
    assert len(reasons("hmdb51", 10, 9, {"frames": {"num_frames": 8}})) == 3
    settings = {"protocol": {"captions": "first"}}
    assert len(reasons("csv", 10, 9, settings, videos="", features="features")) == 4


def test_failures_are_counted_all_and_named_twenty(tmp_path):
    failures = [Failure(f"v{n}", "missing_file", f"no v{n}") for n in range(23)]
    failures.insert(1, Failure("broken", "truncated", "it breaks\noff"))
    found = result(num_scored=6742, failures=failures)
    items = found.content["items"]
    assert (items["failed"], len(items["first_failed"])) == (24, 20)
    assert items["failed_by_reason"] == {"missing_file": 23, "truncated": 1}
    assert items["first_failed"][1] == {
        "item": "broken",
        "reason": "truncated",
        "message": "it breaks\noff",
    }
    found.write(str(tmp_path / "new" / "folder"))
    lines = (tmp_path / "new" / "folder" / "failures.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [dataclasses.asdict(one) for one in failures]
    written = json.loads((tmp_path / "new" / "folder" / "result.json").read_text())
    assert written == found.content


def test_a_figure_that_is_no_number_leaves_no_file(tmp_path):
    found = result()
    broken = Result({**found.content, "metrics": {"top_1": float("nan")}}, [])
    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.write(str(tmp_path))
    assert not (tmp_path / "result.json").exists()


def test_reasons_in_words():
    failures = [Failure("a", "x", ""), Failure("b", "y", ""), Failure("c", "y", "")]
    assert reasons_in_words(failures) == "2 y, 1 x"
    assert reasons_in_words([]) == "no failures"
