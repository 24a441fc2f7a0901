import numpy as np
import pytest
import tensorflow as tf

from schemas import records


def _clip(**changes) -> records.ClipRecord:
    fields = {
        "video_id": "dQw4w9WgXcQ",
        "clip_index": 3,
        "clip_start": 1.5,
        "clip_end": 6.5,
        "frame_rate": 10.0,
        "frames": [b"first", b"second"],
        "captions": ["rør æg", "tilsæt mel", ""],
        "caption_starts": [2.0, 1.0, 5.0],
        "caption_ends": [4.0, 2.0, 6.0],
        "task": "Bag en kage",
    }
    return records.ClipRecord(**{**fields, **changes})


def test_clip_survives_the_round_trip():
    clip = records.parse_clip(tf.constant(records.serialize_clip(_clip())), 2)
    assert clip[records.IMAGE].numpy().tolist() == [b"first", b"second"]
    assert [text.decode() for text in clip[records.CAPTION].numpy()] == ["rør æg", "tilsæt mel"]
    np.testing.assert_array_equal(clip[records.CAPTION_START], [2.0, 1.0])
    np.testing.assert_array_equal(clip[records.CAPTION_END], [4.0, 2.0])
    assert clip[records.CLIP_START] == 1.5
    assert clip[records.CLIP_END] == 6.5
    assert clip[records.CLIP_FRAME_RATE] == 10.0
    assert clip[records.CLIP_INDEX] == 3
    assert clip[records.VIDEO_ID] == b"dQw4w9WgXcQ"
    assert clip[records.TASK].numpy().decode() == "Bag en kage"


def test_clip_parses_inside_tf_data_with_a_known_bag_size():
    dataset = tf.data.Dataset.from_tensors(records.serialize_clip(_clip()))
    dataset = dataset.map(lambda serialized: records.parse_clip(serialized, 3))
    assert dataset.element_spec[records.CAPTION].shape == [3]
    clip = next(dataset.as_numpy_iterator())
    assert clip[records.CAPTION][2] == b""


def test_parsing_more_captions_than_stored_is_an_error():
    serialized = records.serialize_clip(_clip())
    with pytest.raises(tf.errors.InvalidArgumentError, match="fewer captions than were asked"):
        records.parse_clip(tf.constant(serialized), 4)
    dataset = tf.data.Dataset.from_tensors(serialized)
    dataset = dataset.map(lambda serialized: records.parse_clip(serialized, 4))
    with pytest.raises(tf.errors.InvalidArgumentError, match="fewer captions than were asked"):
        next(iter(dataset))


def test_clip_without_frames_is_parsed_where_none_are_needed():
    serialized = records.serialize_clip(_clip(frames=[]))
    clip = records.parse_clip(tf.constant(serialized), 1, need_frames=False)
    assert clip[records.IMAGE].shape == [0]
    assert clip[records.CAPTION][0].numpy().decode() == "rør æg"
    message = "the clip record stores no frames; set ingest.store_frames=true"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        records.parse_clip(tf.constant(serialized), 1)
    dataset = tf.data.Dataset.from_tensors(serialized)
    dataset = dataset.map(lambda serialized: records.parse_clip(serialized, 1))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        next(iter(dataset))


def test_clip_has_the_layout_of_dmvr():
    example = tf.train.SequenceExample.FromString(records.serialize_clip(_clip()))
    frames = example.feature_lists.feature_list["image/encoded"].feature
    assert [frame.bytes_list.value[0] for frame in frames] == [b"first", b"second"]
    captions = example.context.feature["caption/string"].bytes_list.value
    assert captions[0].decode() == "rør æg"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"caption_ends": [4.0]}, "one start and one end"),
        ({"captions": [], "caption_starts": [], "caption_ends": []}, "at least one caption"),
    ],
)
def test_incomplete_clips_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        records.serialize_clip(_clip(**changes))


def test_caption_record_names_and_counts():
    serialized = records.serialize_caption(
        records.CaptionRecord(
            video_id="abc",
            caption="now fold the star",
            caption_start=2.0,
            caption_end=4.0,
            clip_start=0.5,
            clip_end=5.5,
            clip_num_frames=50,
            video_duration=60.25,
            video_width=1280,
            video_height=720,
        )
    )
    feature = tf.train.Example.FromString(serialized).features.feature
    values = {
        name: list(getattr(value, value.WhichOneof("kind")).value)
        for name, value in feature.items()
    }
    assert values == {
        "video_id": [b"abc"],
        "task": [b""],
        "caption/string": [b"now fold the star"],
        "caption/start": [2.0],
        "caption/end": [4.0],
        "caption/num_words": [4],
        "clip/start": [0.5],
        "clip/end": [5.5],
        "clip/num_frames": [50],
        "video/duration": [60.25],
        "video/width": [1280],
        "video/height": [720],
    }
