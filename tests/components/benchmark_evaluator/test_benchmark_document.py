import dataclasses
import json

import pytest

from components.benchmark_evaluator.benchmarks import BENCHMARKS
from components.benchmark_evaluator.document import Result
from components.benchmark_evaluator.evaluate import Request
from components.benchmark_evaluator.outcome import Failure, Items, Outcome, reasons_in_words


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


def result(benchmark="hmdb51", num_annotated=6766, num_scored=None, settings=None, failures=()):
    found = BENCHMARKS[benchmark]
    request = Request(
        benchmark=benchmark,
        model="/hub/publisher/model/7",
        annotations="hmdb51.csv",
        videos="videos",
        features="",
        settings=found.defaults.replaced(settings or {}),
    )
    num_scored = num_annotated if num_scored is None else num_scored
    return Result.of(found, request, outcome(num_annotated, num_scored, failures))


def reasons(*arguments, **settings):
    content = result(*arguments, **settings).content
    assert content["comparable"] is not bool(content["not_comparable_because"])
    return content["not_comparable_because"]


def test_a_whole_benchmark_with_the_papers_settings_is_comparable():
    content = result().content
    assert content["comparable"] is True
    assert content["not_comparable_because"] == []
    assert content["changed_settings"] == []
    assert content["items"]["set"] == "all videos of the three splits"
    assert content["model"] == {"path": "/hub/publisher/model/7", "name": "publisher/model/7"}


@pytest.mark.parametrize(
    "settings",
    [{"frames": {"batch_size": 2}}, {"protocol": {"num_windows": 10}}],
)
def test_what_decides_nothing_or_is_as_it_was_may_be_set(settings):
    assert reasons(settings=settings) == []


def test_a_list_of_videos_and_the_classes_are_a_part_of_the_benchmark():
    for name, size, setting in (
        ("msrvtt", 1000, {"video_list": "1k-b.txt"}),
        ("youtube8m_segments", 5, {"vocabulary": "segment_label_ids.csv"}),
    ):
        content = result(name, size, settings={"protocol": setting}).content
        assert content["changed_settings"] == []


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
    (reason,) = reasons("msrvtt", 999)
    assert "1,000 (the 1k-A or 1k-B test), 2,990 (the full test)" in reason
    assert reasons("msrvtt", 2990) == []


def test_figures_of_other_settings_are_not_comparable():
    settings = {"frames": {"frame_rate": 10.0}, "protocol": {"classifier": "mmv-hmdb51"}}
    assert reasons(settings=settings) == [
        "Settings differ from the papers': frames.frame_rate=10.0, protocol.classifier=mmv-hmdb51."
    ]


def test_all_that_speaks_against_it_is_said():
    assert len(reasons("hmdb51", 10, 9, {"frames": {"num_frames": 8}})) == 3


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
