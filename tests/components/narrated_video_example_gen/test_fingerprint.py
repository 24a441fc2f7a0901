import os

import pytest

from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.fingerprint import input_fingerprint
from components.narrated_video_example_gen.manifest import ManifestError


@pytest.fixture(name="folder")
def fixture_folder(tmp_path):
    for name in ("a.mp4", "b.mp4", "b.vtt"):
        (tmp_path / name).write_bytes(b"12345")
    return tmp_path


def touch(path):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a.mp4").write_bytes(b"longer than before"),
        lambda folder: touch(folder / "a.mp4"),
        lambda folder: (folder / "a.mp4").unlink(),
        lambda folder: (folder / "c.mp4").write_bytes(b""),
        lambda folder: touch(folder / "b.vtt"),
        lambda folder: (folder / "a.srt").write_bytes(b""),
        lambda folder: (folder / "metadata.csv").write_text("video_id,task\na,Fold\n"),
    ],
    ids=["content", "time", "gone", "new video", "subtitle", "new subtitle", "metadata"],
)
def test_changes_with_what_the_ingest_reads(folder, change):
    before = input_fingerprint(str(folder), IngestConfig())
    assert input_fingerprint(str(folder), IngestConfig()) == before
    change(folder)
    assert input_fingerprint(str(folder), IngestConfig()) != before


def test_does_not_change_with_other_files(folder):
    before = input_fingerprint(str(folder), IngestConfig())
    (folder / "notes.txt").write_text("other")
    assert input_fingerprint(str(folder), IngestConfig()) == before


def test_counts_a_manifest_and_the_files_that_the_settings_name(folder):
    manifest = folder / "list.csv"
    manifest.write_text("path\na.mp4\n")
    annotations = folder / "segments.csv"
    annotations.write_text("video_id,start,end,caption\n")
    config = IngestConfig(annotations=str(annotations))
    seen = {input_fingerprint(str(manifest), config)}
    touch(annotations)
    seen.add(input_fingerprint(str(manifest), config))
    touch(manifest)
    seen.add(input_fingerprint(str(manifest), config))
    touch(folder / "b.mp4")  # not in the manifest
    seen.add(input_fingerprint(str(manifest), config))
    assert len(seen) == 3


def test_counts_the_list_of_videos_that_are_not_read(folder):
    excluded = folder / "excluded.csv"
    excluded.write_text("video_id,benchmark\n")
    config = IngestConfig(exclude_videos=str(excluded))
    before = input_fingerprint(str(folder), config)
    touch(excluded)
    assert input_fingerprint(str(folder), config) != before


def test_counts_every_file_of_annotations_without_videos(tmp_path):
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    config = IngestConfig(
        annotations=f"train={train},eval={test}", annotation_splits="own", store_frames=False
    )
    seen = {input_fingerprint("", config)}
    for path in (train, test):
        path.write_text("video_id,start,end,caption\n")
        seen.add(input_fingerprint("", config))
        touch(path)
        seen.add(input_fingerprint("", config))
    assert len(seen) == 5


def test_counts_a_video_that_comes_to_a_list_of_features(folder):
    manifest = folder / "list.csv"
    manifest.write_text("path,video_id,subtitles,duration\nc.mp4,c,b.vtt,9\n,d,,\n")
    config = IngestConfig(store_frames=False)
    seen = {input_fingerprint(str(manifest), config)}
    touch(folder / "b.vtt")
    seen.add(input_fingerprint(str(manifest), config))
    (folder / "c.mp4").write_bytes(b"")
    seen.add(input_fingerprint(str(manifest), config))
    assert len(seen) == 3


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="neither a folder"):
        input_fingerprint(str(tmp_path / "nowhere"), IngestConfig())
