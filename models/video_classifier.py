"""A video tower with a classifier on top, for fine-tuning on action recognition."""

import os
from typing import Any

import keras
import tensorflow as tf

from models.inception import InceptionTower


@keras.saving.register_keras_serializable(package="howto100m")
class VideoClassifier(keras.Model):
    """The pooled features of a video tower, dropout, and one linear layer.

    Attributes:
      tower: gives `mixed_5c`; its last layer, into the joint space, is not used.
    """

    def __init__(self, tower: InceptionTower, num_classes: int, dropout: float, **kwargs: Any):
        """Makes the classifier.

        Args:
          tower: the video tower, with the weights to start from.
          num_classes: number of classes, C.
          dropout: share of the features that a training step leaves out.
          **kwargs: of `keras.Model`.
        """
        super().__init__(**kwargs)
        self.tower = tower
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.classifier = keras.layers.Dense(num_classes, dtype="float32", name="classifier")

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights of the classifier; the tower has its own.

        Args:
          input_shape: not needed.
        """
        del input_shape
        self.classifier.build([None, self.tower.head.kernel.shape[0]])
        self.built = True

    def call(self, video: Any, training: bool | None = None) -> Any:
        """Returns the logits of clips, float32 [B, C].

        Args:
          video: float [B, T, H, W, 3] in [0, 1].
          training: whether batch statistics normalise, unless the tower is frozen, and features
            are dropped.
        """
        features = self.tower(video, training=training and self.tower.trainable)["mixed_5c"]
        return self.classifier(self.dropout(features, training=training))


def export_classifier(model: VideoClassifier, directory: str | os.PathLike[str]) -> None:
    """Writes a classifier as a SavedModel with the signature `video`: `images` to `logits`.

    Args:
      model: the classifier, built.
      directory: folder to write.
    """
    images = tf.TensorSpec([None, None, None, None, 3], tf.float32, name="images")

    @tf.function(input_signature=[images])
    def video(images):
        return {"logits": model(images, training=False)}

    served = tf.train.Checkpoint()
    served.variables = [weight.value for weight in model.weights]
    served.video = video
    tf.saved_model.save(served, os.fspath(directory), signatures={"video": video})
