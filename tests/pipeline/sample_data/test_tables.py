import json

import numpy as np

from pipeline.sample_data.config import SampleConfig
from pipeline.sample_data.script import write_scripts
from pipeline.sample_data.tables import format_truth


def test_about_half_of_the_default_narration_matches_the_picture():
    train, _ = write_scripts(SampleConfig())
    truth = json.loads(format_truth(train))
    lines = truth["lines"]
    assert truth["num_lines"] == len(lines) == sum(truth["kinds"].values())
    assert truth["matching_fraction"] == np.mean([line["matches"] for line in lines])
    assert 0.45 <= truth["matching_fraction"] <= 0.55
    for line in lines:
        assert line["matches"] == (line["about"] is not None and line["about"] == line["on_screen"])
        if line["about"] is not None:
            _, _, colour, _, shape = line["about"].split()
            assert {colour, shape} <= set(line["text"].split())


def test_lines_said_early_and_late_are_about_the_neighbouring_steps():
    (script,), _ = write_scripts(SampleConfig(num_videos=1, num_test_videos=0))
    lines = json.loads(format_truth([script]))["lines"]
    captions = [
        f"{s.action} the {s.item.colour} {s.item.pattern} {s.item.shape}" for s in script.steps
    ]
    offset = {"match": 0, "early": 1, "late": -1}
    assert {line["kind"] for line in lines} >= {"match", "early"}
    for line in lines:
        if line["kind"] == "filler":
            assert line["about"] is None
        else:
            assert (
                captions.index(line["about"]) - captions.index(line["on_screen"])
                == (offset[line["kind"]])
            )


def test_without_narration_there_is_no_share():
    assert json.loads(format_truth([])) == {
        "num_lines": 0,
        "matching_fraction": None,
        "kinds": {"match": 0, "early": 0, "late": 0, "filler": 0},
        "lines": [],
    }
