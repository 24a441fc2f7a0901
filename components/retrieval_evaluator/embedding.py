"""Embeddings of clips and captions, by the signatures of a SavedModel."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from models import input_pipeline
from schemas import records

_TEXT_BATCH = 256


class ModelError(ValueError):
    """A folder holds no model with the signatures `video` and `text`, or the model fails."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """What is known of a clip besides its frames; times are in seconds of the video."""

    video_id: str
    caption: str
    caption_start: float
    caption_end: float
    clip_start: float
    clip_end: float
    task: str


@dataclasses.dataclass(frozen=True)
class EmbeddedClips:
    """Clips and their video embeddings.

    Attributes:
      clips: the clips as stored, N of them.
      embeddings: float32 [N, D], the mean over each clip's windows of the raw embeddings.
      num_expected: how many clips the files hold, N or more.
    """

    clips: Sequence[Clip]
    embeddings: np.ndarray
    num_expected: int


class TextVideoModel:
    """The two towers of a SavedModel.

    The signatures are those of the public module deepmind/mil-nce/s3d/1: `video` takes `images`,
    float32 [B, T, H, W, 3] in [0, 1], and gives `video_embedding`; `text` takes `words`, string
    [B], and gives `text_embedding`.
    """

    def __init__(self, path: str):
        """Loads a SavedModel.

        Args:
          path: its folder.

        Raises:
          ModelError: there is none, it is damaged, or it lacks a signature.
        """
        try:
            self._model = tf.saved_model.load(path)
        except Exception as error:  # A damaged model fails in whatever its reader trips over.
            raise ModelError(f"{path} is not a SavedModel that loads: {_line(error)}") from error
        missing = {"video", "text"} - set(self._model.signatures)
        if missing:
            raise ModelError(f"the model {path} has no signature {' or '.join(sorted(missing))}")
        self._path = path

    def embed_video(self, windows: np.ndarray) -> np.ndarray:
        """Returns the embeddings of windows of frames.

        Args:
          windows: uint8 [B, T, H, W, 3].

        Returns:
          float32 [B, D].

        Raises:
          ModelError: the model fails, or its embeddings are not finite.
        """
        images = tf.cast(windows, tf.float32) / 255.0
        return self._call("video", "video_embedding", images=images)

    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Returns the embeddings of sentences.

        Args:
          texts: B sentences, at least one.

        Returns:
          float32 [B, D].

        Raises:
          ModelError: the model fails, or its embeddings are not finite.
        """
        return np.concatenate(
            [
                self._call(
                    "text",
                    "text_embedding",
                    words=tf.constant(texts[start : start + _TEXT_BATCH], tf.string),
                )
                for start in range(0, len(texts), _TEXT_BATCH)
            ]
        )

    def _call(self, signature: str, output: str, **arguments: tf.Tensor) -> np.ndarray:
        try:
            embeddings = self._model.signatures[signature](**arguments)[output]
        except (TypeError, ValueError, KeyError, tf.errors.OpError) as error:
            raise ModelError(
                f"the signature {signature} of the model {self._path} failed: {_line(error)}"
            ) from error
        embeddings = tf.cast(embeddings, tf.float32).numpy()
        if not np.isfinite(embeddings).all():
            raise ModelError(
                f"the signature {signature} of the model {self._path} gave embeddings that are not "
                "finite"
            )
        return embeddings


def embed_clips(
    model: TextVideoModel,
    files: Sequence[str],
    *,
    num_frames: int,
    frame_rate: float,
    image_size: int,
    num_windows: int,
    batch_size: int,
    max_clips: int = 0,
) -> EmbeddedClips:
    """Embeds clip records; of the frames it holds one batch at a time.

    Args:
      model: the model.
      files: TFRecord shards of clip records.
      num_frames: frames in a window, T.
      frame_rate: frames per second of a window.
      image_size: height and width of the frames, in pixels.
      num_windows: windows of a clip, W.
      batch_size: windows that the model embeds at once.
      max_clips: stop after this many clips; 0 embeds all.

    Raises:
      ModelError: the model fails.
      ValueError: a file is damaged.
    """
    num_expected = sum(count_records(path) for path in files)
    if not num_expected:
        return EmbeddedClips([], np.zeros([0, 0], np.float32), 0)
    dataset = input_pipeline.evaluation_dataset(
        sorted(files),
        num_frames=num_frames,
        frame_rate=frame_rate,
        image_size=image_size,
        num_windows=num_windows,
    )
    if max_clips:
        dataset = dataset.take(max_clips)
    clips: list[Clip] = []
    means: list[np.ndarray] = []
    for batch in dataset.batch(max(1, batch_size // num_windows)).as_numpy_iterator():
        videos = batch["video"]
        windows = videos.reshape(-1, *videos.shape[2:])
        embedded = np.concatenate(
            [
                model.embed_video(windows[start : start + batch_size])
                for start in range(0, len(windows), batch_size)
            ]
        )
        means.append(embedded.reshape(len(videos), num_windows, -1).mean(axis=1))
        clips.extend(_clips_of(batch))
    return EmbeddedClips(clips, np.concatenate(means), num_expected)


def _clips_of(batch: Mapping[str, np.ndarray]) -> Iterator[Clip]:
    for index in range(len(batch["caption"])):
        yield Clip(
            video_id=batch["video_id"][index].decode(),
            caption=batch["caption"][index].decode(),
            caption_start=float(batch["caption_start"][index]),
            caption_end=float(batch["caption_end"][index]),
            clip_start=float(batch["clip_start"][index]),
            clip_end=float(batch["clip_end"][index]),
            task=batch["task"][index].decode(),
        )


def count_records(path: str) -> int:
    """Counts the records of an uncompressed TFRecord file by its lengths alone.

    Args:
      path: the file.

    Raises:
      ValueError: the file ends within a record.
    """
    framing = 12, 4  # uint64 length and its checksum before the data, a checksum after.
    with tf.io.gfile.GFile(path, "rb") as stream:
        size = stream.size()
        position = count = 0
        while position < size:
            header = stream.read(framing[0])
            position += sum(framing) + int.from_bytes(header[:8], "little")
            if len(header) < framing[0] or position > size:
                raise ValueError(f"{path} ends within its record {count}; write it anew")
            stream.seek(position)
            count += 1
    return count


def read_frames(files: Sequence[str], wanted: Sequence[Clip]) -> Mapping[Clip, list[bytes]]:
    """Reads the stored frames of a few clips again.

    Args:
      files: TFRecord shards of clip records.
      wanted: clips that `embed_clips` found in the files.

    Returns:
      For each clip the JPEG bytes of all its frames, in time order.
    """
    missing = set(wanted)
    found: dict[Clip, list[bytes]] = {}
    for serialized in tf.data.TFRecordDataset(sorted(files)):
        if not missing:
            break
        parsed = records.parse_clip(serialized, 1)
        clip = Clip(
            video_id=_text(parsed[records.VIDEO_ID]),
            caption=_text(parsed[records.CAPTION][0]),
            caption_start=float(parsed[records.CAPTION_START][0]),
            caption_end=float(parsed[records.CAPTION_END][0]),
            clip_start=float(parsed[records.CLIP_START]),
            clip_end=float(parsed[records.CLIP_END]),
            task=_text(parsed[records.TASK]),
        )
        if clip in missing:
            missing.remove(clip)
            found[clip] = list(parsed[records.IMAGE].numpy())
    return found


def _text(value: tf.Tensor) -> str:
    return value.numpy().decode()


def _line(error: Exception) -> str:
    """Returns the first line of an error's message, or its type where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
