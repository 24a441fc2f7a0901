"""Trains with a video tower so small that its graph is soon made, for tests of the training.

As a program, `python tiny_training.py JOB TOWER [STEP]` runs a job of `components.trainer.worker`,
and kills itself as soon as STEP is done. TOWER is the tiny tower's dropout, or `s3d` for a short
S3D. A job of "mirrored" gets two CPU devices.
"""

import dataclasses
import io
import json
import os
import pathlib
import signal
import sys
from typing import Any

import keras
import numpy as np
import PIL.Image
import tensorflow as tf

from components.trainer import config, milnce_training, worker
from components.word_vectors import store
from models import replicas, s3d, training
from schemas import records

WORDS = ["red", "blue", "green"]
NUM_CLIPS = 11
SHORT_S3D = "s3d"
MODEL = config.ModelConfig(width=0.0625, embedding_size=4, text_hidden_size=8, max_words=2)
TRAINING = config.TrainingConfig(
    steps=9,
    batch_size=4,
    num_candidates=2,
    num_frames=2,
    frame_rate=2.5,
    image_size=16,
    warmup_steps=3,
    learning_rate=0.01,
    steps_per_epoch=3,
    validation_batches=2,
    shuffle_buffer=4,
)


class VideoTower(keras.Model):
    """A convolution, its normalisation and a linear layer, with as much dropout as was asked."""

    def __init__(self, embedding_size: int, dropout: float):
        super().__init__(name="video_tower")
        self.embedding_size = embedding_size
        # Without a bias, whose gradient would be the noise that the normalisation leaves of it.
        self.convolution = keras.layers.Conv3D(6, (1, 3, 3), strides=(1, 2, 2), use_bias=False)
        self.normalization = keras.layers.BatchNormalization(momentum=0.5)
        self.dropout = keras.layers.Dropout(dropout)
        self.head = keras.layers.Dense(embedding_size)

    def build(self, input_shape: Any = None) -> None:
        self.convolution.build((None, None, None, None, 3))
        self.normalization.build((None, None, None, None, 6))
        self.head.build((None, 6))

    def call(self, video: Any, training: bool | None = None) -> dict[str, Any]:
        video = self.normalization(self.convolution(video), training=training)
        features = keras.ops.mean(keras.ops.relu(video), axis=(1, 2, 3))
        features = self.dropout(features, training=training)
        return {"video_embedding": self.head(features), "mixed_5c": features}


class ShortS3D(s3d.S3D):
    """Our S3D with three of its nine blocks: all kinds of its layers, a third of the tracing."""

    def block_channels(self) -> dict[str, Any]:
        channels = super().block_channels()
        return {name: channels[name] for name in ("mixed_3b", "mixed_4b", "mixed_5c")}


def _clip(index: int) -> bytes:
    rng = np.random.default_rng(index)
    frames = []
    for _ in range(4):
        frame = io.BytesIO()
        pixels = rng.integers(256, size=(18, 24, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(frame, "JPEG", subsampling=0)
        frames.append(frame.getvalue())
    return records.serialize_clip(
        records.ClipRecord(
            video_id=f"video{index}",
            clip_index=0,
            clip_start=0.0,
            clip_end=1.6,
            frame_rate=2.5,
            frames=frames,
            captions=[WORDS[index % 3], WORDS[index // 3 % 3]],
            caption_starts=[0.0, 1.0],
            caption_ends=[1.0, 2.0],
        )
    )


def write_data(folder: pathlib.Path) -> None:
    """Writes what a job needs: clips in two shards, and word vectors."""
    folder.mkdir(parents=True)
    for shard in range(2):
        with tf.io.TFRecordWriter(str(folder / f"clips-{shard}")) as writer:
            for index in range(shard, NUM_CLIPS, 2):
                writer.write(_clip(index))
    store.save(folder / "words", WORDS, np.eye(3, dtype=np.float32))


def make_job(
    data: pathlib.Path, folder: pathlib.Path, init_from: str = "", **settings: Any
) -> worker.Job:
    """Returns a job on what `write_data` wrote, whose output goes to a folder."""
    return worker.Job(
        train_files=[str(data / "clips-*")],
        eval_files=[str(data / "clips-*")],
        model=dataclasses.asdict(MODEL),
        training=dataclasses.asdict(dataclasses.replace(TRAINING, **settings)),
        word_vectors_uri=str(data / "words"),
        checkpoint_directory=str(folder / "checkpoints"),
        log_directory=str(folder / "logs"),
        model_directory=str(folder / "model"),
        init_from=init_from,
    )


def use_tiny_tower(dropout: float, patch=setattr) -> None:
    """Makes this process train the tiny tower in place of those of the settings."""
    patch(
        milnce_training.video_towers,
        "make_video_tower",
        lambda backbone, *, embedding_size, **_: VideoTower(embedding_size, dropout),
    )


def use_short_s3d(patch=setattr) -> None:
    """Makes this process train S3D's layers at the least width."""
    patch(
        milnce_training.video_towers,
        "make_video_tower",
        lambda backbone, *, embedding_size, stem, **_: ShortS3D(0.05, embedding_size, stem),
    )


def stop_after(step: int, stop, patch=setattr) -> None:
    """Makes this process call a function as soon as a step is done."""
    check = training.StopOnNaN.on_train_batch_end

    def check_and_stop(self, batch, logs=None):
        check(self, batch, logs)
        # Not int(iterations), which a variable of many replicas has not.
        if int(tf.convert_to_tensor(self.model.optimizer.iterations.value)) == step:
            stop()

    patch(training.StopOnNaN, "on_train_batch_end", check_and_stop)


def checkpoint(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns all values in the last checkpoint of a job's output."""
    path = tf.train.latest_checkpoint(str(folder / "checkpoints"))
    reader = tf.train.load_checkpoint(path)
    shapes = reader.get_variable_to_shape_map()
    # The rest, such as the count of saves, does not go into the training.
    names = [name for name in shapes if name.startswith(("weights", "optimizer", "epoch"))]
    return {name: reader.get_tensor(name) for name in names}


def log(folder: pathlib.Path) -> list[dict[str, float]]:
    """Returns the lines of a job's log without the speed."""
    lines = (folder / "checkpoints" / training.LOG_NAME).read_text().splitlines()
    parsed = [json.loads(line) for line in lines]
    speed = {"clips_per_second", "train_seconds", "input_wait_seconds"}
    return [{k: v for k, v in line.items() if k not in speed} for line in parsed]


def main() -> None:
    """Runs the program."""
    path, tower, *step = sys.argv[1:]
    if tower == SHORT_S3D:
        use_short_s3d()
    else:
        use_tiny_tower(float(tower))
    if step:
        stop_after(int(step[0]), lambda: os.kill(os.getpid(), signal.SIGKILL))
    job = worker.read_job(pathlib.Path(path))
    if job.training["strategy"] == "mirrored":
        # Only possible before TensorFlow starts.
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
        )
        assert replicas.make_strategy("mirrored").num_replicas_in_sync == 2
    job.run()


if __name__ == "__main__":
    main()
