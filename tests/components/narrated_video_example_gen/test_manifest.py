import pytest

from components.narrated_video_example_gen import manifest
from components.narrated_video_example_gen.ledger import Entry
from components.narrated_video_example_gen.manifest import VideoRow


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


def test_rows_may_lack_a_file_where_none_is_needed(folder):
    path = folder / "list.csv"
    path.write_text(
        "path,video_id,subtitles,duration,search_rank\n"
        "a.mkv,,,,\n"
        ",features,subs/f.vtt,61.5,7\n"
        ",unknown,,,\n"
        "gone.mp4,,,30,\n"
        "lost.mp4,lost,,,\n"
        ",,,60,\n"
        ",bad,,long,\n"
    )
    rows, entries = manifest.read_videos(str(path), need_files=False)
    listed_in = str(path)
    assert rows == [
        VideoRow("a", str(folder / "a.mkv")),
        VideoRow(
            "features",
            "",
            subtitles=str(folder / "subs/f.vtt"),
            duration=61.5,
            search_rank=7,
            listed_in=listed_in,
        ),
        VideoRow("unknown", "", listed_in=listed_in),
        VideoRow("gone", "", duration=30.0, listed_in=listed_in),
    ]
    assert [(e.video_id, e.path, e.reason) for e in entries] == [
        ("lost", str(folder / "lost.mp4"), "missing_file"),
        (folder.name, str(folder), "missing_file"),
        ("bad", listed_in, "bad_row"),
    ]
    _, entries = manifest.read_videos(str(path))
    assert [entry.reason for entry in entries] == ["missing_file"] * 6


def test_a_list_without_paths_needs_the_ids(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("video_id\nx\n")
    assert manifest.read_videos(str(path), need_files=False)[0] == [
        VideoRow("x", "", listed_in=str(path))
    ]
    with pytest.raises(manifest.ManifestError, match="has no column path;"):
        manifest.read_videos(str(path))
    path.write_text("id\nx\n")
    with pytest.raises(manifest.ManifestError, match="has no column path or video_id;"):
        manifest.read_videos(str(path), need_files=False)
