"""A world whose retrieval metrics are known: clips of one colour, captions that say it.

Its model embeds a clip by its mean colour and a caption by the colour words in it, both as three
numbers around zero, so that a caption scores 1.5 with its own corner of the colour cube, 0.5 with
the three corners next to it, -0.5 with the next three and -1.5 with the opposite one.

Its model of frozen features does the same at length 1, with 1, 1/3, -1/3 and -1. A stream "2d" sees
red and green, a stream "3d" sees blue; both see all three between the clips.
"""

import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

PRIMARIES = ("red", "green", "blue")
LAYOUT = ({"name": "2d", "rate": 1.0, "size": 2}, {"name": "3d", "rate": 1.5, "size": 1})


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
                colour = tf.reduce_mean(images, [1, 2, 3]) - 0.5 + bias
                return {"video_embedding": colour, "mixed_5c": colour}

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

    def write_feature_model(
        self,
        path: pathlib.Path,
        sign: float = 1.0,
        layout: Sequence[Mapping[str, Any]] | None = LAYOUT,
    ) -> str:
        """Writes a SavedModel that takes features, with its description."""
        import tensorflow as tf

        from models import description

        class Model(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None, 3], name="features")])
            def video(self, features):
                signs = 2.0 * tf.cast(features > 0, tf.float32) - 1.0
                return {"video_embedding": tf.math.l2_normalize(signs, axis=1)}

            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
            def text(self, words):
                said = [tf.strings.regex_full_match(words, f".*{word}.*") for word in PRIMARIES]
                signs = 2.0 * tf.cast(tf.stack(said, axis=1), tf.float32) - 1.0
                return {"text_embedding": sign * tf.math.l2_normalize(signs, axis=1)}

        model = Model()
        signatures = {"video": model.video, "text": model.text}
        tf.saved_model.save(model, str(path), signatures=signatures)
        config = {"embedding_size": 3}
        words = [*PRIMARIES, "paint"]
        description.write_description(
            path, description.ModelDescription("gated", config, layout, words)
        )
        return str(path)

    def jpeg(self, caption: str) -> bytes:
        """Returns a frame of the colour that the caption says."""
        from PIL import Image

        colour = tuple(255 if word in caption else 0 for word in PRIMARIES)
        frame = io.BytesIO()
        Image.new("RGB", (32, 24), colour).save(frame, "JPEG", quality=95)
        return frame.getvalue()

    def write_video(
        self, path: pathlib.Path, shown: Sequence[str], seconds: int = 4, rate: int = 10
    ) -> pathlib.Path:
        """Writes a video that shows each caption's colour for some seconds."""
        import av

        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
            stream.options = {"crf": "4", "preset": "ultrafast"}
            for caption in shown:
                colour = [255 if word in caption else 0 for word in PRIMARIES]
                pixels = np.broadcast_to(np.array(colour, np.uint8), [24, 32, 3])
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
                for _ in range(seconds * rate):
                    frame.pts = None
                    container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    def write_clips(
        self,
        split: pathlib.Path,
        shown: Sequence[str],
        said: Sequence[str] | None = None,
        with_frames: bool = True,
    ) -> list[str]:
        """Writes clips that show one caption's colour and bear another caption, or the same.

        Clip i is from second 10 i to 10 i + 5 of the video "v0", "v1" or "v2", in two shards.
        """
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
                    frames=[self.jpeg(colour)] * 10 if with_frames else [],
                    captions=[caption],
                    caption_starts=[10.0 * index + 1],
                    caption_ends=[10.0 * index + 4],
                    task="painting",
                )
            )
            for index, (colour, caption) in enumerate(zip(shown, said or shown, strict=True))
        ]
        return _write_shards(split, "clips", serialized)

    def write_features(
        self, split: pathlib.Path, shown: Sequence[str], said: Sequence[str] | None = None
    ) -> list[str]:
        """Writes the same clips as feature records of the videos "v0", "v1" and "v2"."""
        from schemas import video_features

        split.mkdir(parents=True, exist_ok=True)
        duration = 10.0 * len(shown)
        serialized = []
        for video in range(min(3, len(shown))):
            seen = [(i, shown[i], (said or shown)[i]) for i in range(video, len(shown), 3)]
            streams = []
            for stream, colours in zip(LAYOUT, (PRIMARIES[:2], PRIMARIES[2:]), strict=True):
                values = np.ones([int(duration * stream["rate"]), stream["size"]], np.float16)
                for index, colour, _ in seen:
                    first, last = (int(t * stream["rate"]) for t in (10 * index, 10 * index + 5))
                    values[first : last + 1] = 0.0
                    values[last] = [word in colour for word in colours]
                streams.append(video_features.FeatureStream(stream["name"], stream["rate"], values))
            serialized.append(
                video_features.serialize_video_features(
                    video_features.VideoFeatures(
                        video_id=f"v{video}",
                        duration=duration,
                        streams=streams,
                        captions=[caption for _, _, caption in seen],
                        caption_starts=[10.0 * index + 1 for index, _, _ in seen],
                        caption_ends=[10.0 * index + 4 for index, _, _ in seen],
                        clip_starts=[10.0 * index for index, _, _ in seen],
                        clip_ends=[10.0 * index + 5 for index, _, _ in seen],
                        task="painting",
                    )
                )
            )
        return _write_shards(split, "features", serialized)


def _write_shards(split: pathlib.Path, name: str, serialized: Sequence[bytes]) -> list[str]:
    import tensorflow as tf

    paths = []
    half = (len(serialized) + 1) // 2
    for shard in range(2):
        path = str(split / f"{name}-{shard:05d}-of-00002.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for record in serialized[shard * half : (shard + 1) * half]:
                writer.write(record)
        paths.append(path)
    return paths


@pytest.fixture(scope="session")
def colour_world() -> ColourWorld:
    return ColourWorld()
