import pytest

from components.narrated_video_example_gen import manifest
from components.narrated_video_example_gen.ledger import Entry
from components.narrated_video_example_gen.manifest import VideoRow
from components.narrated_video_example_gen.subtitles.caption import Caption


@pytest.fixture(name="folder")
def fixture_folder(tmp_path):
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    for name in ("b.MP4", "a.mkv", "deep/deeper/c.webm", "notes.txt", "._a.mkv", ".hidden.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.mp4").mkdir()
    return tmp_path


def test_folder_is_searched_for_names_that_look_like_videos(folder):
    rows, entries = manifest.read_videos(str(folder))
    assert [row.video_id for row in rows] == ["a", "b", "c"]
    assert [row.path for row in rows] == [
        str(folder / name) for name in ("a.mkv", "b.MP4", "deep/deeper/c.webm")
    ]
    assert entries == []


def test_links_that_form_a_circle_end(folder):
    (folder / "deep" / "up").symlink_to(folder)
    rows, entries = manifest.read_videos(str(folder))
    assert [row.video_id for row in rows] == ["a", "b", "c"]
    assert entries == []


def test_second_video_of_an_id_is_left_out(folder):
    (folder / "deep" / "a.mp4").write_bytes(b"x")
    rows, entries = manifest.read_videos(str(folder))
    assert [row.video_id for row in rows] == ["a", "b", "c"]
    assert entries == [
        Entry(
            "a",
            str(folder / "deep" / "a.mp4"),
            None,
            "filter",
            "duplicate_id",
            f"the id is already taken by {folder / 'a.mkv'}",
        )
    ]


def test_metadata_of_a_folder_is_matched_by_path_or_by_id(folder):
    (folder / "metadata.csv").write_text(
        "video_id,path,task,search_rank,views,duration\n"
        "renamed,deep/deeper/c.webm,Fold a Boat,7,1500,61.5\n"
        "a,,Cut Paper,,,\n"
        "elsewhere,,Nothing,1,1,1\n"
    )
    rows, entries = manifest.read_videos(str(folder))
    assert rows == [
        VideoRow("a", str(folder / "a.mkv"), task="Cut Paper"),
        VideoRow("b", str(folder / "b.MP4")),
        VideoRow(
            "renamed",
            str(folder / "deep" / "deeper" / "c.webm"),
            task="Fold a Boat",
            search_rank=7,
            views=1500,
            duration=61.5,
        ),
    ]
    assert entries == []


def test_manifest_has_paths_relative_to_itself(folder, tmp_path_factory):
    absolute = tmp_path_factory.mktemp("other") / "z.mp4"
    absolute.write_bytes(b"x")
    path = folder / "deep" / "list.csv"
    path.write_text(
        "\ufeffPath, video_id ,subtitles,language,split,category\n"
        f"../a.mkv,,subs/a.vtt,en,EVAL,Hobbies\n\n{absolute},last\n"
    )
    rows, entries = manifest.read_videos(str(path))
    assert rows == [
        VideoRow(
            "a",
            str(folder / "deep" / "../a.mkv"),
            subtitles=str(folder / "deep" / "subs/a.vtt"),
            language="en",
            split="eval",
            category="Hobbies",
        ),
        VideoRow("last", str(absolute)),
    ]
    assert entries == []


def test_rows_that_cannot_be_used_are_in_the_ledger(folder):
    path = folder / "list.csv"
    path.write_text(
        "path,video_id,views,split\n"
        "gone.mp4,gone,,\n"
        ",nameless,,\n"
        "a.mkv,,many,\n"
        "b.MP4,,1,test\n"
        "deep/deeper/c.webm,,1,train\n"
    )
    rows, entries = manifest.read_videos(str(path))
    assert [row.video_id for row in rows] == ["c"]
    assert [(entry.video_id, entry.stage, entry.reason) for entry in entries] == [
        ("gone", "manifest", "missing_file"),
        ("nameless", "manifest", "missing_file"),
        ("a", "manifest", "bad_row"),
        ("b", "manifest", "bad_row"),
    ]
    assert entries[2].message == "views is 'many'; it must be a number"
    assert entries[3].message == "split is 'test'; it must be train, eval or empty"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"video_id,views\nx,1\n", "has no column path"),
        (b"", "has no column path"),
        (b"path\n\xff\xfe\n", "cannot be read as CSV"),
    ],
)
def test_file_that_is_no_manifest_is_refused(tmp_path, content, message):
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(manifest.ManifestError, match=message):
        manifest.read_videos(str(path))


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(manifest.ManifestError, match="neither a folder of videos nor a manifest"):
        manifest.read_videos(str(tmp_path / "nowhere"))


def test_annotations_take_the_place_of_subtitles(tmp_path):
    path = tmp_path / "segments.csv"
    path.write_text(
        'video_id,start,end,caption\na,9,12.5,"pour, then stir"\na,1,2,cut\nb,5,5,nothing\n'
        "b,x,9,nothing\nelsewhere,1,2,cut\n"
    )
    rows = [VideoRow("a", "a.mp4", split="train"), VideoRow("b", "b.mp4"), VideoRow("c", "c.mp4")]
    annotated, entries = manifest.with_annotations(rows, str(path))
    segments = (Caption(1.0, 2.0, "cut"), Caption(9.0, 12.5, "pour, then stir"))
    assert annotated == [VideoRow("a", "a.mp4", split="eval", captions=segments)]
    assert [(e.video_id, e.clip_index, e.stage, e.reason) for e in entries] == [
        ("b", 2, "manifest", "bad_annotation"),
        ("b", 3, "manifest", "bad_annotation"),
        ("b", None, "filter", "not_annotated"),
        ("c", None, "filter", "not_annotated"),
        ("elsewhere", None, "manifest", "missing_file"),
    ]
