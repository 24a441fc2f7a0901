"""A world in which features tell the time: the grey of a frame says its second.

The model of this world gives for a window the grey of its first and of its last frame, beside a
one, so that a row at length 1 still says which seconds it has seen.
"""

import fractions
import pathlib
from collections.abc import Sequence

import pytest

DARKEST, GREY_STEP = 20, 8
RATE = 8


class ClockWorld:
    """Writes the videos, the model and the caption records."""

    def write_video(
        self, path: pathlib.Path, seconds: int, size: tuple[int, int] = (64, 48), first: int = 0
    ) -> pathlib.Path:
        """Writes a video of 8 frames a second; second n is of grey number `first` + n, 0 to 28."""
        import av
        import numpy as np

        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=RATE)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "4", "preset": "ultrafast"}
            for number in range(seconds * RATE):
                grey = DARKEST + GREY_STEP * (first + number // RATE)
                pixels = np.full((size[1], size[0], 3), grey, np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts = number
                frame.time_base = fractions.Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    def seconds(self, rows):
        """Returns the seconds of the first and last frame that each row saw, [R, 2]."""
        import numpy as np

        rows = np.asarray(rows, np.float64)
        greys = 255 * rows[:, :2] / rows[:, 2:]
        return np.round((greys - DARKEST) / GREY_STEP).astype(int).tolist()

    def write_model(self, path: pathlib.Path, output: str = "mixed_5c") -> str:
        """Writes the model of this world."""
        import tensorflow as tf

        class Model(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None] * 4 + [3], name="images")])
            def video(self, images):
                means = tf.reduce_mean(images, [2, 3, 4])
                ones = tf.ones_like(means[:, 0])
                return {output: tf.stack([means[:, 0], means[:, -1], ones], axis=1)}

        model = Model()
        tf.saved_model.save(model, str(path), signatures={"video": model.video})
        return str(path)

    def write_captions(
        self,
        split: pathlib.Path,
        starts: dict[str, Sequence[float]],
        duration: float,
        file: str = "data_tfrecord-00000-of-00001.gz",
    ) -> list[str]:
        """Writes caption records, each of 2 s, with a window of 4 s that begins 1 s before."""
        import tensorflow as tf

        from schemas import records

        split.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(split / file), "GZIP") as writer:
            for video_id, times in starts.items():
                for start in times:
                    record = records.CaptionRecord(
                        video_id=video_id,
                        caption=f"{video_id} at {start:g}",
                        caption_start=start,
                        caption_end=start + 2,
                        clip_start=max(0.0, start - 1),
                        clip_end=start + 3,
                        clip_num_frames=8,
                        video_duration=duration,
                        video_width=64,
                        video_height=48,
                        task="tell the time",
                    )
                    writer.write(records.serialize_caption(record))
        return [str(split / file)]


@pytest.fixture(scope="session")
def clock_world() -> ClockWorld:
    return ClockWorld()
