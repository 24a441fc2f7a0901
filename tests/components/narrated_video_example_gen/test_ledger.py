import io
import json

from components.narrated_video_example_gen import ledger
from components.narrated_video_example_gen.ledger import Entry


def entry(clip_index, stage, reason):
    return Entry("v", "v.mp4", clip_index, stage, reason, "because")


def test_counts_add_up_and_lines_can_be_read_back():
    stream = io.StringIO()
    book = ledger.Ledger(stream)
    entries = [
        entry(None, "filter", "duplicate_id"),
        entry(None, "video", "corrupt"),
        entry(0, "clip", "past_end"),
        entry(4, "clip", "past_end"),
        entry(2, "clip", "too_long"),
    ]
    book.add_all(entries)
    book.keep(videos=2, clips=7)
    assert book.summary() == {
        "videos": {"read": 4, "kept": 2, "left_out": {"corrupt": 1, "duplicate_id": 1}},
        "clips": {"read": 10, "kept": 7, "left_out": {"past_end": 2, "too_long": 1}},
    }
    assert dict(book.failed) == {"corrupt": 1}
    assert [Entry.from_json(line) for line in stream.getvalue().splitlines()] == entries


def test_line_is_json_with_the_names_of_the_fields():
    line = Entry("Kürbis", "a/b.mp4", None, "video", "corrupt", "a\nb").to_json()
    assert "Kürbis" in line
    assert json.loads(line) == {
        "video_id": "Kürbis",
        "path": "a/b.mp4",
        "clip_index": None,
        "stage": "video",
        "reason": "corrupt",
        "message": "a\nb",
    }


def test_summary_for_a_terminal_says_how_many_and_why():
    summary = {
        "videos": {"read": 1200, "kept": 1198, "left_out": {"corrupt": 2}},
        "clips": {"read": 9, "kept": 6, "left_out": {"past_end": 2, "too_long": 1}},
    }
    assert ledger.format_summary(summary) == (
        "videos: 1,200 read, 1,198 kept, 2 left out (2 corrupt)\n"
        "clips: 9 read, 6 kept, 3 left out (2 past end, 1 too long)"
    )


def test_missing_annotated_videos_are_named_and_have_not_failed():
    stream = io.StringIO()
    book = ledger.Ledger(stream, num_annotated=457)
    book.keep(videos=430, clips=3000)
    book.add_all(
        Entry(f"v{n}", "a.json", None, "annotations", "missing_file", "gone") for n in range(27)
    )
    book.add(Entry("w", "w.mp4", None, "video", "corrupt", "broken"))
    book.add(Entry("v0", "a.json", 3, "annotations", "bad_annotation", "reversed"))
    assert dict(book.failed) == {"corrupt": 1}
    summary = json.loads(json.dumps(book.summary()))
    assert summary["videos"]["left_out"] == {"missing_file": 27, "corrupt": 1}
    assert summary["annotated"] == {
        "videos": 457,
        "missing": 27,
        "first_missing": [f"v{n}" for n in range(20)],
    }
    assert ledger.format_missing(summary) == (
        "27 of 457 annotated videos have no file: v0, v1, v2, v3, v4, …"
    )


def test_nothing_is_said_where_no_annotated_video_is_missing():
    book = ledger.Ledger(io.StringIO(), num_annotated=2)
    book.add(Entry("a", "a.csv", None, "filter", "other_part", "x"))
    assert ledger.format_missing(book.summary()) is None
    book.add(Entry("b", "a.csv", None, "annotations", "missing_file", "x"))
    assert ledger.format_missing(book.summary()) == "1 of 2 annotated videos have no file: b"
    assert ledger.format_missing(ledger.Ledger(io.StringIO()).summary()) is None
