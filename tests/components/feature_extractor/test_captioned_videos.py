import pytest
import tensorflow as tf

from components.feature_extractor.captions import Caption, read_captioned_videos


def test_captions_are_gathered_from_all_files_in_time_order(tmp_path, clock_world):
    files = clock_world.write_captions(tmp_path, {"b": [5, 1], "a": [2]}, 9.0, "x.gz")
    files += clock_world.write_captions(tmp_path, {"b": [3]}, 9.0, "y.gz")
    videos = read_captioned_videos(files[::-1])
    assert [video.video_id for video in videos] == ["a", "b"]
    assert [caption.start for caption in videos[1].captions] == [1, 3, 5]
    assert videos[1].captions[2] == Caption(5, 7, 4, 8, "b at 5")
    assert (videos[0].duration, videos[0].task) == (9.0, "tell the time")


def test_files_of_something_else_are_named(tmp_path):
    path = str(tmp_path / "clips.tfrecord")
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(tf.train.Example().SerializeToString())
    with pytest.raises(ValueError, match=f"{path} holds no caption records"):
        read_captioned_videos([path])
