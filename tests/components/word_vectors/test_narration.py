"""Narration without a transform graph, worked out by hand."""

import tensorflow as tf

from components.word_vectors import narration
from schemas import records


def _write(path, captions):
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for video_id, start, text in captions:
            record = records.CaptionRecord(
                video_id=video_id,
                caption=text,
                caption_start=start,
                caption_end=start + 1,
                clip_start=start,
                clip_end=start + 5,
                clip_num_frames=0,
                video_duration=60.0,
                video_width=0,
                video_height=0,
            )
            writer.write(records.serialize_caption(record))
    return str(path)


def test_captions_become_normalised_words(tmp_path):
    # The "ø" is one letter; "é" comes as "e" and an accent, and is one letter afterwards.
    path = _write(tmp_path / "a.gz", [("v", 2.5, "CUT the Rør-cafe\u0301, don't")])
    (caption,) = narration.read_captions([path])
    assert caption == ("v", 2.5, ["cut", "the", "rør", "caf\u00e9", "don't"])


def test_sentences_follow_time_whatever_the_order_of_files(tmp_path):
    captions = [("b", 5.0, "the star"), ("a", 10.0, "the end"), ("b", 1.0, "fold"), ("a", 9.0, "")]
    files = [_write(tmp_path / f"{i}.gz", captions[i::2]) for i in range(2)]
    sentences = narration.video_sentences(narration.read_captions(files))
    assert sentences == [["the", "end"], ["fold", "the", "star"]]
    assert narration.video_sentences(narration.read_captions(files[::-1])) == sentences


def test_long_narration_comes_in_pieces():
    long = [("v", float(i), ["word"] * 9) for i in range(1112)]
    assert [len(piece) for piece in narration.video_sentences(long)] == [10_000, 8]
