import io
import itertools
import json
import math
import os
import pickle
import subprocess
import sys
import tracemalloc

import pytest

from components.narrated_video_example_gen.subtitles import reader
from components.narrated_video_example_gen.subtitles.caption import Caption
from components.narrated_video_example_gen.subtitles.reader import (
    SubtitleError,
    find_subtitles,
    iter_caption_json,
    iter_caption_json_with_drops,
    parse_captions,
    read_captions,
    read_captions_with_drops,
    write_howto100m_csv,
)


def captions(*rows):
    return [Caption(float(start), float(end), text) for start, end, text in rows]


def clean(text, name, language="en"):
    data = text if isinstance(text, bytes) else text.encode()
    return reader.clean_captions(parse_captions(data, name, language))


@pytest.fixture(scope="module")
def subtitles(shared_data):
    return shared_data / "subtitles"


# ---- WebVTT


def test_webvtt_with_notes_and_identifiers(subtitles):
    assert read_captions(subtitles / "webvtt_py/comments.vtt") == captions(
        (135, 140, "Ta en kopp varmt te. Det är inte varmt."),
        (140, 145, "Har en kopp te. Det smakar som te."),
        (145, 150, "Ta en kopp"),
    )


def test_webvtt_with_voices_styles_and_sounds(subtitles):
    cleaned, drops = read_captions_with_drops(subtitles / "ableplayer/wwa_captions_en.vtt")
    assert cleaned[:2] == captions(
        (9.165, 10.792, "You want these people."),
        (10.792, 13.759, "They order your products, sign up for your services,"),
    )
    assert [(drop.start, drop.end, drop.text, drop.reason) for drop in drops] == [
        (0.429, 9.165, "[ music ]", "no_text")
    ]


def test_webvtt_of_youtube(subtitles):
    assert read_captions(subtitles / "youtube/webvttpy_youtube_dl.vtt") == captions(
        (286.07, 286.47, "yeah"),
        (286.47, 304.08, "what"),
        (304.08, 305.069, "this will happen is I'm telling"),
    )
    manual = read_captions(subtitles / "youtube/1c7_youtube_dl.vtt")
    assert manual[0] == Caption(
        0.16, 3.54, "Hi I’m John Green and this is Crash Course European History."
    )
    assert manual[6] == Caption(28.88, 37.719, "So, population was rising in 18th century")


def test_webvtt_cue_on_cue_without_an_empty_line(subtitles):
    path = subtitles / "webvtt_py/invalid_timeframe_in_cue_text.vtt"
    cleaned, drops = read_captions_with_drops(path)
    assert [caption.text for caption in cleaned] == [f"Caption text #{n}" for n in (1, 2, 3)]
    assert [drop.reason for drop in drops] == ["no_text"]


@pytest.mark.parametrize(
    ("name", "starts_and_ends", "num_bad"),
    [
        ("timings-too-short", {(0.0, 1.0)}, 30),
        ("timings-omitted-hours", {(0.0, 1.0)}, 0),
        ("timings-60", {(0.0, 216001.0), (216000.0, 216001.0)}, 4),
    ],
)
def test_webvtt_times_as_browsers_read_them(subtitles, name, starts_and_ends, num_bad):
    folder = subtitles / "ttconv/vtt/wpt-tests/file-parsing"
    raw = parse_captions((folder / f"{name}.vtt").read_bytes(), name)
    good = [caption for caption in raw if not math.isnan(caption.start)]
    assert {(caption.start, caption.end) for caption in good} == starts_and_ends
    assert {caption.text.rstrip("0123456789") for caption in good} == {"text"}
    assert [caption.text for caption in raw if math.isnan(caption.start)] == ["invalid"] * num_bad


def test_webvtt_line_ends_and_nulls(subtitles):
    folder = subtitles / "ttconv/vtt/wpt-tests/file-parsing"
    assert [
        caption.text for caption in parse_captions((folder / "newlines.vtt").read_bytes(), "x")
    ] == ["text0", "text1", "text2", "text3"]
    nulls = parse_captions((folder / "nulls.vtt").read_bytes(), "x.vtt")
    assert [caption.text for caption in nulls if not math.isnan(caption.start)] == [
        "text0",
        "text1",
        "\ufffdtext\ufffd2",
        "text3",
        "text4",
        "text5",
        "text6",
    ]


def test_webvtt_without_a_signature(subtitles):
    assert len(read_captions(subtitles / "webvtt_py/invalid.vtt")) == 7
    assert read_captions(subtitles / "ttconv/vtt/invalid/bad-signature.vtt") == captions(
        (1.002, 3.004, "Hello")
    )


# ---- SRT, SBV, SubStation Alpha


def test_srt(subtitles):
    assert read_captions(subtitles / "webvtt_py/sample.srt") == captions(
        (0.5, 7, "Caption text #1"),
        (7, 11.89, "Caption text #2"),
        (11.89, 16.32, "Caption text #3"),
        (16.32, 21.58, "Caption text #4"),
        (21.58, 23.88, "Caption text #5"),
    )
    tags = read_captions(subtitles / "ttconv/srt/extended-tags.srt")
    assert tags == captions((136.612, 139.376, "Hello my name is Bob"))
    positions = read_captions(subtitles / "ttconv/srt/alignment.srt")
    assert positions[8] == Caption(16, 17, "V: Top - H: Right")


def test_srt_tutorial(subtitles):
    path = subtitles / "cucumber_school/Cucumber_School_-_01x01_-_Give_Me_An_Example.srt"
    tutorial = read_captions(path)
    assert len(tutorial) == path.read_text(encoding="utf-8-sig").count("-->") == 144
    assert tutorial[3] == Caption(
        26.28, 32.1, "Well BDD is a process of exploring discovering, defining,"
    )


def test_srt_with_missing_text_and_missing_times(subtitles):
    cleaned, drops = read_captions_with_drops(subtitles / "webvtt_py/missing_caption_text.srt")
    assert [caption.text[-1] for caption in cleaned] == ["1", "3", "4", "5"]
    assert [(drop.start, drop.reason) for drop in drops] == [(7.0, "no_text")]
    cleaned = read_captions(subtitles / "webvtt_py/missing_timeframe.srt")
    assert [caption.text[-1] for caption in cleaned] == ["1", "3", "4", "5"]


def test_srt_liberties():
    text = "7\n0:0:1,5 --> 00:00:02.250 X1:0 X2:9\n\nadd 3\n\n4 eggs\n2\n00:00:3 --> x\nlost\n\n3\n"
    raw = parse_captions(text.replace("\n", "\r\n").encode(), "x.srt")
    assert raw[0] == Caption(1.5, 2.25, "add 3\n4 eggs")
    assert math.isnan(raw[1].start)
    assert raw[1].text == "lost"


def test_srt_against_the_sentences_that_were_said(subtitles):
    folder = subtitles / "3b1b/2016_eola-preview"
    sentences = json.loads((folder / "sentence_timings.json").read_text())
    cleaned = read_captions(folder / "captions.srt")
    for text, start, end in sentences[:5]:
        inside = [c.text for c in cleaned if start <= c.start and c.end <= end]
        assert " ".join(inside) == text


def test_sbv(subtitles):
    cleaned, drops = read_captions_with_drops(subtitles / "webvtt_py/sample.sbv")
    assert cleaned == captions(
        (0.378, 11.378, "Caption text #1"),
        (11.378, 12.305, "Caption text #2"),
        (13.489, 15.489, "Caption text #3 (line 1) Caption text #3 (line 2)"),
        (15.489, 16.234, "Caption text #4"),
    )
    assert [(drop.start, drop.end, drop.reason) for drop in drops] == [
        (17.484, 16.543, "zero_length")
    ]
    _, drops = read_captions_with_drops(subtitles / "webvtt_py/invalid_timeframe.sbv")
    assert [drop.reason for drop in drops] == ["bad_time", "zero_length"]


_ASS = r"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,not shown
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\an8}Cut, then\Nthe {\i1}paper{\i0}
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\p1}m 0 0 l 100 0{\p0}
"""


def test_substation_alpha():
    assert clean(_ASS, "x.ass") == captions((1, 2.5, "Cut, then the paper"))


# ---- TTML


def test_ttml(subtitles):
    cleaned = read_captions(subtitles / "pycaption/example.xml")
    assert cleaned[0] == Caption(14.848, 17.35, "MAN: When we think of E equals m c-squared,")
    assert cleaned == read_captions(subtitles / "pycaption/example.vtt")
    assert cleaned == read_captions(subtitles / "pycaption/example.srt")


def ttml(body, attributes=""):
    return (
        '<?xml version="1.0"?><tt xmlns="http://www.w3.org/2006/10/ttaf1" '
        f'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" {attributes}><body>{body}</body></tt>'
    )


@pytest.mark.parametrize(
    ("attributes", "times", "start", "end"),
    [
        ("", 'begin="01:02:03.5" end="01:02:04"', 3723.5, 3724),
        ('ttp:frameRate="25"', 'begin="00:00:01:05" dur="10f"', 1.2, 1.6),
        (
            'ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001"',
            'begin="00:00:00:30" end="60f"',
            1.001,
            2.002,
        ),
        ('ttp:tickRate="10000000"', 'begin="15000000t" end="20000000t"', 1.5, 2),
        ("", 'begin="0.5m" end="31500ms"', 30, 31.5),
        ("", 'begin="0.001h" dur="1.4s"', 3.6, 5),
    ],
)
def test_ttml_time_expressions(attributes, times, start, end):
    document = ttml(f"<div><p {times}>cut it</p></div>", attributes)
    assert clean(document, "x.dfxp") == captions((start, end, "cut it"))


def test_ttml_times_nest():
    document = ttml(
        '<div begin="10s" end="20s"><p begin="1s" end="4s">a</p><p begin="8s" end="30s">b</p>'
        '<p begin="5s"><span begin="0s" end="1s">never</span> c</p></div>'
        '<div timeContainer="seq" begin="100s"><p dur="2s">d</p><p begin="1s" dur="3s">e</p></div>'
        '<div><p>it <span begin="200s" end="201s">is</span><span begin="201s" end="203s"> f</span>'
        "</p></div>"
    )
    assert clean(document, "x.ttml") == captions(
        (11, 14, "a"),
        (15, 18, "never c"),
        (18, 20, "b"),
        (100, 102, "d"),
        (103, 106, "e"),
        (200, 203, "it is f"),
    )


def test_ttml_text_is_plain_and_the_language_is_chosen():
    document = ttml(
        '<div xml:lang="fr"><p begin="0s" end="1s">coupez</p></div>'
        '<div xml:lang="en-GB"><p begin="0s" end="1s">cut a &lt;div> &amp;amp;<br/>paste'
        "<metadata>not said</metadata></p></div>"
    )
    assert clean(document, "x.ttml") == captions((0, 1, "cut a <div> &amp; paste"))
    assert clean(document, "x.ttml", "fr") == captions((0, 1, "coupez"))
    assert clean(document, "x.ttml", "de") == captions((0, 1, "coupez"))


def test_xml_with_a_document_type_is_refused():
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE tt [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">'
        '<!ENTITY f SYSTEM "file:///etc/hostname">]><tt><body><p begin="0s" end="1s">&b;&f;</p>'
        "</body></tt>"
    )
    for data in (bomb.encode(), bomb.encode("utf-16")):
        with pytest.raises(SubtitleError) as caught:
            parse_captions(data, "x.ttml")
        assert caught.value.reason == "unsafe_xml"


# ---- YouTube's json3 and XML


def test_json3(subtitles):
    cleaned, drops = read_captions_with_drops(subtitles / "youtube/json3_auto_english_lesson.js")
    assert cleaned[:3] == captions(
        (2.399, 4.44, "hey in today's lesson I'm going to help"),
        (4.44, 9.2, "you finally think and then speak English"),
        (9.2, 10.679, "when you're trying to be a fluent"),
    )
    # 803 events have text, of which 401 only append a line end.
    assert len(cleaned) == 803 - 401
    assert cleaned[-1] == Caption(1208.799, 1213.08, "to you in the next lesson")
    assert drops == []


def test_json3_of_others():
    events = [
        {"tStartMs": 500, "segs": [{"utf8": "R&amp;D <b>"}, {"utf8": "\nin C"}, None]},
        {"tStartMs": "x", "dDurationMs": 1, "segs": [{"utf8": "when"}]},
        None,
    ]
    raw = parse_captions(json.dumps({"events": events}).encode(), "x.json3")
    cleaned, drops = reader.clean_captions_with_drops(raw)
    assert cleaned == captions((0.5, 5.5, "R&amp;D <b> in C"))
    assert [drop.reason for drop in drops] == ["bad_time"]


def test_srv3():
    document = (
        '<?xml version="1.0" encoding="utf-8" ?><timedtext format="3"><head><ws id="0"/></head>'
        '<body><w t="0" id="1"/><p t="160" d="3380" w="1"><s ac="252">hey</s><s t="240"> in</s>'
        "<s t='300'> today&#39;s</s></p>\n"
        '<p t="2000" d="1540" w="1" a="1">\n</p><p t="2010" d="2000" w="1"><s>lesson</s></p>'
        "</body></timedtext>"
    )
    assert clean(document, "x.srv3") == captions(
        (0.16, 2.01, "hey in today's"), (2.01, 4.01, "lesson")
    )


def test_srv1_and_srv2(subtitles):
    cleaned, drops = read_captions_with_drops(subtitles / "youtube/transcript.xml.static")
    assert cleaned == captions(
        (0, 1.54, "Hey, this is just a test"),
        (1.54, 5.7, "this is not the original transcript"),
        (5.7, 8.939, "just something shorter, I made up for testing"),
    )
    assert [(drop.start, drop.end, drop.reason) for drop in drops] == [(5.0, 5.5, "no_text")]
    document = '<timedtext><text t="1000" d="500">it&amp;#39;s</text></timedtext>'
    assert clean(document, "x") == captions((1, 1.5, "it's"))


# ---- HowTo100M


def test_howto100m_csv(shared_data):
    folder = shared_data / "howto100m/captions"
    assert read_captions(folder / "-tCQ4tCQdWE.csv")[10:14] == captions(
        (34.68, 37.49, "patch get"),
        (37.5, 46.01, "night night"),
        (46.02, 56.45, "week tasty"),
        (56.46, 58.8, "literally water"),
    )
    assert read_captions(folder / "6BOuQAzv3l4.csv")[0] == Caption(
        1.06, 6.57, "hello denise robinson set designer television film"
    )
    for path in folder.glob("*.csv"):
        assert read_captions(path)


def test_howto100m_csv_of_others():
    text = (
        '\ufefftext, end ,start,note\n"cut, then fold &amp; <b>",2,1,x\n'
        ",4,3\nnan,oops,5\n\nlast,9,8,\n"
    )
    cleaned, drops = reader.clean_captions_with_drops(parse_captions(text.encode(), "x.csv"))
    assert cleaned == captions((1, 2, "cut, then fold &amp; <b>"), (8, 9, "last"))
    assert [drop.reason for drop in drops] == ["no_text", "bad_time"]


def test_csv_of_several_videos_is_refused(shared_data):
    with pytest.raises(SubtitleError) as caught:
        read_captions(shared_data / "howto100m/small_val_captions.csv")
    assert caught.value.reason == "many_videos"


_CAPTION_JSON = {
    "vid1": {"start": [0, 1.0], "end": [1.0, 2.0], "text": ["cut paper", "cut paper fold"]},
    "vid2": {"start": [3.5, 9], "end": [9.25], "text": ["stir & pour", "when"]},
    "vid3": {"start": [], "end": [], "text": []},
    "vid4": "nothing",
}


def test_caption_json(tmp_path):
    path = tmp_path / "caption.json"
    path.write_text(json.dumps(_CAPTION_JSON))
    expected = {
        "vid1": captions((0, 1, "cut paper"), (1, 2, "fold")),
        "vid2": captions((3.5, 9.25, "stir & pour")),
        "vid3": [],
        "vid4": [],
    }
    assert dict(iter_caption_json(path)) == expected
    drops = {video: dropped for video, _, dropped in iter_caption_json_with_drops(path)}
    assert [drop.reason for drop in drops["vid2"]] == ["bad_time"]
    assert drops["vid1"] == []
    one = json.dumps({"vid1": _CAPTION_JSON["vid1"]}).encode()
    assert reader.clean_captions(parse_captions(one, "x.json")) == expected["vid1"]
    three = json.dumps({**_CAPTION_JSON, "vid4": _CAPTION_JSON["vid1"]}).encode()
    with pytest.raises(SubtitleError) as caught:
        parse_captions(three, "x.json")
    assert caught.value.reason == "many_videos"


def test_caption_json_that_breaks_off(tmp_path):
    path = tmp_path / "caption.json"
    path.write_text(json.dumps(_CAPTION_JSON)[:-40])
    videos = iter_caption_json(path)
    assert next(videos)[0] == "vid1"
    assert next(videos)[0] == "vid2"
    with pytest.raises(SubtitleError) as caught:
        list(videos)
    assert caught.value.reason == "malformed_subtitle"
    with pytest.raises(SubtitleError) as caught:
        list(iter_caption_json(tmp_path / "missing.json"))
    assert caught.value.reason == "unreadable_subtitle"


def test_caption_json_is_streamed(tmp_path):
    path = tmp_path / "raw_caption.json"
    num_lines = 20
    times = [float(second) for second in range(num_lines)]
    entry = {
        "start": times,
        "end": [second + 1 for second in times],
        "text": [f"{number} " + "words are said " * 12 for number in range(num_lines)],
    }
    body = json.dumps(entry)
    num_videos = 500
    with open(path, "w") as stream:
        stream.write("{")
        stream.write(",".join(f'"video{index}": {body}' for index in range(num_videos)))
        stream.write("}")
    list(zip(range(3), iter_caption_json(path), strict=False))  # Imports what it needs.
    tracemalloc.start()
    count = sum(len(lines) for _, lines in iter_caption_json(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == num_videos * num_lines
    assert path.stat().st_size > 1_900_000
    assert peak < 500_000


# ---- Containers


@pytest.mark.parametrize("name", ["sample_MKV_SRT.mkv", "sample_MP4_SRT.mp4"])
def test_track_in_a_container(subtitles, name):
    assert read_captions(subtitles / "embedded" / name) == captions(
        (1, 3, "Line 1"), (3.024, 5.024, "Line 2")
    )


def test_mov_text_of_a_film(subtitles):
    cleaned, drops = read_captions_with_drops(subtitles / "embedded/sample_MP4.mp4")
    assert cleaned[1] == Caption(13.4, 16.279, "'There were many who considered Atticus pund")
    assert (drops[0].start, drops[0].text, drops[0].reason) == (63.92, "(snoring)", "no_text")


def test_tracks_that_are_pictures_or_missing(subtitles):
    for name, reason in (
        ("sample_MKV_ffmpeg_VobSub_no_duration.mkv", "bitmap_subtitle"),
        ("sample_MKV_delayed.mkv", "no_subtitle_track"),
    ):
        with pytest.raises(SubtitleError) as caught:
            read_captions(subtitles / "embedded" / name)
        assert caught.value.reason == reason


def test_the_wanted_track_is_read(tmp_path):
    import av

    sources = {
        "fre": ("a.srt", "1\n00:00:01,000 --> 00:00:02,500\nCoupez <i>le</i> papier\n"),
        "spa": ("a.ass", _ASS),
        "eng": ("a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.500\n<v Ann>Fold <b>it</b> &amp; cut\n"),
    }
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        inputs, tracks = [], []
        for language, (name, text) in sources.items():
            (tmp_path / name).write_text(text)
            inputs.append(av.open(str(tmp_path / name)))
            tracks.append(container.add_stream_from_template(inputs[-1].streams.subtitles[0]))
            tracks[-1].metadata["language"] = language
        for source, track in zip(inputs, tracks, strict=True):
            for packet in source.demux(source.streams.subtitles[0]):
                if packet.dts is not None:
                    packet.stream = track
                    container.mux(packet)
            source.close()
    assert read_captions(path) == captions((1, 2.5, "Fold it & cut"))
    assert read_captions(path, "es") == captions((1, 2.5, "Cut, then the paper"))
    assert read_captions(path, "fr") == captions((1, 2.5, "Coupez le papier"))
    assert read_captions(path, "de") == captions((1, 2.5, "Coupez le papier"))


def test_a_file_is_what_it_holds_not_what_it_is_called(subtitles, tmp_path):
    expected = read_captions(subtitles / "webvtt_py/sample.srt")
    renamed = tmp_path / "a.mp4"
    renamed.write_bytes((subtitles / "webvtt_py/sample.srt").read_bytes())
    assert read_captions(renamed) == expected
    playlist = tmp_path / "b.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:9,\nfile://{subtitles}/embedded/sample_MP4.mp4\n")
    with pytest.raises(SubtitleError) as caught:
        read_captions(playlist)
    assert caught.value.reason == "unreadable_subtitle"


# ---- Encodings


@pytest.mark.parametrize(
    ("name", "position", "expected"),
    [
        ("windows-1250.srt", 2, "Đino, dođavola. Dolazi ovamo!"),
        ("windows-1251.srt", 4, "Бесмртници."),
        ("Russian.srt", 4, "Готовьтесь войти kanalen."),
        ("Danish.srt", 5, "står bag nogle biologiske angreb."),
    ],
)
def test_encodings_of_real_files(subtitles, name, position, expected):
    lines = read_captions(subtitles / f"encodings/auto_detect_{name}")
    assert any(expected in caption.text for caption in lines[: position + 2])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_unicode(encoding):
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\nSauté the jalapeño – 炒める\n"
    assert clean(text.encode(encoding), "x.vtt") == captions((1, 2, "Sauté the jalapeño – 炒める"))


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("latin-1", "now we add the jalapeño to the pan at 180°"),
        ("latin-1", "Ajoutez la crème brûlée à la poêle"),
        ("cp1252", "don’t forget the crème fraîche – stir it"),
        ("cp1250", "Dodaj mąkę i wymieszaj, następnie włóż ciasto do piekarnika"),
        ("cp1251", "Возьмите муку и добавьте воды"),
        ("koi8_r", "Возьмите муку и добавьте немного воды"),
        ("shift_jis", "まず、野菜を切ります。次に、鍋に油を入れます。"),
        ("gb18030", "首先我们把蔬菜切成小块，然后放进锅里炒。"),
    ],
)
def test_legacy_encodings(encoding, line):
    text = f"1\r\n00:00:01,000 --> 00:00:02,000\r\n{line}\r\n"
    assert clean(text.encode(encoding), "x.srt")[0].text == line.replace("\uff0c", "，")


def test_utf8_that_breaks_off_inside_a_letter():
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "crème brûlée à la poêle " * 3 + "é"
    assert clean(text.encode()[:-1], "x.vtt")[0].text.startswith("crème brûlée à la poêle crème")


def test_encoding_of_an_xml_declaration():
    document = ttml("<div><p begin='0s' end='1s'>мука</p></div>")
    document = document.replace('version="1.0"', 'version="1.0" encoding="windows-1251"')
    assert clean(document.encode("cp1251"), "x.ttml") == captions((0, 1, "мука"))


# ---- All of them


def test_every_file_ends_as_captions_or_as_a_reason(shared_data):
    paths = [path for path in (shared_data / "subtitles").rglob("*") if path.is_file()]
    assert len(paths) > 200
    reasons = {}
    for path in paths:
        try:
            cleaned = read_captions(path)
        except SubtitleError as error:
            reasons[path.name] = error.reason
            continue
        stream = io.StringIO(newline="")
        write_howto100m_csv(cleaned, stream)
        assert clean(stream.getvalue(), "x.csv") == cleaned, path
        for caption, following in itertools.pairwise(cleaned):
            assert caption.start < caption.end <= following.start
    assert reasons["no_captions.vtt"] == "no_captions"
    assert reasons["invalid_format2.srt"] == "no_captions"
    assert reasons["body_only.ttml"] == "no_captions"
    assert reasons["timings-negative.vtt"] == "no_captions"
    assert reasons["youtube.innertube.json.static"] == "unknown_format"
    assert reasons["transcript.txt"] == "unknown_format"
    assert not {name for name in reasons if name.startswith(("captions", "sample.", "example"))}


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "x.vtt", "empty_subtitle"),
        (b"\xef\xbb\xbf \r\n\0\0", "x.srt", "empty_subtitle"),
        (b"WEBVTT\n", "x.vtt", "no_captions"),
        (b"some text", "x.txt", "unknown_format"),
        (bytes(range(256)) * 4, "x.srt", "no_captions"),
        (b"a,b\n1,2\n", "x.csv", "malformed_subtitle"),
        (b"<html><body><p>no</p></body></html>", "x.xml", "unknown_format"),
        (b"<tt><body><p begin='0s'", "x.ttml", "malformed_subtitle"),
        (b"<tt><head/></tt>", "x.ttml", "malformed_subtitle"),
        (
            b"<tt><body>" + b"<div>" * 30000 + b"</div>" * 30000 + b"</body></tt>",
            "x.ttml",
            "malformed_subtitle",
        ),
        (b"[" * 100000, "x.json3", "malformed_subtitle"),
        (b"{1}{100}MicroDVD has frames, not times", "x.sub", "unknown_format"),
        (b'{"events": ', "x.json3", "malformed_subtitle"),
        (b'{"events": []}', "x.json3", "no_captions"),
        (b"# VobSub index file, v7\n", "x.idx", "bitmap_subtitle"),
        (b"", "x.mp4", "unreadable_subtitle"),
        (b"\0\0\0\x18ftypmp42", "x.mp4", "unreadable_subtitle"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path, data, name, reason):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SubtitleError) as caught:
        read_captions(path)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(str(path))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.reason, str(copy)) == (reason, str(caught.value))


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path, tmp_path / "missing.vtt"):
        with pytest.raises(SubtitleError) as caught:
            read_captions(path)
        assert caught.value.reason == "unreadable_subtitle"


def test_gigabytes_are_not_read_as_one_video(tmp_path):
    path = tmp_path / "caption.json"
    with open(path, "wb") as stream:
        stream.truncate(reader.MAX_FILE_BYTES + 1)
    with pytest.raises(SubtitleError) as caught:
        read_captions(path)
    assert caught.value.reason == "subtitle_too_large"


def test_no_captions_left_says_why(tmp_path):
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\n[Music]\n\n2\n00:00:03,000 --> x\nwhen\n")
    with pytest.raises(SubtitleError, match=r"no captions in it \(1 bad_time, 1 no_text\)"):
        read_captions(path)


def test_csv_is_howto100ms():
    stream = io.StringIO(newline="")
    write_howto100m_csv(captions((0.41, 3, 'check "it", twice'), (1 / 4, 2.5, "ok")), stream)
    assert stream.getvalue() == 'start,end,text\n0.41,3.0,"check ""it"", twice"\n0.25,2.5,ok\n'


# ---- Finding


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (["x.en.vtt", "x.vtt", "x.en-orig.vtt", "x.fr.vtt"], "x.en.vtt"),
        (["x.vtt", "x.en.srt"], "x.en.srt"),
        (["x.en-orig.vtt", "x.srt"], "x.srt"),
        (["x.en-orig.vtt", "x.de.vtt", "x.en-AU.vtt"], "x.en-orig.vtt"),
        (["x.de.vtt", "x.eng.srt", "x.en-AU.VTT"], "x.en-AU.VTT"),
        (["x.fr.srt", "x.de.vtt"], "x.de.vtt"),
        (["x.sbv", "x.csv", "x.srv3", "x.json3", "x.xml", "x.dfxp"], "x.dfxp"),
        (["x.SRT"], "x.SRT"),
        (["x.part2.vtt", "xy.vtt", "x.txt", "x.en.info.json", "other.vtt"], None),
        ([], None),
    ],
)
def test_find_subtitles(tmp_path, names, best):
    for name in (*names, "x.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "x.en.ttml").mkdir()
    found = find_subtitles(tmp_path / "x.mp4")
    assert found == (tmp_path / best if best else None)


def test_find_subtitles_by_whole_name(tmp_path):
    (tmp_path / "how to [cut] 1.5 kg.mp4").touch()
    (tmp_path / "how to [cut] 1.5 kg.de.vtt").touch()
    assert find_subtitles(tmp_path / "how to [cut] 1.5 kg.mp4").name == "how to [cut] 1.5 kg.de.vtt"
    assert find_subtitles(tmp_path / "gone" / "x.mp4") is None


def test_importing_the_reader_imports_nothing_slow():
    code = (
        "import sys; import components.narrated_video_example_gen.subtitles.reader; "
        "print([name for name in ('av', 'pysubs2', 'numpy', 'tensorflow', 'tfx', 'ijson', "
        "'charset_normalizer') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout.strip() == "[]"
