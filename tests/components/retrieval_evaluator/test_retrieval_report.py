import base64
import dataclasses
import html.parser
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from components.retrieval_evaluator import blessing, evaluation, report, stored_frames
from components.retrieval_evaluator.clips import Clip
from components.retrieval_evaluator.config import EvaluatorConfig
from components.retrieval_evaluator.frame_clips import FrameClips
from components.retrieval_evaluator.text_video_model import TextVideoModel

_CONFIG = EvaluatorConfig(
    num_frames=4, frame_rate=2.0, image_size=16, num_windows=1, batch_size=4, recall_name="R@1"
)


class _Page(html.parser.HTMLParser):
    """Collects what a page shows and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.addresses = []
        self.descriptions = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attributes = dict(attrs)
        self.addresses += [attributes[name] for name in ("src", "href") if name in attributes]
        if tag == "img":
            self.descriptions.append(attributes.get("alt"))


def _clips(count):
    return [
        Clip(f"v{index}", f"caption {index}", index, index + 1.0, index, index + 5.0, "")
        for index in range(count)
    ]


@pytest.fixture(scope="module")
def scored(colour_world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    captions = list(colour_world.captions)
    # The first and the last clip bear each other's captions: rank 8 of 8 for both.
    said = [captions[7] + " <script>x</script>", *captions[1:7], captions[0]]
    files = colour_world.write_clips(folder / "clips", captions, said)
    model = TextVideoModel(colour_world.write_model(folder / "model"))
    return evaluation.evaluate(model, FrameClips.from_config(files, _CONFIG), "annotated clips")


def _render(scored, training_log="", baseline=None, compared=None, pictures=None):
    pictures = scored.source.files if pictures is None else pictures
    summary = scored.summary()
    decision = blessing.decide(summary["text_to_video"], summary["random"], baseline, _CONFIG)
    document = evaluation.metrics_document(scored, None, baseline, decision, compared)
    return report.render(json.loads(json.dumps(document)), scored, pictures, training_log)


def test_queries_are_spread_over_the_ranks_and_not_over_the_files():
    ranks = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    assert report.choose_queries(ranks, _clips(5), 3) == [1, 4, 0]
    assert sorted(report.choose_queries(ranks, _clips(5), 12)) == [0, 1, 2, 3, 4]


def test_equal_ranks_are_chosen_alike_in_any_order_of_the_clips():
    clips = _clips(40)
    chosen = report.choose_queries(np.ones(40), clips, 12)
    assert len(set(chosen)) == 12
    turned = clips[::-1]
    again = report.choose_queries(np.ones(40), turned, 12)
    assert [clips[index] for index in chosen] == [turned[index] for index in again]
    assert chosen != sorted(chosen)


def test_a_contact_sheet_shows_four_evenly_spaced_frames():
    frames = []
    for index in range(8):
        frame = io.BytesIO()
        Image.new("RGB", (88, 44), (30 * index,) * 3).save(frame, "JPEG", quality=95)
        frames.append(frame.getvalue())
    sheet = Image.open(io.BytesIO(report.contact_sheet(frames))).convert("L")
    assert sheet.size == (2 * 88 + 2, 2 * 44 + 2)
    # Frames 1, 3, 5 and 7 of 8, left to right and down.
    centres = [sheet.getpixel(place) for place in ((44, 22), (134, 22), (44, 68), (134, 68))]
    np.testing.assert_allclose(centres, [30, 90, 150, 210], atol=4)


def test_a_training_log_is_read_up_to_a_line_cut_short():
    text = (
        '{"step": 10, "loss": 3.5, "learning_rate": 0.1, "clips_per_second": 50}\n'
        '{"step": 20, "loss": 2.5, "eval_loss": 2.75, "learning_rate": 0.2}\n'
        '{"step": 30, "lo'
    )
    assert report.parse_training_log(text) == {
        "loss": ([10, 20], [3.5, 2.5]),
        "eval_loss": ([20], [2.75]),
        "learning_rate": ([10, 20], [0.1, 0.2]),
        "clips_per_second": ([10], [50]),
    }
    curves = report.training_curves(text)
    assert [curve.title for curve in curves] == ["Loss", "Learning rate", "Clips a second"]
    assert curves[0].description == (
        "Loss: training from 3.5 at step 10 to 2.5 at step 20; "
        "eval split from 2.75 at step 20 to 2.75 at step 20"
    )
    assert report.training_curves("") == []


def test_example_queries_mark_the_right_clip(scored):
    queries = report.example_queries(scored, scored.source.files)
    assert len(queries) == 8
    assert [query.rank for query in queries] == [1.0] * 6 + [8.0] * 2
    for query in queries[:6]:
        assert query.own is None
        assert [found.right for found in query.top] == [True] + [False] * 4
        assert query.top[0].clip == query.clip
    for query in queries[6:]:
        assert not any(found.right for found in query.top)
        assert query.own.right
        assert query.own.clip == query.clip
        assert query.own.position == 8


def test_sheets_show_the_frames_of_their_clip(scored, colour_world):
    for query in report.example_queries(scored, scored.source.files):
        for found in query.top:
            shown = colour_world.captions[round(found.clip.clip_start / 10)]
            sheet = base64.b64decode(found.sheet.removeprefix("data:image/jpeg;base64,"))
            red, green, blue = Image.open(io.BytesIO(sheet)).getpixel((5, 5))
            colours = [word for word in ("red", "green", "blue") if word in shown]
            bright = zip(("red", "green", "blue"), (red, green, blue), strict=True)
            assert [word for word, level in bright if level > 127] == colours


def test_the_report_is_one_file_that_loads_and_runs_nothing(scored):
    log = '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n'
    text = _render(scored, log)
    page = _Page(text)
    assert "script" not in page.tags
    assert "&lt;script&gt;" in text
    assert page.addresses
    assert all(address.startswith("data:image/") for address in page.addresses)
    assert "url(" not in text
    assert "@import" not in text
    assert all(page.descriptions)
    assert len(page.descriptions) == 1 + 8 * 5 + 2


def test_the_report_shows_table_random_row_and_baseline(scored):
    text_to_video = scored.summary()["text_to_video"]
    baseline = blessing.Baseline("hub/17", {**text_to_video, "R@1": 0.5}, text_to_video)
    text = re.sub(r"\s+", " ", _render(scored, baseline=baseline))
    assert "Random guessing" in text
    assert "12.5&thinsp;%" in text
    assert "75.0&thinsp;%" in text
    assert "version 17" in text
    assert "50.0&thinsp;%" in text
    assert "8 of 8 expected annotated clips were scored" in text
    assert text.count("✓ right, rank 8") == 2
    assert evaluation.protocol_in_words(scored.source)[:60] in text


def test_a_report_without_training_log_and_baseline_has_no_such_sections(scored):
    text = _render(scored)
    assert "<h2>Training</h2>" not in text
    assert "Last pushed" not in text


def test_a_clip_without_frames_shows_its_caption_and_time_once(scored):
    text = _render(scored, pictures=[])
    page = _Page(text)
    assert "img" not in page.tags
    assert text.count('class="tile"') == 8 * 5 + 2
    assert "shows its caption and its time instead" in re.sub(r"\s+", " ", text)
    (card,) = re.findall(
        r'<li class="card right">(?:(?!</li>).)*red paint(?:(?!</li>).)*</li>', text, re.DOTALL
    )
    assert card.count("red paint") == 1
    assert card.count("0:40.0–0:45.0") == 1
    assert "instead" not in _render(scored)


def test_a_report_shows_what_fine_tuning_gave(scored):
    text_to_video = scored.summary()["text_to_video"]
    rows = [
        {"name": "pre-trained only", "error": "no <model>"},
        {"name": "pre-trained and fine-tuned", **text_to_video},
    ]
    compared = {"pretrained_model": "gated, version 17", "fine_tuning": rows}
    text = _render(scored, compared=compared)
    assert "What fine-tuning gave" in text
    assert "could not be scored: no &lt;model&gt;" in text
    assert "Pre-trained and fine-tuned" in text
    assert "What fine-tuning gave" not in _render(scored)


def test_a_clip_whose_frames_are_read_again_is_the_same(scored):
    wanted = [scored.clips[6], scored.clips[1]]
    frames = stored_frames.read_frames(scored.source.files, wanted)
    assert set(frames) == set(wanted)
    assert [len(images) for images in frames.values()] == [10, 10]
    other = dataclasses.replace(wanted[0], caption="never said")
    assert stored_frames.read_frames(scored.source.files, [other]) == {}
