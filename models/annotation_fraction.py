"""Which captions a run on a fraction of the annotations trains on (HowTo100M paper, figure 4)."""

import tensorflow as tf

_BUCKETS = 1_000_000


def is_kept(video_id: tf.Tensor, caption_start: tf.Tensor, fraction: float) -> tf.Tensor:
    """Returns whether captions are among the given fraction.

    A hash of the video and of the caption's start decides, so that a smaller fraction is a subset
    of a larger one and both roads keep the same captions. Captions of one video that start
    together, such as the 20 of each MSR-VTT clip, are kept or left out together. It is made of
    TensorFlow's operations, as a Python function in the background of `tf.data` can hang the
    process when it ends.

    Args:
      video_id: the video's identifier, string [].
      caption_start: starts of captions in seconds, of any shape; milliseconds count.
      fraction: expected share of the captions that are kept; 1 keeps all.

    Returns:
      bool, in the shape of `caption_start`.
    """
    # In single precision, as the records keep it.
    seconds = tf.cast(tf.cast(caption_start, tf.float32), tf.float64)
    milliseconds = tf.strings.as_string(tf.cast(tf.round(seconds * 1000), tf.int64))
    keys = tf.strings.join([tf.fill(tf.shape(milliseconds), video_id), milliseconds], "/")
    buckets = tf.strings.to_hash_bucket_fast(keys, _BUCKETS)
    return tf.cast(buckets, tf.float64) < fraction * _BUCKETS
