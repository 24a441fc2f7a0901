"""Export to SavedModels with the signatures `video` and `text`, and a description beside them.

Their interface is that of the public module deepmind/mil-nce/s3d/1; a gated model takes features
where that takes images.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from models.description import ModelDescription, write_description
from models.gated import GatedTextVideoModel
from models.milnce import TextVideoModel
from models.tokenizer import WordTable


class _ServedModel(tf.train.Checkpoint):
    """What the SavedModel holds: a reusable TensorFlow 2 SavedModel for `tensorflow_hub`.

    Attributes:
      variables: all weights, in the order of the model's, for `models.pretrained`.
      word_vectors: the one among them that holds the vectors of the words, likewise.
      trainable_variables: those that `hub.KerasLayer(..., trainable=True)` trains.
      regularization_losses: none.
      video: the function behind the signature of that name.
      text: likewise.
    """

    def __init__(
        self,
        model: TextVideoModel | GatedTextVideoModel,
        clips: tf.TensorSpec,
        embed_clips: Callable[[tf.Tensor], Mapping[str, tf.Tensor]],
        embedding: keras.layers.Embedding,
        word_table: WordTable,
    ):
        super().__init__()
        self.variables = [weight.value for weight in model.weights]
        self.word_vectors = embedding.embeddings.value
        self.trainable_variables = [weight.value for weight in model.trainable_weights]
        self.regularization_losses = []
        self.word_table = word_table

        sentences = tf.TensorSpec([None], tf.string, name="words")

        @tf.function(input_signature=[clips])
        def video(clips):
            return dict(embed_clips(clips))

        @tf.function(input_signature=[sentences])
        def text(words):
            return {"text_embedding": model.embed_text(self.word_table(words))}

        @tf.function(input_signature=[clips])
        def call(clips):
            return video(clips)["video_embedding"]

        self.video = video
        self.text = text
        self.__call__ = call

    def save(self, directory: str | os.PathLike[str], description: ModelDescription) -> None:
        """Writes the SavedModel and its description."""
        signatures = {
            "video": self.video,
            "text": self.text,
            tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: self.video,
        }
        tf.saved_model.save(self, os.fspath(directory), signatures=signatures)
        write_description(directory, description)


def export_text_video_model(
    model: TextVideoModel,
    directory: str | os.PathLike[str],
    words: Sequence[str],
    max_words: int,
    config: Mapping[str, Any],
) -> None:
    """Writes a text-video model as a SavedModel that needs only TensorFlow to be served.

    Its interface is that of the public module deepmind/mil-nce/s3d/1. The signature `video` takes
    `images`, float32 [B, T, H, W, 3] in [0, 1], and returns `video_embedding` [B, E] and
    `mixed_5c` [B, C]; `text` takes `words`, string [B] with one sentence each, and returns
    `text_embedding` [B, E]. B, T, H and W are free. Batch normalisation uses the stored
    statistics, and every output is float32 whatever precision the model computes in.

    Beyond that interface `video` is also the default signature, and the loaded object itself maps
    images to the video embedding, so that `hub.KerasLayer` (tf_keras) takes it. The folder
    describes the model (see `models.description`). TensorFlow Serving takes the folder as it is,
    under a numbered subfolder of the model's.

    Only the towers are written: what else a loss trains, such as attention heads, has no use after
    it.

    Args:
      model: the trained model; it is built if it was not.
      directory: folder to write.
      words: the V words of the vocabulary, by id from 1, as many as the text tower has vectors
        besides the padding's.
      max_words: number of word ids for each sentence; that of the training, as padding is not
        neutral (see `models.text_tower`).
      config: the settings that made the model, for its description.

    Raises:
      ValueError: the number of words is not that of the text tower's vectors.
    """
    model = model.towers()
    embedding = model.text_tower.embedding
    _check_vocabulary(words, embedding)
    served = _ServedModel(
        model,
        tf.TensorSpec([None, None, None, None, 3], tf.float32, name="images"),
        lambda images: model.video_tower(images, training=False),
        embedding,
        WordTable(words, max_words),
    )
    served.save(directory, ModelDescription("milnce", config, None, words))


def export_gated_model(
    model: GatedTextVideoModel,
    directory: str | os.PathLike[str],
    words: Sequence[str],
    max_words: int,
    features: Sequence[Mapping[str, Any]],
    case_sensitive: bool = False,
) -> None:
    """Writes a gated model as a SavedModel that needs only TensorFlow to be served.

    The signature `video`, also the default one, takes `features`, float32 [B, D], the vectors of
    clips (see `models.clip_features.pool_clip`), and returns `video_embedding` [B, E]; `text` takes
    `words`, string [B] with one sentence each, and returns `text_embedding` [B, E]. Both are
    float32 and have length 1, so that their dot product is the cosine. The loaded object itself
    maps features to the video embedding. The folder describes the model (see
    `models.description`).

    Args:
      model: the trained model; it is built if it was not.
      directory: folder to write.
      words: the V words of the vocabulary, by id from 1, as many as the model has vectors besides
        the padding's.
      max_words: number of word ids for each sentence; that of the training, as padding is not
        neutral (see `models.gated.CaptionLayer`).
      features: `name`, `rate` and `size` of each stream of features, in the order in which they
        are joined.
      case_sensitive: whether texts keep their capitals, as the vocabulary then does.

    Raises:
      ValueError: the number of words is not that of the model's vectors, or the streams' sizes do
        not sum up to D.
    """
    if not model.built:
        model.build()
    embedding = model.caption_layer.embedding
    _check_vocabulary(words, embedding)
    size = sum(stream["size"] for stream in features)
    if size != model.feature_size:
        raise ValueError(
            f"the streams of features have {size} values together, but the model takes "
            f"{model.feature_size}: export with the streams that the model was trained on"
        )
    served = _ServedModel(
        model,
        tf.TensorSpec([None, model.feature_size], tf.float32, name="features"),
        lambda vectors: {"video_embedding": model.embed_video(vectors)},
        embedding,
        WordTable(words, max_words, case_sensitive),
    )
    config = {
        "embedding_size": model.embedding_size,
        "caption_size": model.caption_size,
        "max_words": max_words,
    }
    served.save(directory, ModelDescription("gated", config, features, words, case_sensitive))


def _check_vocabulary(words: Sequence[str], embedding: keras.layers.Embedding) -> None:
    vectors = embedding.input_dim
    if len(words) + 1 != vectors:
        raise ValueError(
            f"the vocabulary has {len(words)} words, but the text tower has vectors for "
            f"{vectors - 1}: export with the vocabulary that the model was trained with"
        )
