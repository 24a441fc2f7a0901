"""The frames of a clip record, decoded when they are asked for, or once and kept in memory."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from schemas import records

_AUTOTUNE = tf.data.AUTOTUNE


class Clip(NamedTuple):
    """What a training or an evaluation takes from a clip.

    Attributes:
      captions: its first captions, string [K].
      frame_rate: stored frames for each second, float32 [].
      num_frames: number of stored frames, N, int32 [].
      height: of the first stored frame, in pixels, int32 [].
      width: likewise.
      cut: cuts a square out of some frames: `cut(indices, window)`, with indices int32 [T] in
        [0, N) and window int32 [4], its top, left, height and width, returns uint8 [T, side, side,
        3].
    """

    captions: tf.Tensor
    frame_rate: tf.Tensor
    num_frames: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    cut: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def open_stored(parsed: Mapping[str, tf.Tensor]) -> Clip:
    """Opens a clip record; `cut` decodes no more than what it returns.

    Args:
      parsed: what `records.parse_clip` returned.

    Raises:
      tf.errors.InvalidArgumentError: when it runs, if a frame is not a JPEG.
    """
    frames = parsed[records.IMAGE]
    height, width = tf.unstack(tf.io.extract_jpeg_shape(frames[0])[:2])

    def cut(indices: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda index: tf.io.decode_and_crop_jpeg(
                frames[index], window, channels=3, dct_method="INTEGER_ACCURATE"
            ),
            indices,
            fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8),
        )

    return Clip(
        captions=parsed[records.CAPTION],
        frame_rate=parsed[records.CLIP_FRAME_RATE],
        num_frames=tf.size(frames),
        height=height,
        width=width,
        cut=cut,
    )


class FrameCache:
    """All clips of some files with all of their frames decoded, in memory.

    A cut differs from that of `open_stored` in the pixels at its border: the decoder interpolates
    colour between pixels that are further apart, and next to a border of what it decodes it has
    fewer of them.
    """

    def __init__(
        self,
        num_files: int,
        read: Callable[[tf.Tensor], tf.data.Dataset],
        num_captions: int,
    ):
        """Decodes the clips. Three bytes for each pixel of each frame stay in memory.

        Args:
          num_files: number of files.
          read: returns the clip records of a file, given its number, int64 [] below `num_files`;
            all frames of a clip have the same size.
          num_captions: how many captions to take, K.

        Raises:
          tf.errors.InvalidArgumentError: there is no clip; a record has fewer captions or no
            frames; a frame is not a JPEG; or the frames of a clip differ in size.
        """

        def numbered(file: tf.Tensor) -> tf.data.Dataset:
            return read(file).map(lambda serialized: (file, serialized))

        def decode(number: tf.Tensor, serialized: tf.Tensor) -> tuple[tf.Tensor, ...]:
            clip = open_stored(records.parse_clip(serialized, num_captions))
            whole = tf.stack([0, 0, clip.height, clip.width])
            video = clip.cut(tf.range(clip.num_frames), whole)
            # A batch of strings takes those of any length, and moves them without a copy.
            return number, clip.captions, clip.frame_rate, tf.io.serialize_tensor(video)

        dataset = tf.data.Dataset.range(num_files).flat_map(numbered)
        dataset = dataset.map(decode, num_parallel_calls=_AUTOTUNE, deterministic=True)
        everything = dataset.batch(tf.int64.max).get_single_element()
        numbers, self._captions, self._frame_rates, self._videos = everything
        # The first clip of each file, and the end of the last.
        self._first = tf.searchsorted(numbers, tf.range(num_files + 1, dtype=tf.int64))

    def ids(self, file: tf.Tensor) -> tf.data.Dataset:
        """Returns the ids of the clips of a file, in their stored order.

        Args:
          file: the file's position among the files, int64 [].
        """
        first, end = self._first[file], self._first[file + 1]
        return tf.data.Dataset.range(tf.cast(first, tf.int64), tf.cast(end, tf.int64))

    def open(self, clip_id: tf.Tensor) -> Clip:
        """Returns a clip.

        Args:
          clip_id: one of `ids`, int64 [].
        """
        video = tf.io.parse_tensor(self._videos[clip_id], tf.uint8)
        video = tf.ensure_shape(video, [None, None, None, 3])
        num_frames, height, width, _ = tf.unstack(tf.shape(video))

        def cut(indices: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
            top, left, rows, columns = tf.unstack(window)
            return tf.gather(video[:, top : top + rows, left : left + columns], indices)

        return Clip(
            captions=self._captions[clip_id],
            frame_rate=self._frame_rates[clip_id],
            num_frames=num_frames,
            height=height,
            width=width,
            cut=cut,
        )
