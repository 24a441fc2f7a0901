"""The two towers of a SavedModel, for evaluation and index."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from models import description, files

_TEXT_BATCH = 256


class ModelError(ValueError):
    """A folder holds no model with the signatures `video` and `text`, or the model fails."""


class TextVideoModel:
    """The two towers of a SavedModel.

    The signature `text` takes `words`, string [B], and gives `text_embedding`. What the signature
    `video` takes tells the two kinds of model apart: `images`, float32 [B, T, H, W, 3] in [0, 1],
    as of the public module deepmind/mil-nce/s3d/1, or `features`, float32 [B, D], the pooled frozen
    features of clips. It gives `video_embedding`.

    Attributes:
      path: the model's folder.
      description: what the model says of itself; None for one of another maker, or older than the
        descriptions.
    """

    def __init__(self, path: str, signatures: Collection[str] = ("video", "text")):
        """Loads a SavedModel.

        Args:
          path: its folder.
          signatures: those that it must have.

        Raises:
          ModelError: there is none, it is damaged, or it lacks a signature.
        """
        files.make_known(path)
        # As in `tensorflow_hub.load`: a module of its first format has a graph for training beside
        # the one without tags.
        is_first_format = tf.io.gfile.exists(os.path.join(path, "tfhub_module.pb"))
        try:
            self._model = tf.saved_model.load(path, tags=[] if is_first_format else None)
        except Exception as error:  # A damaged model fails in whatever its reader trips over.
            raise ModelError(f"{path} is not a SavedModel that loads: {_line(error)}") from error
        missing = set(signatures) - set(self._model.signatures)
        if missing:
            raise ModelError(f"the model {path} has no signature {' or '.join(sorted(missing))}")
        self.path = path
        self.description = _description(path)

    @property
    def features(self) -> Sequence[Mapping[str, Any]] | None:
        """The streams whose features the model was trained on: `name`, `rate` and `size` of each.

        None where the model takes images or does not tell.
        """
        return self.description.features if self.description else None

    @property
    def max_words(self) -> int | None:
        """How many words of a sentence the model keeps; None where it does not tell."""
        return self.description.config.get("max_words") if self.description else None

    @property
    def takes_images(self) -> bool:
        """Whether the signature `video` takes frames, and not features."""
        return "images" in self._model.signatures["video"].structured_input_signature[1]

    @property
    def video_outputs(self) -> frozenset[str]:
        """The names of what the signature `video` gives."""
        return frozenset(self._model.signatures["video"].structured_outputs)

    def embed_video(
        self, windows: np.ndarray, output: str = "video_embedding", finite: bool = True
    ) -> np.ndarray:
        """Returns the embeddings of windows of frames.

        Args:
          windows: uint8 [B, T, H, W, 3].
          output: "video_embedding", or "mixed_5c", the pooled features before the last layer.
          finite: whether an embedding that is not finite is an error.

        Returns:
          float32 [B, E].

        Raises:
          ModelError: the model takes no frames, has no such output or fails, or its embeddings are
            not finite.
        """
        images = tf.cast(windows, tf.float32) / 255.0
        return self._call("video", output, finite, images=images)

    def embed_features(self, features: np.ndarray, finite: bool = True) -> np.ndarray:
        """Returns the embeddings of clips of which frozen networks have seen the frames.

        Args:
          features: float32 [B, D], see `models.clip_features.pool_clip`.
          finite: whether an embedding that is not finite is an error.

        Returns:
          float32 [B, E].

        Raises:
          ModelError: the model takes no features of this size or fails, or its embeddings are not
            finite.
        """
        vectors = tf.constant(features, tf.float32)
        return self._call("video", "video_embedding", finite, features=vectors)

    def embed_text(self, texts: Sequence[str], finite: bool = True) -> np.ndarray:
        """Returns the embeddings of sentences.

        Args:
          texts: B sentences, at least one.
          finite: whether an embedding that is not finite is an error.

        Returns:
          float32 [B, E].

        Raises:
          ModelError: the model fails, or its embeddings are not finite.
        """
        return np.concatenate(
            [
                self._call(
                    "text",
                    "text_embedding",
                    finite,
                    words=tf.constant(texts[start : start + _TEXT_BATCH], tf.string),
                )
                for start in range(0, len(texts), _TEXT_BATCH)
            ]
        )

    def _call(
        self, signature: str, output: str, finite: bool, **arguments: tf.Tensor
    ) -> np.ndarray:
        function = self._model.signatures[signature]
        expected = function.structured_input_signature[1]
        if set(expected) != set(arguments):
            raise ModelError(
                f"the signature {signature} of the model {self.path} takes "
                f"{' and '.join(sorted(expected))}, not {' and '.join(sorted(arguments))}: it is "
                "another kind of model"
            )
        if output not in function.structured_outputs:
            raise ModelError(
                f"the signature {signature} of the model {self.path} gives no {output}, only "
                f"{' and '.join(sorted(function.structured_outputs))}"
            )
        for name, spec in expected.items():
            if not spec.shape.is_compatible_with(arguments[name].shape):
                raise ModelError(
                    f"the signature {signature} of the model {self.path} takes {name} of shape "
                    f"{spec.shape}, not {arguments[name].shape}"
                )
        try:
            embeddings = function(**arguments)[output]
        except (TypeError, ValueError, KeyError, tf.errors.OpError) as error:
            raise ModelError(
                f"the signature {signature} of the model {self.path} failed: {_line(error)}"
            ) from error
        embeddings = tf.cast(embeddings, tf.float32).numpy()
        if finite and not np.isfinite(embeddings).all():
            raise ModelError(
                f"the signature {signature} of the model {self.path} gave embeddings that are not "
                "finite"
            )
        return embeddings


def _description(path: str) -> description.ModelDescription | None:
    if not description.has_description(path):
        return None
    try:
        return description.read_description(path)
    except ValueError as error:
        raise ModelError(f"the model {path} is damaged: {_line(error)}") from error


def _line(error: Exception) -> str:
    """Returns the first line of an error's message, or its type where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
