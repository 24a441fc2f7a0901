"""The frames that clip records store, as they are."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from components.retrieval_evaluator.clips import Clip
from schemas import records


def has_frames(files: Sequence[str]) -> bool:
    """Tells whether the first record stores frames, as then all of a run do.

    Args:
      files: TFRecord shards of clip records, with at least one record.
    """
    (first,) = tf.data.TFRecordDataset(sorted(files)).take(1)
    return bool(tf.size(records.parse_clip(first, 1, need_frames=False)[records.IMAGE]))


def read_frames(files: Sequence[str], wanted: Sequence[Clip]) -> Mapping[Clip, list[bytes]]:
    """Reads the stored frames of a few clips again.

    Args:
      files: TFRecord shards of clip records.
      wanted: clips to look for, by what a record says of them.

    Returns:
      For each clip that is there with frames the JPEG bytes of them all, in time order.
    """
    missing = set(wanted)
    found: dict[Clip, list[bytes]] = {}
    for path in sorted(files):
        for serialized in tf.data.TFRecordDataset(path):
            if not missing:
                return found
            parsed = records.parse_clip(serialized, 1, need_frames=False)
            clip = Clip(
                video_id=_text(parsed[records.VIDEO_ID]),
                caption=_text(parsed[records.CAPTION][0]),
                caption_start=float(parsed[records.CAPTION_START][0]),
                caption_end=float(parsed[records.CAPTION_END][0]),
                clip_start=float(parsed[records.CLIP_START]),
                clip_end=float(parsed[records.CLIP_END]),
                task=_text(parsed[records.TASK]),
            )
            frames = list(parsed[records.IMAGE].numpy())
            if clip in missing and frames:
                missing.remove(clip)
                found[clip] = frames
    return found


def _text(value: tf.Tensor) -> str:
    return value.numpy().decode()
