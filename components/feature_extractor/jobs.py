"""What is to be done: each captioned video, and the file that its record goes to."""

import dataclasses
from collections.abc import Mapping, Sequence

from components.feature_extractor.captions import CaptionedVideo, read_captioned_videos
from components.narrated_video_example_gen.manifest import VideoRow

VIDEOS_PER_SHARD = 32


@dataclasses.dataclass(frozen=True)
class Job:
    """One video.

    Attributes:
      video: the video and its captions.
      split: its split.
      shard: path below the folder of features of the file that gets its record.
      path: the video file, or empty if there is none.
      search_rank: rank in the search results of its task, from 1; 0 if unknown.
    """

    video: CaptionedVideo
    split: str
    shard: str
    path: str
    search_rank: int


def plan_jobs(
    caption_files: Mapping[str, Sequence[str]], rows: Mapping[str, VideoRow]
) -> list[Job]:
    """Returns the videos of all splits, each split's in the order of their ids.

    Args:
      caption_files: for each split the TFRecord shards of its caption records.
      rows: what is known of each video by its id.

    Raises:
      ValueError: a file holds no caption records.
    """
    jobs = []
    for split, files in caption_files.items():
        videos = read_captioned_videos(files)
        count = -(-len(videos) // VIDEOS_PER_SHARD)
        for position, video in enumerate(videos):
            row = rows.get(video.video_id)
            index = position // VIDEOS_PER_SHARD
            jobs.append(
                Job(
                    video=video,
                    split=split,
                    shard=f"Split-{split}/features-{index:05d}-of-{count:05d}.tfrecord",
                    path=row.path if row else "",
                    search_rank=(row.search_rank if row else None) or 0,
                )
            )
    return jobs
