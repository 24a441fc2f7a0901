import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from components.benchmark_evaluator import page
from components.benchmark_evaluator.published import published_rows


def _result(benchmark="crosstask", value=0.25, name="local/mil-nce/3", **changes):
    headline = "average_recall"
    return {
        "benchmark": benchmark,
        "title": "CrossTask",
        "task": "zero-shot step localisation",
        "headline": headline,
        "metrics": {headline: value},
        "intervals": {"level": 0.95, "drawn": "videos", "of": {headline: [0.2, 0.3]}},
        "items": {
            "unit": "videos",
            "annotated": 1850,
            "found": 1800,
            "scored": 1799,
            "failed_by_reason": {"missing_file": 50, "too_short": 1},
        },
        "comparable": False,
        "not_comparable_because": ["1,799 of 1,850 videos were scored."],
        "details": {"recall_by_task": {"Make <b>Jello</b> | Shots": 0.5, "Change Tire": 0.0}},
        "settings": {"frames": {"num_frames": 32}, "protocol": {"scoring": "crosstask"}},
        "model": {"path": "hub/local/mil-nce/3", "name": name},
        "published": [
            {"method": row.method, "source": row.source, "metrics": dict(row.metrics)}
            for row in published_rows(benchmark, 1850)
        ],
        **changes,
    }


def _write(folder, name, content):
    (folder / name).mkdir(parents=True)
    (folder / name / "result.json").write_text(json.dumps(content))


def test_a_table_has_the_papers_rows_and_ones_own(tmp_path):
    _write(tmp_path, "a", _result())
    page.write_page(page.read_results([str(tmp_path)]), str(tmp_path / "page"))
    text = (tmp_path / "page" / "results.md").read_text()
    assert "| MIL-NCE S3D, zero-shot | 40.5 | " in text
    own = "| **local/mil-nce/3** | 25.0 [20.0, 30.0] | 1,799 of 1,850 videos, not comparable |"
    assert own in text
    assert "| Change Tire | 0.0 |" in text
    assert "- 50 missing file" in text
    assert "- Not comparable: 1,799 of 1,850" in text
    # Every line of a table has as many cells as its header.
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1


def test_the_page_holds_its_plots_and_nothing_from_elsewhere(tmp_path):
    _write(tmp_path, "a", _result())
    page.write_page(page.read_results([str(tmp_path)]), str(tmp_path / "page"))
    html = (tmp_path / "page" / "results.html").read_text()
    assert "data:image/svg+xml;base64," in html
    assert not re.findall(r"(?:src|href)=\"(?!data:)", html)
    assert "Make &lt;b&gt;Jello&lt;/b&gt; | Shots" in html
    ElementTree.parse(tmp_path / "page" / "crosstask.svg")


def test_results_come_in_the_papers_order_and_models_side_by_side(tmp_path):
    _write(tmp_path, "b", _result())
    _write(tmp_path, "a", _result("coin"))
    _write(tmp_path, "c", _result(value=0.5, name="local/gated/1"))
    found = page.sections(page.read_results([str(tmp_path)]))
    assert [section.results[0]["benchmark"] for section in found] == ["crosstask", "coin"]
    assert [row.method for row in found[0].rows if row.own] == ["local/mil-nce/3", "local/gated/1"]
    assert [cell.value for cell in found[0].by_task["Change Tire"]] == ["0.0", "0.0"]
    assert found[0].plot_in_words.endswith("local/mil-nce/3 25.0 %; local/gated/1 50.0 %")


def test_two_results_of_one_model_are_told_apart(tmp_path):
    _write(tmp_path, "a", _result())
    _write(tmp_path, "b", _result())
    (section,) = page.sections(page.read_results([str(tmp_path)]))
    names = [row.method for row in section.rows if row.own]
    assert len(set(names)) == 2
    assert all(name.startswith("local/mil-nce/3 (") for name in names)


def test_the_same_results_give_the_same_files(tmp_path):
    _write(tmp_path / "results", "a", _result())
    for name in ("one", "two"):
        page.write_page(page.read_results([str(tmp_path / "results")]), str(tmp_path / name))
    for file in ("results.md", "results.html", "crosstask.svg"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_what_is_no_result_is_named(tmp_path):
    with pytest.raises(page.PageError, match="there are no results"):
        page.read_results([str(tmp_path)])
    file = tmp_path / "result.json"
    for content in ("{", "[]", json.dumps({**_result(), "benchmark": "imagenet"}), "{}"):
        file.write_text(content)
        with pytest.raises(page.PageError, match=r"result\.json is no result"):
            page.read_results([str(tmp_path)])


def test_papers_rows_are_of_the_same_set_alone():
    assert published_rows("youcook2", 3350)[-1].metrics["R@10"] == 0.512
    assert published_rows("youcook2", 3492) == ()
    assert published_rows("msrvtt", 1000)[-1].metrics["median_rank"] == 29.5
    assert published_rows("msrvtt", 1000, video_list="list_1k_b.txt") == ()
    assert published_rows("msrvtt", 2990) == ()
    assert published_rows("csv", 10) == ()
    assert published_rows("hmdb51", 6766)[-1].metrics["top_1"] == 0.531
    assert published_rows("hmdb51_fine_tuning", 6766)[-1].metrics["top_1"] == 0.61
