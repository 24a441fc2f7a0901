"""The joint text-video model that MIL-NCE trains."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from models.losses import Positives, mil_nce

VIDEO = "video"
WORD_IDS = "word_ids"


def to_unit_range(video: Any) -> Any:
    """Returns a video as floats in [0, 1].

    Args:
      video: integers in [0, 255], which are divided by 255, or floats, which are returned as they
        are.

    Returns:
      A float tensor of the same shape.
    """
    if keras.backend.is_int_dtype(video.dtype):
        return ops.cast(video, "float32") / 255.0
    return video


@keras.saving.register_keras_serializable(package="howto100m")
class TextVideoModel(keras.Model):
    """A video tower and a text tower that share an embedding space.

    Trained by Keras's own means, with the MIL-NCE loss built in: `compile(optimizer)`, then `fit`
    on dictionaries of `video` and `word_ids` without labels.
    """

    def __init__(
        self,
        video_tower: keras.Model,
        text_tower: keras.Model,
        positives: Positives = "once",
        **kwargs: Any,
    ):
        """Makes the model.

        Args:
          video_tower: maps float [B, T, H, W, 3] in [0, 1] to a dictionary with
            `video_embedding` [B, E] (see `models.s3d.S3D`).
          text_tower: maps int [B, L] to [B, E] (see `models.text_tower.TextTower`).
          positives: how the loss counts positives (see `models.losses.mil_nce_per_clip`).
          **kwargs: `name`, `dtype`.

        Raises:
          ValueError: the towers' embeddings differ in size.
        """
        super().__init__(**kwargs)
        if video_tower.embedding_size != text_tower.embedding_size:
            raise ValueError(
                f"the video tower's embeddings have {video_tower.embedding_size} dimensions, "
                f"the text tower's {text_tower.embedding_size}: they must be equal"
            )
        self.video_tower = video_tower
        self.text_tower = text_tower
        self.positives = positives

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights of both towers, which a checkpoint can then be restored into.

        Args:
          input_shape: ignored.
        """
        for tower in (self.video_tower, self.text_tower):
            if not tower.built:
                tower.build()

    def embed_video(self, video: Any, training: bool | None = None) -> Any:
        """Embeds clips.

        Args:
          video: [B, T, H, W, 3], integers in [0, 255] or floats in [0, 1].
          training: whether batch statistics normalise.

        Returns:
          float32 [B, E].
        """
        return self.video_tower(to_unit_range(video), training=training)["video_embedding"]

    def embed_text(self, word_ids: Any) -> Any:
        """Embeds sentences.

        Args:
          word_ids: int [B, L]; 0 pads.

        Returns:
          float32 [B, E].
        """
        return self.text_tower(word_ids)

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> tuple[Any, Any]:
        """Embeds clips and their candidate captions.

        Args:
          inputs: `video` [B, T, H, W, 3], integers in [0, 255] or floats in [0, 1], and `word_ids`
            int [B, K, L].
          training: whether batch statistics normalise.

        Returns:
          float32 [B, E] of the clips and [B*K, E] of the captions, clip by clip.
        """
        batch, candidates, length = ops.shape(inputs[WORD_IDS])
        sentences = ops.reshape(inputs[WORD_IDS], (batch * candidates, length))
        return self.embed_video(inputs[VIDEO], training), self.embed_text(sentences)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Computes the mean MIL-NCE loss, as Keras's training and test steps ask for it.

        Args:
          x: the inputs; unused.
          y: labels; there are none.
          y_pred: what `call` returned.
          sample_weight: unused.
          training: unused.

        Returns:
          float32 [].
        """
        video, text = y_pred
        return mil_nce(video, text, positives=self.positives)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal model."""
        return {
            **super().get_config(),
            "video_tower": keras.saving.serialize_keras_object(self.video_tower),
            "text_tower": keras.saving.serialize_keras_object(self.text_tower),
            "positives": self.positives,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> "TextVideoModel":
        """Makes a model from what `get_config` returned."""
        config = dict(config)
        for tower in ("video_tower", "text_tower"):
            config[tower] = keras.saving.deserialize_keras_object(config[tower])
        return cls(**config)
