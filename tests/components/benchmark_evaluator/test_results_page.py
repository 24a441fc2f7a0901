import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from components.benchmark_evaluator import names, page
from components.benchmark_evaluator.published import published_rows
from components.benchmark_evaluator.result_files import ResultError, read_results

TASK = "Make <b>Jello</b> | Shots"


def _published(benchmark):
    return [
        {
            "method": row.method,
            "source": row.source,
            "metrics": dict(row.metrics),
            "by_task": dict(row.by_task),
        }
        for row in published_rows(benchmark, True, ())
    ]


def _result(
    benchmark="crosstask", value=0.25, name="local/mil-nce/3", of_set="one draw", **changes
):
    headline = "average_recall"
    return {
        "benchmark": benchmark,
        "title": "CrossTask",
        "task": "zero-shot step localisation",
        "protocol": {"name": "step-localization-crosstask", "in_words": "one row for each step"},
        "headline": headline,
        "metrics": {headline: value},
        "intervals": {"level": 0.95, "drawn": "videos", "of": {headline: [0.2, 0.3]}},
        "num_ties": None,
        "items": {
            "unit": "videos",
            "annotated": 1850,
            "found": 1800,
            "scored": 1799,
            "failed_by_reason": {"missing_file": 50, "too_short": 1},
            "set": of_set,
        },
        "comparable": False,
        "not_comparable_because": ["1,799 of 1,850 videos were scored."],
        "details": {"recall_by_task": {TASK: 0.5, "Change a Tire": 0.0}},
        "settings": {"frames": {"num_frames": 32}, "protocol": {"scoring": "crosstask"}},
        "model": {"path": "hub/local/mil-nce/3", "name": name},
        "inputs": {"annotations": "lists/clips.csv", "video_list_sha256": None},
        "published": _published(benchmark),
        **changes,
    }


def _retrieval(of_set, scores, published=(), **changes):
    return _result(
        "msrvtt",
        of_set=of_set,
        title="MSR-VTT",
        task="zero-shot text-to-video retrieval",
        headline="R@10",
        metrics=scores,
        intervals={"of": {}},
        details={},
        published=list(published),
        **changes,
    )


def _write(folder, name, content):
    (folder / name).mkdir(parents=True)
    (folder / name / "result.json").write_text(json.dumps(content))


def _sections(folder):
    return page.sections(read_results([str(folder)]))


def _pages(folder):
    """Writes the page of all results in a folder, and returns it as Markdown and HTML."""
    page.write_page(read_results([str(folder)]), str(folder / "page"))
    return [(folder / "page" / f"results.{suffix}").read_text() for suffix in ("md", "html")]


def test_a_table_has_the_papers_rows_and_ones_own(tmp_path):
    _write(tmp_path, "a", _result())
    text, _ = _pages(tmp_path)
    assert "## CrossTask, one draw: zero-shot step localisation" in text
    assert "| MIL-NCE S3D, zero-shot | 40.5 | " in text
    own = "| **local/mil-nce/3** | 25.0 [20.0, 30.0] | 1,799 of 1,850 videos, not comparable |"
    assert own in text
    assert "- 50 missing file" in text
    assert "- Not comparable: 1,799 of 1,850" in text
    assert "- Protocol step-localization-crosstask: one row for each step." in text
    assert "- Settings: frames.num_frames=32 protocol.scoring=crosstask" in text
    assert "queries tied" not in text
    # Every line of a table has as many cells as its header.
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1


def test_recalls_of_tasks_have_the_shape_of_the_papers_table_4(tmp_path):
    _write(tmp_path, "a", _result())
    (section,) = _sections(tmp_path)
    tasks = section.by_task.columns
    # The paper's tasks in its order, then what only our result has.
    assert (tasks[0], tasks[17:]) == (
        "Make Kimchi Fried Rice",
        ["Make Kerala Fish Curry", TASK, "average"],
    )
    found = {row.method: dict(zip(tasks, row.cells, strict=True)) for row in section.by_task.rows}
    zero_shot = found["HowTo100M, zero-shot"]
    assert zero_shot["Make Kimchi Fried Rice"].value == "33.5"
    assert (zero_shot["Change a Tire"].value, zero_shot["average"].value) == ("32.7", "33.6")
    own = found["local/mil-nce/3"]
    assert [own[task].value for task in ("Grill Steak", "Change a Tire", TASK, "average")] == [
        "",
        "0.0",
        "50.0",
        "25.0",
    ]
    # Table 4d of the MIL-NCE paper says nothing of tasks.
    assert "MIL-NCE S3D, zero-shot" not in found


def test_the_papers_recalls_of_tasks_have_its_averages():
    rows = [row for row in published_rows("crosstask", True, ()) if row.by_task]
    assert len(rows) == 4
    for row in rows:
        average = sum(row.by_task.values()) / len(row.by_task)
        assert len(row.by_task) == 18
        assert average == pytest.approx(row.metrics["average_recall"], abs=0.0006), row.method


def test_the_page_holds_its_plots_and_nothing_from_elsewhere(tmp_path):
    _write(tmp_path, "a", _result())
    _, html = _pages(tmp_path)
    assert "data:image/svg+xml;base64," in html
    assert not re.findall(r"(?:src|href)=\"(?!data:)", html)
    assert "Make &lt;b&gt;Jello&lt;/b&gt; | Shots" in html
    ElementTree.parse(tmp_path / "page" / "crosstask.svg")


def test_results_come_in_the_papers_order_and_models_side_by_side(tmp_path):
    _write(tmp_path, "b", _result())
    _write(tmp_path, "a", _result("coin"))
    _write(tmp_path, "c", _result(value=0.5, name="local/gated/1"))
    found = _sections(tmp_path)
    assert [section.results[0]["benchmark"] for section in found] == ["crosstask", "coin"]
    own = [row.method for row in found[0].table.rows if row.own]
    assert own == ["local/mil-nce/3", "local/gated/1"]
    assert found[0].plot_in_words.endswith("local/mil-nce/3 25.0 %; local/gated/1 50.0 %")


def test_each_set_has_a_table_of_its_own(tmp_path):
    scores = {"R@10": 0.5}
    _write(tmp_path, "a", _retrieval("1k-A", scores))
    _write(tmp_path, "b", _retrieval("1k-B", scores))
    _write(tmp_path, "c", _retrieval("1k-A", scores, name="other"))
    _write(tmp_path, "d", _retrieval("", scores))
    inputs = {"annotations": "lists/clips.csv", "video_list_sha256": "0123456789abcdef"}
    _write(tmp_path, "e", _retrieval("", scores, inputs=inputs))
    found = _sections(tmp_path)
    task = "zero-shot text-to-video retrieval"
    assert [(section.title, len(section.results)) for section in found] == [
        (f"MSR-VTT, 1k-A: {task}", 2),
        (f"MSR-VTT, 1k-B: {task}", 1),
        (f"MSR-VTT, 1,850 videos of clips.csv: {task}", 1),
        (f"MSR-VTT, 1,850 videos of clips.csv: {task}", 1),
    ]
    assert [section.plot_file for section in found] == [
        "msrvtt.svg",
        "msrvtt-2.svg",
        "msrvtt-3.svg",
        "msrvtt-4.svg",
    ]
    text, _ = _pages(tmp_path)
    for section in found:
        assert f"]({section.plot_file})" in text
        assert (tmp_path / "page" / section.plot_file).read_bytes() == section.plot


def test_a_table_has_the_columns_and_the_papers_rows_of_all_its_results(tmp_path):
    row = {"method": "A", "source": "table 1", "metrics": {"R@10": 0.3}, "by_task": {}}
    other = {"method": "B", "source": "table 2", "metrics": {"R@1": 0.1}, "by_task": {}}
    _write(tmp_path, "a", _retrieval("1k-A", {"R@10": 0.5}, num_ties=3))
    _write(tmp_path, "b", _retrieval("1k-A", {"R@10": 0.6, "R@1": 0.2}, [row, other]))
    _write(tmp_path, "c", _retrieval("1k-A", {"R@10": 0.6}, [row]))
    (section,) = _sections(tmp_path)
    assert section.table.columns == ["R@10", "R@1"]
    shown = [
        (row.method if not row.own else row.source[-13], [cell.value for cell in row.cells])
        for row in section.table.rows
    ]
    assert shown == [
        ("A", ["30.0", ""]),
        ("B", ["", "10.0"]),
        ("a", ["50.0", ""]),
        ("b", ["60.0", "20.0"]),
        ("c", ["60.0", ""]),
    ]
    assert section.by_task is None
    for text in _pages(tmp_path):
        assert text.count("3 queries tied") == text.count("queries tied") == 1


def test_two_results_of_one_model_are_told_apart(tmp_path):
    _write(tmp_path, "a", _result())
    _write(tmp_path, "b", _result())
    (section,) = _sections(tmp_path)
    own = [row.method for row in section.table.rows if row.own]
    assert len(set(own)) == 2
    assert all(name.startswith("local/mil-nce/3 (") for name in own)


def test_the_same_results_give_the_same_files(tmp_path):
    _write(tmp_path / "results", "a", _result())
    for name in ("one", "two"):
        page.write_page(read_results([str(tmp_path / "results")]), str(tmp_path / name))
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["crosstask.svg", "results.html", "results.md"]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_text_is_shown_as_it_is(tmp_path):
    name = r"a$\frac$ \| *b* `c` [d](e) _f_ <i> &amp; g_h"
    settings = {"frames": None, "protocol": {"video_list": "a`b|*c*", "num_windows": None}}
    _write(tmp_path, "a", _result(name=name, settings=settings))
    text, html = _pages(tmp_path)
    shown = r"**a\$\\frac\$ \\\| \*b\* \`c\` \[d\](e) \_f\_ &lt;i> &amp;amp; g_h**"
    assert f"| {shown} |" in text
    assert r"- Settings: protocol.video_list=a\`b\|\*c\*" in text
    assert "&lt;i&gt; &amp;amp; g_h" in html
    assert "num_windows" not in text + html


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"benchmark": "imagenet"}, "there is no benchmark 'imagenet'"),
        ({"benchmark": ["coin"]}, "benchmark is ['coin'], which is no str"),
        ({"metrics": {"average_recall": None}}, "metrics.average_recall is None, which is no flo"),
        ({"metrics": {"average_recall": True}}, "metrics.average_recall is True, which is no fl"),
        ({"metrics": {"average_recall": float("nan")}}, "metrics.average_recall is nan"),
        ({"metrics": {"R@1": 0.5}}, "metrics lacks average_recall"),
        ({"metrics": []}, "metrics is no object"),
        ({"intervals": {"of": {"average_recall": [0.1]}}}, "average_recall is no list of 2"),
        ({"intervals": {"of": {"average_recall": [0.1, "x"]}}}, "average_recall[1] is 'x'"),
        ({"intervals": {}}, "it lacks intervals.of"),
        ({"items": {"unit": "videos"}}, "it lacks items.annotated"),
        ({"num_ties": "some"}, "num_ties is 'some', which is no int"),
        ({"settings": {"frames": 3}}, "settings.frames is no object"),
        ({"not_comparable_because": "so"}, "not_comparable_because is no list"),
        ({"details": {"recall_by_task": {"a": "b"}}}, "details.recall_by_task.a is 'b'"),
        ({"published": [{"method": "A"}]}, "it lacks published[0].source"),
    ],
)
def test_what_is_broken_in_a_result_is_named(tmp_path, changed, message):
    file = tmp_path / "result.json"
    file.write_text(json.dumps({**_result(), **changed}))
    with pytest.raises(ResultError) as raised:
        read_results([str(tmp_path)])
    assert str(raised.value).startswith(f"{file} is no result of `howto100m evaluate`: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("content", ["{", "[]", "{}", "null"])
def test_what_is_no_result_is_named(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ResultError, match=r"result\.json is no result"):
        read_results([str(tmp_path)])


def test_no_results_are_one_clear_line(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ResultError, match="there are no results; `howto100m evaluate` writes"):
            read_results([str(path)])


def test_papers_rows_are_quoted():
    assert published_rows("youcook2", True, ())[-1].metrics["R@10"] == 0.512
    assert published_rows("msrvtt", True, ())[-1].metrics["median_rank"] == 29.5
    assert published_rows("hmdb51", True, ())[-1].metrics["top_1"] == 0.531
    assert published_rows("hmdb51_fine_tuning", True, ())[-1].metrics["top_1"] == 0.61
    assert published_rows("csv", True, ()) == ()
    assert published_rows("youcook2", False, ()) == ()
    assert published_rows("crosstask", True, ["protocol.scoring"]) == ()
    assert published_rows("crosstask", True, ["protocol.seed"])


def test_each_benchmark_but_ones_own_clips_has_papers_rows():
    assert [name for name in names.BENCHMARKS if not published_rows(name, True, ())] == ["csv"]


def test_the_page_needs_no_tensorflow():
    code = (
        "import sys\n"
        "import pipeline.benchmarks.cli\n"
        "from components.benchmark_evaluator import page, result_files\n"
        "print([name for name in ('tensorflow', 'keras', 'apache_beam') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert found.stdout.strip() == "[]"


def _recognition(benchmark, value, name="local/mil-nce/3", **changes):
    return _result(
        benchmark,
        name=name,
        headline="top_1",
        metrics={"top_1": value},
        intervals={"level": 0.95, "drawn": "groups", "of": {"top_1": [0.1, 0.9]}},
        details={},
        **changes,
    )


def _recognition_rows(text):
    (part,) = re.findall(r"## Action recognition.*\n\n((?:\|.*\n)+)", text)
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines()[2:]
    ]


def test_action_recognition_has_the_shape_of_the_papers_table_3(tmp_path):
    _write(tmp_path, "a", _recognition("hmdb51", 0.5, comparable=True))
    _write(tmp_path, "b", _recognition("ucf101", 0.75))
    _write(tmp_path, "c", _recognition("ucf101_fine_tuning", 0.8, comparable=True))
    text, page_html = _pages(tmp_path)
    rows = _recognition_rows(text)
    of_paper = "MIL-NCE, table 3, mean of three splits"
    assert rows[:3] == [
        ["MIL-NCE I3D, frozen", "54.8", "83.4", "", of_paper],
        ["MIL-NCE S3D, frozen", "53.1", "82.7", "", of_paper],
        # No result is fine-tuned on HMDB-51, so that the paper's is not quoted either.
        ["MIL-NCE I3D, fine-tuned", "", "89.1", "", of_paper],
    ]
    frozen, fine_tuned = rows[4:]
    assert frozen[:4] == [
        "**local/mil-nce/3, frozen**",
        "50.0 [10.0, 90.0]",
        "75.0 [10.0, 90.0]",
        "not comparable on UCF-101",
    ]
    assert fine_tuned[:4] == ["**local/mil-nce/3, fine-tuned**", "", "80.0 [10.0, 90.0]", ""]
    assert "<h2>Action recognition, HMDB-51 and UCF-101: top-1</h2>" in page_html
    assert page_html.startswith("<!doctype html>")
    assert text.startswith("# Results")


def test_two_results_of_a_model_on_one_data_set_are_not_paired_at_random(tmp_path):
    _write(tmp_path, "a", _recognition("hmdb51", 0.5))
    _write(tmp_path, "b", _recognition("hmdb51", 0.6))
    _write(tmp_path, "c", _recognition("ucf101", 0.7))
    rows = [row for row in _recognition_rows(_pages(tmp_path)[0]) if "local" in row[0]]
    assert [[bool(cell) for cell in row[1:3]] for row in rows] == [
        [True, False],
        [True, False],
        [False, True],
    ]


def test_one_data_set_alone_has_no_joint_table(tmp_path):
    _write(tmp_path, "a", _recognition("hmdb51", 0.5))
    _write(tmp_path, "b", _recognition("hmdb51_fine_tuning", 0.6))
    assert "## Action recognition" not in _pages(tmp_path)[0]
