"""The joint text-video model that MIL-NCE, or a loss it is compared with, trains."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from models.objective import Objective

VIDEO = "video"
WORD_IDS = "word_ids"

_MIL_NCE = Objective()


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


def join_candidates(word_ids: Any) -> Any:
    """Joins the candidate captions of each clip into one narration.

    Args:
      word_ids: int [B, K, L]; 0 pads.

    Returns:
      int [B, 1, K*L]: the words of all candidates in their order, and the padding after them.
    """
    batch, candidates, length = ops.shape(word_ids)
    joined = candidates * length
    words = ops.reshape(word_ids, (batch, joined))
    # No two keys are equal, so that every sort is stable.
    keys = ops.arange(joined) + ops.where(ops.equal(words, 0), joined, 0)
    words = ops.take_along_axis(words, ops.argsort(keys, axis=1), axis=1)
    return words[:, None, :]


@keras.saving.register_keras_serializable(package="howto100m")
class TextVideoModel(keras.Model):
    """A video tower and a text tower that share an embedding space.

    Trained by Keras's own means, with the loss built in: `compile(optimizer)`, then `fit` on
    dictionaries of `video` and `word_ids` without labels. In the scope of a strategy of
    `models.replicas` the batch is spread over replicas, and the loss is that of the whole batch.

    Of an objective that uses attention the model has two linear heads more, which make the
    attention embeddings out of what the towers' own heads get (table 2d's "Attn" baseline). Only
    training needs them; `towers` gives the model without them.

    Attributes:
      embedding_names: the keys of what a call returns.
    """

    def __init__(
        self,
        video_tower: keras.Model,
        text_tower: keras.Model,
        objective: Objective = _MIL_NCE,
        micro_batch_size: int | None = None,
        **kwargs: Any,
    ):
        """Makes the model.

        Args:
          video_tower: maps float [B, T, H, W, 3] in [0, 1] to a dictionary with
            `video_embedding` [B, E] and, for attention, `mixed_5c` [B, C], the input of its layer
            `head` (see `models.s3d.S3D`).
          text_tower: maps int [B, L] to [B, E]; for attention it has `encode`, which maps them to
            the input of its layer `head` (see `models.text_tower.TextTower`).
          objective: the loss.
          micro_batch_size: clips that are embedded at once in training (see
            `models.micro_batches`); None for the whole batch. Only TensorFlow can.
          **kwargs: `name`, `dtype`.

        Raises:
          ValueError: the towers' embeddings differ in size, or the micro-batch is less than one
            clip or not possible with this backend.
        """
        super().__init__(**kwargs)
        if micro_batch_size is not None and micro_batch_size < 1:
            raise ValueError(f"micro_batch_size is {micro_batch_size}; it must be at least 1")
        if micro_batch_size is not None and keras.backend.backend() != "tensorflow":
            raise ValueError(
                f"micro_batch_size is {micro_batch_size}, but Keras runs on "
                f"{keras.backend.backend()}, where there are no micro-batches; leave it out, or "
                f"set KERAS_BACKEND=tensorflow"
            )
        if video_tower.embedding_size != text_tower.embedding_size:
            raise ValueError(
                f"the video tower's embeddings have {video_tower.embedding_size} dimensions, "
                f"the text tower's {text_tower.embedding_size}: they must be equal"
            )
        self.video_tower = video_tower
        self.text_tower = text_tower
        self.objective = objective
        self.micro_batch_size = micro_batch_size
        self.embedding_names = ("video", "text")
        if objective.uses_attention:
            self.embedding_names += ("video_attention", "text_attention")
            size = video_tower.embedding_size
            # After the towers, so that the weights of the towers come first.
            self.video_attention = keras.layers.Dense(size, name="video_attention", dtype="float32")
            self.text_attention = keras.layers.Dense(size, name="text_attention", dtype="float32")

    def build(self, input_shape: Any = None) -> None:
        """Creates all weights, which a checkpoint can then be restored into.

        Args:
          input_shape: ignored.
        """
        for tower in (self.video_tower, self.text_tower):
            if not tower.built:
                tower.build()
        if self.objective.uses_attention:
            self.video_attention.build((None, self.video_tower.head.kernel.shape[0]))
            self.text_attention.build((None, self.text_tower.head.kernel.shape[0]))

    def towers(self) -> "TextVideoModel":
        """Returns a built model of the same towers, weights and all, and of nothing else."""
        model = TextVideoModel(self.video_tower, self.text_tower, dtype=self.dtype_policy)
        model.build()
        return model

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

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> dict[str, Any]:
        """Embeds clips and their candidate captions.

        Args:
          inputs: `video` [B, T, H, W, 3], integers in [0, 255] or floats in [0, 1], and `word_ids`
            int [B, K, L].
          training: whether batch statistics normalise.

        Returns:
          What `Objective.per_clip` takes: `video` float32 [B, E] of the clips and `text` [B*K, E]
          of the captions, clip by clip, or [B, E] where the objective joins them; and where it uses
          attention `video_attention` and `text_attention`, of the same shapes.
        """
        word_ids = inputs[WORD_IDS]
        if self.objective.joins_candidates:
            word_ids = join_candidates(word_ids)
        batch, candidates, length = ops.shape(word_ids)
        sentences = ops.reshape(word_ids, (batch * candidates, length))
        if not self.objective.uses_attention:
            video = self.embed_video(inputs[VIDEO], training)
            return {"video": video, "text": self.embed_text(sentences)}
        clips = self.video_tower(to_unit_range(inputs[VIDEO]), training=training)
        encoded = self.text_tower.encode(sentences)
        return {
            "video": clips["video_embedding"],
            "text": self.text_tower.head(encoded),
            "video_attention": self.video_attention(clips["mixed_5c"]),
            "text_attention": self.text_attention(encoded),
        }

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Computes the mean loss, as Keras's training and test steps ask for it.

        Args:
          x: the inputs; unused.
          y: labels; there are none.
          y_pred: what `call` returned.
          sample_weight: unused.
          training: unused.

        Returns:
          float32 []; on one of many replicas, its share: the sum of the shares is the mean.
        """
        if keras.backend.backend() == "tensorflow":
            from models import replicas

            return replicas.mean_loss(self.objective, y_pred)
        return ops.mean(self.objective.per_clip(y_pred))

    def train_step(self, *args: Any) -> Any:
        """Does a step of the optimiser; Keras's trainer calls it with what its backend needs."""
        whole = super().train_step
        if keras.backend.backend() != "tensorflow":
            return whole(*args)
        from models import micro_batches

        return micro_batches.train_step(self, whole, *args)

    def test_step(self, *args: Any) -> Any:
        """Computes the loss of a batch; Keras's trainer calls it with what its backend needs."""
        whole = super().test_step
        if keras.backend.backend() != "tensorflow":
            return whole(*args)
        from models import micro_batches

        return micro_batches.test_step(self, whole, *args)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal model."""
        return {
            **super().get_config(),
            "video_tower": keras.saving.serialize_keras_object(self.video_tower),
            "text_tower": keras.saving.serialize_keras_object(self.text_tower),
            "objective": dataclasses.asdict(self.objective),
            "micro_batch_size": self.micro_batch_size,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> "TextVideoModel":
        """Makes a model from what `get_config` returned."""
        config = dict(config)
        for tower in ("video_tower", "text_tower"):
            config[tower] = keras.saving.deserialize_keras_object(config[tower])
        config["objective"] = Objective(**config["objective"])
        return cls(**config)
