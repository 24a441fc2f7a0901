"""What all tasks say of videos that are not there."""

from components.benchmark_evaluator.outcome import Failure

MISSING_FILE = "missing_file"


def missing_video(item: str, video_id: str) -> Failure:
    """Returns the failure of an item whose video, or whose features, are not there.

    Args:
      item: which one.
      video_id: its video.
    """
    return Failure(item, MISSING_FILE, f"there is no file of the video {video_id}")
