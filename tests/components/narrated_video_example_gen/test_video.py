import collections
import dataclasses
import fractions
import json

import numpy as np
import pytest

from components.narrated_video_example_gen import video
from components.narrated_video_example_gen.video import Sampling, VideoError, Window


def read_clips(path, windows, frame_rate=10.0, short_side=256, quality=95):
    with video.open_video(str(path)) as opened:
        return list(opened.clips(windows, frame_rate, short_side, quality))


def collect(stream, clips):
    for clip in stream:
        clips.append(clip)


def at_30_fps(seconds):
    return [number / 30 for number in range(round(seconds * 30))]


def test_samples_lie_on_the_grid_of_the_frame_rate(tmp_path, write_video, frame_numbers):
    path = write_video(tmp_path / "v.mp4", at_30_fps(2))
    (clip,) = read_clips(path, [Window(3, 0.5, 1.5)])
    # Samples at 0.5, 0.6, ..., 1.4 s are the frames 15, 18, ..., 42.
    assert frame_numbers(clip.frames) == list(range(15, 43, 3))
    assert (clip.index, clip.start, clip.end) == (3, 0.5, 1.5)


def test_variable_frame_rate_shows_the_last_frame_at_or_before_a_sample(
    tmp_path, write_video, frame_numbers
):
    times = [0, 0.05, 0.31, 0.32, 0.70, 1.0, 1.25]
    path = write_video(tmp_path / "v.mp4", times)
    (clip,) = read_clips(path, [Window(0, 0.0, 1.2)])
    #   samples at               0  .1 .2 .3 .4 .5 .6 .7 .8 .9 1. 1.1
    assert frame_numbers(clip.frames) == [0, 1, 1, 1, 3, 3, 3, 4, 4, 4, 5, 5]


def test_picture_that_begins_after_the_sound(tmp_path, write_video, frame_numbers):
    times = [0.25 + time for time in at_30_fps(1)]
    path = write_video(tmp_path / "v.mkv", times, sound_seconds=1.0)
    (clip,) = read_clips(path, [Window(0, 0.0, 0.6)])
    # Before 0.25 s the first frame; then 0.3 s shows frame 1 (0.283), 0.4 s frame 4 (0.383) ...
    assert frame_numbers(clip.frames) == [0, 0, 0, 1, 4, 7]


def test_duration_of_a_container_that_has_none_is_read_from_the_packets(tmp_path, write_video):
    path = write_video(tmp_path / "v.mkv", at_30_fps(2), options={"live": "1"})
    with video.av.open(str(path)) as container:
        assert container.duration is None
    with video.open_video(str(path)) as opened:
        assert opened.info.duration == pytest.approx(2.0, abs=0.04)


def test_overlapping_windows_share_frames_that_are_encoded_once(
    tmp_path, write_video, frame_numbers, monkeypatch
):
    encoded = []
    encode = video._encode
    monkeypatch.setattr(
        video, "_encode", lambda *args, **kw: encoded.append(1) or encode(*args, **kw)
    )
    path = write_video(tmp_path / "v.mp4", at_30_fps(2))
    first, second = read_clips(path, [Window(1, 0.5, 1.5), Window(0, 0.0, 1.0)])
    assert (first.index, second.index) == (0, 1)
    assert frame_numbers(first.frames) == list(range(0, 30, 3))
    assert frame_numbers(second.frames) == list(range(15, 45, 3))
    assert first.frames[5] is second.frames[0]
    assert len(encoded) == 15


def test_held_frames_are_those_of_open_windows(tmp_path, write_video, monkeypatch):
    class CountedBytes(bytes):
        alive = most = 0

        def __new__(cls, data):
            cls.alive += 1
            cls.most = max(cls.most, cls.alive)
            return super().__new__(cls, data)

        def __del__(self):
            CountedBytes.alive -= 1

    encode = video._encode
    monkeypatch.setattr(video, "_encode", lambda *args, **kw: CountedBytes(encode(*args, **kw)))
    path = write_video(
        tmp_path / "v.mp4",
        [n / 10 for n in range(600)],
        paint=lambda n, w, h: np.full((h, w, 3), n % 250, np.uint8),
    )
    with video.open_video(str(path)) as opened:
        windows = [Window(second, second, second + 5) for second in range(0, 55, 5)]
        windows += [Window(100 + second, second + 2.5, second + 7.5) for second in range(0, 50, 5)]
        lengths = [len(clip.frames) for clip in opened.clips(windows, 10.0, 256, 95)]
    assert lengths == [50] * 21
    # Two windows of 5 s overlap at any time, by half: 75 frames; and one clip that was just given.
    assert CountedBytes.most <= 126


def test_decoding_stops_after_the_last_window(tmp_path, write_video, frame_numbers):
    path = write_video(tmp_path / "v.mp4", at_30_fps(2), options={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    (clip,) = read_clips(path, [Window(0, 0.0, 0.5)])
    assert frame_numbers(clip.frames) == [0, 3, 6, 9, 12]


def test_truncated_video_gives_the_clips_before_the_break(tmp_path, write_video, frame_numbers):
    path = write_video(
        tmp_path / "v.mp4", [n / 10 for n in range(60)], options={"movflags": "faststart"}
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    clips = []
    with video.open_video(str(path)) as opened:
        assert opened.info.duration == pytest.approx(6.0, abs=0.1)
        stream = opened.clips([Window(n, n, n + 1) for n in range(6)], 10.0, 256, 95)
        with pytest.raises(VideoError) as caught:
            collect(stream, clips)
    assert caught.value.reason == "truncated"
    assert [clip.index for clip in clips] == list(range(len(clips)))
    assert 1 <= len(clips) < 5
    assert frame_numbers(clips[0].frames) == list(range(10))


def test_window_past_the_end_of_the_picture_is_cut_there(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", at_30_fps(2))
    windows = [Window(0, 1.0, 2.6), Window(1, 2.3, 2.6)]
    (clip,) = read_clips(path, windows)
    assert (clip.index, clip.end) == (0, pytest.approx(2.0, abs=0.04))
    # 1.0, 1.1, ..., 1.9 s, and 2.0 s, where the picture ends.
    assert len(clip.frames) == 11


def test_window_shorter_than_a_sample_has_one_frame(tmp_path, write_video, frame_numbers):
    path = write_video(tmp_path / "v.mp4", at_30_fps(1))
    (clip,) = read_clips(path, [Window(0, 0.51, 0.53)])
    assert frame_numbers(clip.frames) == [15]


@pytest.mark.parametrize(
    ("size", "short_side", "stored"),
    [((64, 48), 24, (32, 24)), ((48, 64), 24, (24, 32)), ((64, 48), 256, (64, 48))],
)
def test_short_side_is_scaled_down_never_up(
    tmp_path, write_video, decode_jpeg, size, short_side, stored
):
    path = write_video(tmp_path / "v.mp4", at_30_fps(0.5), size=size)
    (clip,) = read_clips(path, [Window(0, 0.0, 0.1)], short_side=short_side)
    assert decode_jpeg(clip.frames[0]).shape[1::-1] == stored


def test_pixels_that_are_not_square_are_stretched(tmp_path, write_video, decode_jpeg):
    path = write_video(tmp_path / "v.mp4", at_30_fps(0.5), aspect_ratio=fractions.Fraction(3, 2))
    with video.open_video(str(path)) as opened:
        assert (opened.info.width, opened.info.height) == (96, 48)
        (clip,) = opened.clips([Window(0, 0.0, 0.1)], 10.0, 24, 95)
    assert decode_jpeg(clip.frames[0]).shape == (24, 48, 3)


def read_samples(path, samplings):
    samples = [[] for _ in samplings]
    with video.open_video(str(path)) as opened:
        for position, frame in opened.frames(samplings):
            samples[position].append(frame)
    return samples


def numbers_of(samples):
    # Scaling makes every grey darker, by less than 2.
    return [round((frame.mean() - 19) / 3.5) for frame in samples]


def test_one_decoding_gives_samples_at_several_rates_and_sizes(tmp_path, write_video, monkeypatch):
    decoded = []
    frame_of = video._Frame
    monkeypatch.setattr(video, "_Frame", lambda *args: decoded.append(1) or frame_of(*args))
    path = write_video(tmp_path / "v.mp4", [n / 20 for n in range(40)])
    samplings = [Sampling(1.0, 24), Sampling(10.0, 96), Sampling(40.0, 48)]
    slow, usual, fast = read_samples(path, samplings)
    assert len(decoded) == 40
    assert numbers_of(slow) == [0, 20]
    assert numbers_of(usual) == list(range(0, 40, 2))
    assert numbers_of(fast) == [number // 2 for number in range(80)]
    # Scaled down, up and not at all; a frame that is shown twice is scaled once.
    shapes = [samples[0].shape for samples in (slow, usual, fast)]
    assert shapes == [(24, 32, 3), (96, 128, 3), (48, 64, 3)]
    assert fast[0] is fast[1]
    assert slow[0].dtype == np.uint8


def test_samples_show_what_clips_show(tmp_path, write_video, frame_numbers):
    times = [0.2, 0.25, 0.31, 0.32, 0.70, 1.0, 1.25]
    path = write_video(tmp_path / "v.mkv", times, sound_seconds=1.3)
    (samples,) = read_samples(path, [Sampling(10.0, 48)])
    (clip,) = read_clips(path, [Window(0, 0.0, 1.25)])
    assert numbers_of(samples) == frame_numbers(clip.frames)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_end_of_the_picture_has_no_sample_whatever_the_container_rounds(
    tmp_path, write_video, suffix
):
    # 90 frames are more than there are shades in `grey_frame`.
    path = write_video(
        tmp_path / f"v.{suffix}",
        at_30_fps(3),
        paint=lambda n, w, h: np.full((h, w, 3), n, np.uint8),
    )
    slow, fast = read_samples(path, [Sampling(1.0, 48), Sampling(24.0, 48)])
    assert (len(slow), len(fast)) == (3, 72)


def test_samples_of_a_truncated_video_end_in_an_error(tmp_path, write_video):
    path = write_video(
        tmp_path / "v.mp4", [n / 10 for n in range(60)], options={"movflags": "faststart"}
    )
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    samples = []
    with video.open_video(str(path)) as opened, pytest.raises(VideoError) as caught:
        collect(opened.frames([Sampling(10.0, 48)]), samples)
    assert caught.value.reason == "truncated"
    assert 10 < len(samples) < 50


def test_time_stamps_far_past_the_duration_ask_for_no_samples(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", [0.0, 0.1, 0.2, 500.0])
    with video.open_video(str(path)) as opened:
        # As if the container promised less than its packets say.
        opened.info = dataclasses.replace(opened.info, duration=2.0)
        assert sum(1 for _ in opened.frames([Sampling(10.0, 48)])) == 30


def test_samples_of_a_turned_video_are_upright(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", at_30_fps(0.5), paint=red_top_left, rotation=90)
    ((picture, *_),) = read_samples(path, [Sampling(2.0, 24)])
    assert picture.shape == (32, 24, 3)
    assert picture[24, 6, 0] > 200
    assert picture[8, 6, 0] < 50


def red_top_left(number, width, height):
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (255, 0, 0)
    return picture


@pytest.mark.parametrize(
    ("rotation", "size", "corner"),
    [
        (0, (64, 48), (0, 0)),
        (90, (48, 64), (1, 0)),  # counter-clockwise: the top left comes to the bottom left
        (180, (64, 48), (1, 1)),
        (-90, (48, 64), (0, 1)),
    ],
)
def test_rotation_flag_is_applied(tmp_path, write_video, decode_jpeg, rotation, size, corner):
    path = write_video(tmp_path / "v.mp4", at_30_fps(0.5), paint=red_top_left, rotation=rotation)
    with video.open_video(str(path)) as opened:
        assert (opened.info.width, opened.info.height) == size
        (clip,) = opened.clips([Window(0, 0.0, 0.1)], 10.0, 256, 95)
    picture = decode_jpeg(clip.frames[0])
    height, width, _ = picture.shape
    assert (width, height) == size
    red = np.array(
        [
            [picture[height // 4, width // 4, 0], picture[height // 4, 3 * width // 4, 0]],
            [picture[3 * height // 4, width // 4, 0], picture[3 * height // 4, 3 * width // 4, 0]],
        ]
    )
    assert np.argwhere(red > 200).tolist() == [list(corner)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty_file"),
        ("how to fold a paper boat\n" * 100, "not_a_video"),
        ("#EXTM3U\n#EXTINF:10,\nother.mp4\n#EXT-X-ENDLIST\n", "not_a_video"),
        ("ffconcat version 1.0\nfile other.mp4\n", "not_a_video"),
    ],
    ids=["zero bytes", "text", "playlist", "concat script"],
)
def test_file_that_is_no_video(tmp_path, write_video, content, reason):
    write_video(tmp_path / "other.mp4", at_30_fps(0.5))
    path = tmp_path / "v.mp4"
    path.write_text(content)
    with pytest.raises(VideoError) as caught, video.open_video(str(path)):
        pass
    assert caught.value.reason == reason


def test_missing_file(tmp_path):
    with pytest.raises(VideoError) as caught, video.open_video(str(tmp_path / "v.mp4")):
        pass
    assert caught.value.reason == "unreadable"


def test_file_without_its_index_is_corrupt(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", at_30_fps(2))
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(VideoError) as caught, video.open_video(str(path)):
        pass
    assert caught.value.reason == "corrupt"


def test_sound_alone(tmp_path, write_sound):
    path = write_sound(tmp_path / "v.mp4")
    with pytest.raises(VideoError) as caught, video.open_video(str(path)):
        pass
    assert caught.value.reason == "no_video_stream"


def test_encrypted_picture(tmp_path, write_video):
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "0123456789abcdef" * 2,
        "encryption_kid": "fedcba9876543210" * 2,
    }
    path = write_video(tmp_path / "v.mp4", at_30_fps(0.5), options=options)
    with pytest.raises(VideoError) as caught, video.open_video(str(path)):
        pass
    assert caught.value.reason == "encrypted"


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_one_frame(tmp_path, write_video, suffix):
    path = write_video(tmp_path / f"v.{suffix}", [0.0])
    with pytest.raises(VideoError) as caught:
        read_clips(path, [Window(0, 0.0, 0.1)])
    assert caught.value.reason == "one_frame"


def test_few_pixels(tmp_path, write_video):
    path = write_video(tmp_path / "v.mp4", at_30_fps(0.5), size=(32, 8))
    with pytest.raises(VideoError, match="32 x 8 pixels") as caught, video.open_video(str(path)):
        pass
    assert caught.value.reason == "too_small"


@pytest.mark.parametrize("name", ["-i.mp4", "12:30.mp4", "concat:a|b.mp4", "a b%20.mp4"])
def test_name_is_no_instruction(tmp_path, write_video, monkeypatch, name):
    write_video(tmp_path / "v.mp4", at_30_fps(0.5)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    (clip,) = read_clips(name, [Window(0, 0.0, 0.1)])
    assert len(clip.frames) == 1


def test_cover_art_is_not_the_video(shared_data):
    for name in ("autoeditor_h264-mjpeg.mp4", "autoeditor_h264-png.mkv"):
        with video.open_video(str(shared_data / "video" / "codec" / name)) as opened:
            assert (opened.info.width, opened.info.height) == (640, 360)
    cover = shared_data / "video" / "codec" / "mp4parse_metadata.mp4"
    with pytest.raises(VideoError, match="one frame"), video.open_video(str(cover)):
        pass


def test_frames_and_times_are_those_of_a_reference_decoder(shared_data, decode_jpeg):
    folder = shared_data / "video" / "codec"
    times = [
        float(frame["pts_time"])
        for frame in json.loads(
            (folder / "expected" / "nasa_13013.mp4.stream3.all_frames_info.json").read_text()
        )
    ]
    rate = 30_000 / 1001  # every frame is a sample
    path = folder / "torchcodec_nasa_13013.mp4"
    (clip,) = read_clips(path, [Window(0, 0.0, times[-1] + 0.01)], frame_rate=rate, short_side=999)
    assert len(clip.frames) == len(times) == 390
    for number in (0, 35, 389):
        expected = np.load(
            folder / "expected" / f"nasa_13013.mp4.stream3.frame{number:06d}.npy",
            allow_pickle=False,
        ).astype(float)
        near = range(max(0, number - 3), min(390, number + 4))
        errors = {n: np.abs(decode_jpeg(clip.frames[n]) - expected).mean() for n in near}
        assert min(errors, key=errors.get) == number
        assert errors[number] < 2.0
    # At 10 fps, a sample is the last frame at or before it.
    (slow,) = read_clips(path, [Window(0, 2.0, 4.0)], short_side=999)
    for sample, jpeg in enumerate(slow.frames):
        shown = np.searchsorted(times, 2.0 + sample / 10 + 1e-9, side="right") - 1
        assert jpeg == clip.frames[shown]


def test_every_file_of_the_codec_zoo_gives_clips_or_a_video_error(shared_data):
    outcome = {}
    for path in sorted((shared_data / "video" / "codec").glob("*.*")):
        try:
            with video.open_video(str(path)) as opened:
                end = min(2.0, opened.info.duration)
                (clip,) = opened.clips([Window(0, 0.0, end)], 5.0, 64, 95)
            outcome[path.name] = len(clip.frames)
        except VideoError as error:
            outcome[path.name] = error.reason
    assert collections.Counter(value for value in outcome.values() if isinstance(value, str)) == {
        "no_video_stream": 9,
        "too_small": 8,
        "one_frame": 7,
        "no_frames": 4,
        "not_a_video": 3,
    }
    assert outcome["moviepy_-video-with-dash-.mp4"] == "too_small"
    assert outcome["mp4parse_bipbop_cbcs_video_init.mp4"] == "no_frames"
    assert outcome["torchcodec_av1_video.mkv"] == 10
    assert outcome["torchcodec_h265_10bits.mp4"] == 5
    assert outcome["decord_unordered.mov"] == 1
