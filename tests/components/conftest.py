"""A world whose retrieval metrics are known: clips of one colour, captions that say it.

Its model embeds a clip by its mean colour and a caption by the colour words in it, both as three
numbers around zero, so that a caption scores 1.5 with its own corner of the colour cube, 0.5 with
the three corners next to it, -0.5 with the next three and -1.5 with the opposite one.
"""

import io
import pathlib
from collections.abc import Sequence

import pytest

PRIMARIES = ("red", "green", "blue")


class ColourWorld:
    """Writes the models and clip records of the world of colours."""

    captions = (
        "nothing but paint",
        "blue paint",
        "green paint",
        "green and blue paint",
        "red paint",
        "red and blue paint",
        "red and green paint",
        "red and green and blue paint",
    )

    def write_model(self, path: pathlib.Path, sign: float = 1.0, bias: float = 0.0) -> str:
        """Writes a SavedModel whose text embeddings are turned round by a `sign` of -1."""
        import tensorflow as tf

        class Model(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None] * 4 + [3], name="images")])
            def video(self, images):
                return {"video_embedding": tf.reduce_mean(images, [1, 2, 3]) - 0.5 + bias}

            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
            def text(self, words):
                said = [tf.strings.regex_full_match(words, f".*{word}.*") for word in PRIMARIES]
                known = tf.strings.regex_full_match(words, ".*(paint|red|green|blue).*")
                vector = sign * (2.0 * tf.cast(tf.stack(said, axis=1), tf.float32) - 1.0)
                return {"text_embedding": tf.where(known[:, None], vector, 0.0)}

        model = Model()
        signatures = {"video": model.video, "text": model.text}
        tf.saved_model.save(model, str(path), signatures=signatures)
        return str(path)

    def jpeg(self, caption: str) -> bytes:
        """Returns a frame of the colour that the caption says."""
        from PIL import Image

        colour = tuple(255 if word in caption else 0 for word in PRIMARIES)
        frame = io.BytesIO()
        Image.new("RGB", (32, 24), colour).save(frame, "JPEG", quality=95)
        return frame.getvalue()

    def write_clips(
        self, split: pathlib.Path, shown: Sequence[str], said: Sequence[str] | None = None
    ) -> list[str]:
        """Writes clips that show one caption's colour and bear another caption, or the same.

        Clip i is from second 10 i to 10 i + 5 of the video "v0", "v1" or "v2", in two shards.
        """
        import tensorflow as tf

        from schemas import records

        split.mkdir(parents=True, exist_ok=True)
        serialized = [
            records.serialize_clip(
                records.ClipRecord(
                    video_id=f"v{index % 3}",
                    clip_index=index,
                    clip_start=10.0 * index,
                    clip_end=10.0 * index + 5,
                    frame_rate=2.0,
                    frames=[self.jpeg(colour)] * 10,
                    captions=[caption],
                    caption_starts=[10.0 * index + 1],
                    caption_ends=[10.0 * index + 4],
                    task="painting",
                )
            )
            for index, (colour, caption) in enumerate(zip(shown, said or shown, strict=True))
        ]
        paths = []
        for shard in range(2):
            path = str(split / f"clips-{shard:05d}-of-00002.tfrecord")
            half = (len(serialized) + 1) // 2
            with tf.io.TFRecordWriter(path) as writer:
                for record in serialized[shard * half : (shard + 1) * half]:
                    writer.write(record)
            paths.append(path)
        return paths


@pytest.fixture(scope="session")
def colour_world() -> ColourWorld:
    return ColourWorld()
