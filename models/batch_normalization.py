"""Batch normalisation of videos that reads its input as few times as TensorFlow can."""

from typing import Any

import keras
from keras import layers, ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

# What TensorFlow's fused kernel takes; its sums are float32 for all of them.
_FUSED_TYPES = ("float32", "bfloat16", "float16")


class BatchNormalization(layers.BatchNormalization):
    """Keras's batch normalisation of the last axis of a video, with the same weights and numbers.

    Keras's own layer casts to float32, and reads and writes the whole video some twenty times in a
    training step: half of the step of S3D in bfloat16 on a CPU. TensorFlow's fused kernel does so
    five times, and in a graph on a CPU it includes the ReLU. The layer is Keras's own
    where that kernel does not serve: with another backend, other types, or statistics
    that replicas share.
    """

    def __init__(self, relu: bool = False, **kwargs: Any):
        """Makes the layer.

        Args:
          relu: whether a ReLU follows, as part of this layer.
          **kwargs: those of Keras's layer; `axis` must stay the last.
        """
        super().__init__(**kwargs)
        self.relu = relu

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Normalises.

        Args:
          inputs: [B, T, H, W, C].
          training: whether the statistics of `inputs` normalise, and move the stored ones.

        Returns:
          A tensor like `inputs`.
        """
        learns = bool(training) and self.trainable
        if not self._is_fused(inputs, learns):
            outputs = super().call(inputs, training=training)
            return ops.relu(outputs) if self.relu else outputs
        batch, time, height, width, channels = ops.shape(inputs)
        factor = ops.convert_to_tensor(self.gamma) if self.scale else ops.ones(channels)
        statistics = [] if learns else [self.moving_mean, self.moving_variance]
        mean, variance = [ops.convert_to_tensor(x) for x in statistics] or [ops.zeros(0)] * 2
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=ops.reshape(inputs, (batch, time, height * width, channels)),
            scale=factor,
            offset=ops.convert_to_tensor(self.beta),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=learns,
        )
        if learns:
            # The kernel divides by one less than the count, Keras by the count.
            count = ops.cast(batch * time * height * width, "float32")
            variance = variance * (ops.maximum(count - 1.0, 1.0) / count)
            for stored, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                stored.assign(stored * self.momentum + new * (1.0 - self.momentum))
        # TensorFlow looks for a ReLU right behind the normalisation, before any change of shape.
        outputs = ops.relu(outputs) if self.relu else outputs
        return ops.reshape(outputs, (batch, time, height, width, channels))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        return {**super().get_config(), "relu": self.relu}

    def _is_fused(self, inputs: Any, learns: bool) -> bool:
        """Returns whether TensorFlow's fused kernel gives what Keras's layer would."""
        return (
            keras.backend.backend() == "tensorflow"
            and keras.backend.standardize_dtype(inputs.dtype) in _FUSED_TYPES
            and self.variable_dtype == "float32"
            and self.center
            and not (learns and self.synchronized)
        )
