"""Export to a SavedModel with the interface of the public module deepmind/mil-nce/s3d/1."""

import os
from collections.abc import Sequence

import tensorflow as tf

from models.milnce import TextVideoModel
from models.tokenizer import WordTable


class _ServedModel(tf.train.Checkpoint):
    """What the SavedModel holds: a reusable TensorFlow 2 SavedModel for `tensorflow_hub`.

    Attributes:
      variables: all weights.
      trainable_variables: those that `hub.KerasLayer(..., trainable=True)` trains.
      regularization_losses: none.
      video: the function behind the signature of that name.
      text: likewise.
    """

    def __init__(self, model: TextVideoModel, words: Sequence[str], max_words: int):
        super().__init__()
        self.variables = [weight.value for weight in model.weights]
        self.trainable_variables = [weight.value for weight in model.trainable_weights]
        self.regularization_losses = []
        self.word_table = WordTable(words, max_words)

        clips = tf.TensorSpec([None, None, None, None, 3], tf.float32, name="images")
        sentences = tf.TensorSpec([None], tf.string, name="words")

        @tf.function(input_signature=[clips])
        def video(images):
            return dict(model.video_tower(images, training=False))

        @tf.function(input_signature=[sentences])
        def text(words):
            return {"text_embedding": model.embed_text(self.word_table(words))}

        @tf.function(input_signature=[clips])
        def call(images):
            return video(images)["video_embedding"]

        self.video = video
        self.text = text
        self.__call__ = call


def export_text_video_model(
    model: TextVideoModel,
    directory: str | os.PathLike[str],
    words: Sequence[str],
    max_words: int,
) -> None:
    """Writes a text-video model as a SavedModel that needs only TensorFlow to be served.

    Its interface is that of the public module deepmind/mil-nce/s3d/1. The signature `video` takes
    `images`, float32 [B, T, H, W, 3] in [0, 1], and returns `video_embedding` [B, E] and
    `mixed_5c` [B, C]; `text` takes `words`, string [B] with one sentence each, and returns
    `text_embedding` [B, E]. B, T, H and W are free. Batch normalisation uses the stored
    statistics, and every output is float32 whatever precision the model computes in.

    Beyond that interface `video` is also the default signature, and the loaded object itself maps
    images to the video embedding, so that `hub.KerasLayer` (tf_keras) takes it.

    Args:
      model: the trained model; it is built if it was not.
      directory: folder to write, on any file system TensorFlow knows.
      words: the V words of the vocabulary, by id from 1, as many as the text tower has vectors
        besides the padding's.
      max_words: number of word ids for each sentence; that of the training, as padding is not
        neutral (see `models.text_tower`).

    Raises:
      ValueError: the number of words is not that of the text tower's vectors.
    """
    if not model.built:
        model.build()
    vectors = model.text_tower.embedding.input_dim
    if len(words) + 1 != vectors:
        raise ValueError(
            f"the vocabulary has {len(words)} words, but the text tower has vectors for "
            f"{vectors - 1}: export with the vocabulary that the model was trained with"
        )
    served = _ServedModel(model, words, max_words)
    signatures = {
        "video": served.video,
        "text": served.text,
        tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: served.video,
    }
    tf.saved_model.save(served, os.fspath(directory), signatures=signatures)
