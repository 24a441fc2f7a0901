"""What all tasks say of videos and embeddings that are not there."""

import numpy as np

from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.outcome import Failure
from components.narrated_video_example_gen.ledger import MISSING_FILE


def missing_video(item: str, video_id: str) -> Failure:
    """Returns the failure of an item whose video, or whose features, are not there.

    Args:
      item: which one.
      video_id: its video.
    """
    return Failure(item, MISSING_FILE, f"there is no file of the video {video_id}")


def whole_rows(rows: Rows) -> tuple[np.ndarray | None, tuple[str, str] | None]:
    """Returns the rows of a video that are there, and why others are not.

    For tasks in which a video that lacks some of its windows is what there is of it.

    Args:
      rows: what became of the video.

    Returns:
      float32 [R, D] of the rows without a failure, None where there is none; and reason and message
      of what is wrong with the video or its first row that failed, or None.
    """
    num_rows = 0 if rows.values is None else len(rows.values)
    failures = [rows.failure(row) for row in range(max(1, num_rows))]
    whole = [row for row, failure in enumerate(failures) if failure is None]
    problem = rows.problem or next(filter(None, failures), None)
    return rows.values[whole] if whole else None, problem
