"""A fingerprint of all files that an ingest reads."""

from collections.abc import Iterator

from components.files_fingerprint import files_fingerprint
from components.narrated_video_example_gen import manifest
from components.narrated_video_example_gen.annotations.files import annotation_files
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.subtitles import reader
from models import files


def input_fingerprint(videos: str, config: IngestConfig) -> str:
    """Returns a hash that changes when a file that the ingest reads appears, goes or changes.

    Files are known by path, size and time of last change, as in TFX's own ExampleGen; gigabytes of
    video are not read. Files that the ingest does not read do not matter.

    Args:
      videos: a folder of videos, a manifest CSV, or empty where the settings say all.
      config: the settings, which may name further files.

    Raises:
      ManifestError: the videos cannot be listed.
    """
    return files_fingerprint(_files(videos, config))


def _files(videos: str, config: IngestConfig) -> Iterator[str]:
    if config.annotations:
        for _, path in annotation_files(config.annotations):
            yield path
    if config.caption_json:
        yield config.caption_json
    if config.exclude_videos:
        yield config.exclude_videos
    if not videos:
        return
    if files.is_folder(videos):
        metadata = files.join(videos, manifest.METADATA_FILE)
        if files.is_file(metadata):
            yield metadata
    else:
        yield videos
    rows, _ = manifest.read_videos(videos, need_files=config.store_frames)
    for row in rows:
        if row.path:
            yield row.path
        subtitles = row.subtitles or (row.path and reader.find_subtitles(row.path))
        if subtitles:
            yield str(subtitles)
