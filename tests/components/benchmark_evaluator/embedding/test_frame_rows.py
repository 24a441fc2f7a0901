"""Rows of small videos of the world of colours: 4 s of red, then of green, then of blue.

A window is 4 frames at 2 a second. The colours of H.264 are not quite those that were painted.
"""

import fractions
import math

import av
import numpy as np
import pytest

from components.benchmark_evaluator.embedding.frame_rows import FrameProtocol, FrameRows
from components.benchmark_evaluator.embedding.row_rules import ClipRows, RegularRows, SpreadRows
from components.retrieval_evaluator.text_video_model import ModelError

SHOWN = ("red paint", "green paint", "blue paint")
RED, GREEN, BLUE = np.eye(3) - 0.5
BLACK = np.full(3, -0.5)


@pytest.fixture(scope="module")
def video(colour_world, tmp_path_factory):
    return colour_world.write_video(tmp_path_factory.mktemp("videos") / "v.mkv", SHOWN)


@pytest.fixture
def cut_video(video, tmp_path):
    """The same video up to about 4.3 s; its header promises 12."""
    data = video.read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(data[: len(data) * 6 // 10])
    return path


@pytest.fixture(scope="module")
def blind_model(tmp_path_factory):
    """A model that fails where a window is red; its features before the last layer do not."""
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None] * 4 + [3], name="images")])
        def video(self, images):
            colour = tf.reduce_mean(images, [1, 2, 3]) - 0.5
            seen = tf.where(colour[:, :1] > 0.3, float("nan"), colour)
            return {"video_embedding": seen, "mixed_5c": colour}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
        def text(self, words):
            return {"text_embedding": tf.zeros([tf.size(words), 3])}

    model = Model()
    path = str(tmp_path_factory.mktemp("blind") / "model")
    tf.saved_model.save(model, path, signatures={"video": model.video, "text": model.text})
    return path


def rows(model, path, rule, **protocol):
    settings = {"num_frames": 4, "frame_rate": 2.0, "image_size": 24, "batch_size": 3} | protocol
    return FrameRows(model, FrameProtocol(**settings)).rows([str(path)], rule)


def assert_rows(found, expected):
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, expected, atol=0.02)


def test_a_row_of_a_clip_is_the_mean_of_its_windows(colour_model, video):
    clips = ((0.0, 4.0), (2.0, 6.0), (8.0, math.inf))
    found = rows(colour_model, video, ClipRows(clips, 2))
    # The windows of the second clip begin at 2 s, and at the sample next to 3.6 s, that at 3.5 s:
    # four red frames, and one before three green ones.
    assert_rows(found, [RED, (5 * RED + 3 * GREEN) / 8, BLUE])
    assert found.problem is None


def test_a_row_of_a_second_is_of_the_window_around_its_centre(colour_model, video):
    found = rows(colour_model, video, RegularRows(2.0))
    # Windows begin at 0, 2, ..., 10 s, so that each lies in one colour.
    assert_rows(found, np.repeat([RED, GREEN, BLUE], 2, axis=0))
    found = rows(colour_model, video, RegularRows(1.0))
    # Those of rows 3 and 4 begin at 2.5 and 3.5 s, and the last at 10 s, as far as the video goes.
    assert len(found.values) == 12
    np.testing.assert_allclose(found.values[3], (3 * RED + GREEN) / 4, atol=0.02)
    np.testing.assert_allclose(found.values[4], (RED + 3 * GREEN) / 4, atol=0.02)
    np.testing.assert_allclose(found.values[11], BLUE, atol=0.02)


def test_how_many_windows_are_embedded_at_once_does_not_matter(colour_model, video):
    rule = ClipRows(((0.0, 5.0), (3.0, 9.0)), 5)
    one, many = (rows(colour_model, video, rule, batch_size=size).values for size in (1, 16))
    np.testing.assert_allclose(one, many, atol=1e-6)


def test_a_clip_past_the_end_has_no_frames(colour_model, video):
    found = rows(colour_model, video, ClipRows(((0.0, 4.0), (12.5, 20.0), (30.0, math.inf)), 2))
    assert_rows(found, [RED, [np.nan] * 3, [np.nan] * 3])
    assert found.problem is None
    no_frames = ("no_frames", "the video has no frames there")
    assert [found.failure(row) for row in range(4)] == [
        None,
        no_frames,
        no_frames,
        ("no_rows", "the video ends before that"),
    ]


def test_a_clip_that_runs_past_the_end_is_what_there_is_of_it(colour_model, video):
    # The second window would begin at 17.6 s. Ends are rounded to seconds.
    clips = ((8.0, 20.0), (8.0, 13.0), (8.0, 13.1), (8.0, math.inf), (0.0, 0.5))
    found = rows(colour_model, video, ClipRows(clips, 2))
    # The last of eight samples, at 12 s, is black where a window goes on after the video.
    padded = (7 * BLUE + BLACK) / 8
    assert_rows(found, [BLUE, padded, padded, BLUE, RED])
    assert [found.failure(row) for row in range(5)] == [None] * 5
    remark = ("cut_off", "the video ends before it does, so it was scored without its end")
    assert [found.remark(row) for row in range(5)] == [remark, None, remark, None, None]


def test_a_video_without_any_of_its_clips(colour_model, video):
    found = rows(colour_model, video, ClipRows(((20.0, 25.0),), 2))
    assert found.values is None
    assert found.failure(0) == ("no_frames", "the video ends before what is asked for")


def test_a_video_that_breaks_off_keeps_the_rows_whose_windows_all_came(colour_model, cut_video):
    clips = ((0.0, 4.0), (2.0, 6.0), (8.0, 12.0))
    found = rows(colour_model, cut_video, ClipRows(clips, 2))
    # Of the second clip the first window came.
    assert_rows(found, [RED, [np.nan] * 3, [np.nan] * 3])
    assert found.failure(0) is None
    assert found.failure(1) == found.failure(2) == found.problem
    assert found.problem[0] == "truncated"
    assert "the file promises 12.0 s" in found.problem[1]


def test_a_video_that_breaks_off_after_its_last_clip_is_as_good_as_whole(colour_model, cut_video):
    found = rows(colour_model, cut_video, ClipRows(((0.0, 3.0),), 2))
    assert_rows(found, [RED])
    assert found.problem is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty_file"),
        (b"no video, whatever the name says", "not_a_video"),
        (None, "unreadable"),
    ],
)
@pytest.mark.parametrize("frame_rate", [2.0, None])
def test_a_file_that_is_no_video_gives_a_reason(
    colour_model, tmp_path, content, reason, frame_rate
):
    path = tmp_path / "v.mp4"
    if content is not None:
        path.write_bytes(content)
    found = rows(colour_model, path, SpreadRows(2), frame_rate=frame_rate)
    assert found.values is None
    assert found.failure(0) == found.failure(1) == found.problem
    assert found.problem[0] == reason


def test_native_frames_are_exactly_those_of_the_file(colour_world, colour_model, tmp_path):
    path = colour_world.write_video(tmp_path / "v.mp4", SHOWN, seconds=1, rate=10)
    found = rows(colour_model, path, SpreadRows(4), num_frames=3, frame_rate=None)
    # 30 frames, and windows from frames 0, 9, 18 and 27 on.
    assert_rows(found, [RED, (RED + 2 * GREEN) / 3, (2 * GREEN + BLUE) / 3, BLUE])
    found = rows(colour_model, path, SpreadRows(2), num_frames=30, frame_rate=None)
    assert_rows(found, [(RED + GREEN + BLUE) / 3] * 2)


def test_native_frames_count_once_however_long_they_are_shown(colour_model, tmp_path):
    path = tmp_path / "v.mkv"
    colours = {0: (255, 0, 0), 100: (0, 255, 0), 500: (0, 0, 255), 4000: (255, 0, 0)}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        stream.options = {"crf": "4", "preset": "ultrafast"}
        stream.codec_context.time_base = fractions.Fraction(1, 1000)
        for milliseconds, colour in colours.items():
            pixels = np.full([24, 32, 3], colour, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = milliseconds, fractions.Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = rows(colour_model, path, SpreadRows(2), num_frames=2, frame_rate=None)
    assert_rows(found, [(RED + GREEN) / 2, (BLUE + RED) / 2])


def test_spread_windows_at_a_rate_of_their_own(colour_model, video):
    # 24 samples, and windows from samples 0, 10 and 20 on.
    assert_rows(rows(colour_model, video, SpreadRows(3)), [RED, GREEN, BLUE])


def test_native_frames_of_a_video_that_breaks_off_are_those_before(colour_model, cut_video):
    found = rows(colour_model, cut_video, SpreadRows(2), num_frames=20, frame_rate=None)
    # About 43 frames come, 40 red ones and then green ones: the last window has some of either.
    np.testing.assert_allclose(found.values[0], RED, atol=0.02)
    red, green, _ = found.values[1] + 0.5
    assert 0.5 < red < 0.95
    assert green == pytest.approx(1 - red, abs=0.02)
    assert found.problem[0] == "truncated"


def test_a_window_longer_than_the_video_is_filled_up_with_black(
    colour_world, colour_model, tmp_path
):
    path = colour_world.write_video(tmp_path / "v.mp4", ["red paint"], seconds=1, rate=10)
    half = (RED + BLACK) / 2
    for rule in (ClipRows(((0.0, math.inf),), 2), RegularRows(1.0), SpreadRows(1)):
        assert_rows(rows(colour_model, path, rule), [half])
    found = rows(colour_model, path, SpreadRows(2), num_frames=16, frame_rate=None)
    assert_rows(found, [(10 * RED + 6 * BLACK) / 16] * 2)


def test_an_embedding_that_is_not_finite_costs_its_rows_alone(blind_model, video):
    rule = ClipRows(((0.0, 4.0), (2.0, 6.0), (8.0, 12.0)), 2)
    found = rows(blind_model, video, rule)
    assert_rows(found, [[np.inf] * 3, [np.inf] * 3, BLUE])
    assert found.failure(0) == ("not_finite", "the model's embedding of it is not finite")
    assert found.failure(1) == found.failure(0)
    assert found.failure(2) is None
    # Another output of the same model is another matter.
    found = rows(blind_model, video, rule, output="mixed_5c")
    assert_rows(found, [RED, (5 * RED + 3 * GREEN) / 8, BLUE])


def test_the_square_is_the_middle_of_the_scaled_frame(colour_model, tmp_path):
    # Red is what lies within 12 pixels of the middle of 48 x 64.
    pixels = np.zeros([48, 64, 3], np.uint8)
    pixels[..., 2] = 255
    pixels[12:36, 20:44] = (255, 0, 0)
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"crf": "4", "preset": "ultrafast"}
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    near = rows(colour_model, path, SpreadRows(1), short_side=48).values
    np.testing.assert_allclose(near, [RED], atol=0.1)
    # Of the largest square, 48 x 48, a quarter is red.
    far = rows(colour_model, path, SpreadRows(1)).values
    np.testing.assert_allclose(far, [(RED + 3 * BLUE) / 4], atol=0.1)
    with pytest.raises(ValueError, match="the square of 24 pixels does not fit in"):
        FrameProtocol(image_size=24, short_side=23)


def test_a_model_that_was_written_anew_is_loaded_anew(colour_world, video, tmp_path):
    path = colour_world.write_model(tmp_path / "model")
    assert_rows(rows(path, video, SpreadRows(1)), [RED])
    colour_world.write_model(tmp_path / "model", bias=0.25)
    assert_rows(rows(path, video, SpreadRows(1)), [RED + 0.25])


def test_an_output_that_the_model_lacks_is_an_error(colour_model, video):
    with pytest.raises(ModelError, match="gives no mixed_4f, only mixed_5c and video_embedding"):
        rows(colour_model, video, SpreadRows(1), output="mixed_4f")


@pytest.mark.parametrize("duration", ["00:00:00", "99:00:12"])
@pytest.mark.parametrize("rule", [RegularRows(1.0), SpreadRows(2), ClipRows(((0.0, 4.0),), 2)])
def test_a_header_that_promises_nonsense_costs_one_video(
    colour_model, video, tmp_path, duration, rule
):
    data = video.read_bytes()
    assert data.count(b"00:00:12") == 1
    path = tmp_path / "v.mkv"
    path.write_bytes(data.replace(b"00:00:12", duration.encode()))
    found = rows(colour_model, path, rule)
    assert found.values is None
    assert found.problem[0] == "bad_duration"


def test_a_video_shorter_than_a_sample_has_one(colour_world, colour_model, tmp_path):
    path = tmp_path / "v.mkv"
    colour_world.write_video(path, ["red paint"] * 2, seconds=1, rate=1)
    # Two frames, a second each; at a sample in 5 s there is one.
    found = rows(colour_model, path, SpreadRows(2), num_frames=1, frame_rate=0.2)
    assert_rows(found, [RED] * 2)
