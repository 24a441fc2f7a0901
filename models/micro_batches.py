"""Steps on a batch that is too large to be embedded at once; TensorFlow only.

Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup" (GradCache).
The loss needs the embeddings of all clips, but little memory for them; the towers need much memory
for each clip, but know nothing of the others. So the batch is embedded in micro-batches without
keeping anything else, the gradient of the loss with respect to the embeddings is taken, and the
micro-batches are embedded once more, each to carry its part of that gradient on to the weights.

The gradients are those of the whole batch where normalisation does not depend on the batch. With
batch statistics they are exactly those of training on as many replicas as there are micro-batches:
each one normalises with its own statistics, and the stored statistics move once, by the mean of
what each one would have moved them by. Where replicas synchronise batch normalisation, they do so
micro-batch by micro-batch.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from models import replicas

WholeStep = Callable[[Any], Any]


def train_step(model: keras.Model, whole: WholeStep, data: Any) -> dict[str, Any]:
    """Does a step of the optimiser, in micro-batches where the model asks for them.

    Args:
      model: a built and compiled `models.milnce.TextVideoModel`.
      whole: the step of Keras's trainer, which takes the batch as a whole.
      data: what the trainer gives it: this replica's clips.

    Returns:
      What the trainer takes for its logs.

    Raises:
      ValueError: the batch has no fixed size, or the micro-batch does not divide it.
    """
    parts = _parts_of(model, data)
    if parts is None:
        return replicas.worker_logs(whole(data))
    embeddings = parts.embed(training=True)
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = model.compute_loss(y_pred=embeddings)
        scaled = model.optimizer.scale_loss(loss)
    weights = model.trainable_weights
    gradients = parts.gradients(tape.gradient(scaled, embeddings), weights)
    model.optimizer.apply_gradients(zip(gradients, weights, strict=True))
    return _logs(model, loss)


def test_step(model: keras.Model, whole: WholeStep, data: Any) -> dict[str, Any]:
    """Computes the loss of a batch, with the arguments of `train_step`, and changes nothing."""
    parts = _parts_of(model, data)
    if parts is None:
        return replicas.worker_logs(whole(data))
    embeddings = parts.embed(training=False)
    return _logs(model, model.compute_loss(y_pred=embeddings, training=False))


def _parts_of(model: keras.Model, data: Any) -> "_Parts | None":
    size = model.micro_batch_size
    if size is None:
        return None
    batch, _, _ = keras.utils.unpack_x_y_sample_weight(data)
    clips = next(iter(batch.values())).shape[0]
    if clips is None:
        raise ValueError(
            "micro-batches need batches of one known size; make them with drop_remainder=True"
        )
    replicas.check_micro_batch_size(clips, size)
    return _Parts(model, batch, size) if size < clips else None


def _logs(model: keras.Model, loss: Any) -> dict[str, Any]:
    for metric in model.metrics:
        metric.update_state(loss * replicas.num_replicas())
    return replicas.worker_logs(model.get_metrics_result())


class _Parts:
    """The micro-batches of a batch."""

    def __init__(self, model: keras.Model, batch: Mapping[str, Any], size: int):
        self.model = model
        self.count = next(iter(batch.values())).shape[0] // size
        self.parts = {
            name: tf.reshape(value, (self.count, size, *value.shape[1:]))
            for name, value in batch.items()
        }
        norms = replicas.batch_norm_layers(model)
        # Replicas can only meet in a graph's loop if its steps are written out.
        self.unroll = replicas.num_replicas() > 1 and any(norm.synchronized for norm in norms)
        self.statistics = [
            statistic for norm in norms for statistic in (norm.moving_mean, norm.moving_variance)
        ]

    def _embed_part(self, i: Any, training: bool) -> tuple[Mapping[str, Any], list[Any]]:
        """Returns the embeddings of part i, and the stored statistics as it would leave them."""
        part = {name: value[i] for name, value in self.parts.items()}
        with keras.StatelessScope() as scope:
            embeddings = self.model(part, training=training)
        moved = [scope.get_current_value(statistic) for statistic in self.statistics]
        pairs = zip(self.statistics, moved, strict=True)
        return embeddings, [old.value if new is None else new for old, new in pairs]

    def embed(self, training: bool) -> dict[str, Any]:
        """Embeds all parts, and moves the stored statistics if `training`."""

        def step(i: Any, state: Any) -> Any:
            arrays, sums = state
            embeddings, moved = self._embed_part(i, training)
            arrays = {name: array.write(i, embeddings[name]) for name, array in arrays.items()}
            return arrays, [total + value for total, value in zip(sums, moved, strict=True)]

        arrays = {
            name: tf.TensorArray(tf.float32, size=self.count) for name in self.model.embedding_names
        }
        sums = [tf.zeros(statistic.shape) for statistic in self.statistics]
        arrays, sums = self._loop(step, (arrays, sums))
        if training:
            for statistic, total in zip(self.statistics, sums, strict=True):
                statistic.assign(total / self.count)
        return {name: array.concat() for name, array in arrays.items()}

    def gradients(self, upstream: Mapping[str, Any], weights: list[Any]) -> list[Any]:
        """Carries the gradient with respect to the embeddings on to the weights."""
        upstream = {
            name: tf.reshape(gradient, (self.count, -1, gradient.shape[-1]))
            for name, gradient in upstream.items()
        }

        def step(i: Any, sums: list[Any]) -> list[Any]:
            with tf.GradientTape() as tape:
                embeddings, _ = self._embed_part(i, training=True)
            gradients = tape.gradient(
                embeddings,
                [weight.value for weight in weights],
                output_gradients={name: gradient[i] for name, gradient in upstream.items()},
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return [total + gradient for total, gradient in zip(sums, gradients, strict=True)]

        return self._loop(step, [tf.zeros(weight.shape) for weight in weights])

    def _loop(self, step: Callable[[Any, Any], Any], state: Any) -> Any:
        """Runs `state = step(i, state)` for each part, one after the other."""
        if not self.unroll:
            _, state = tf.while_loop(
                lambda i, _: i < self.count,
                lambda i, state: (i + 1, step(i, state)),
                (tf.constant(0), state),
                parallel_iterations=1,
            )
            return state
        for i in range(self.count):
            # Nothing else keeps the parts from being in memory at the same time.
            with tf.control_dependencies([_tensor(leaf) for leaf in tf.nest.flatten(state)]):
                state = step(i, state)
        return state


def _tensor(leaf: Any) -> tf.Tensor:
    return leaf.flow if isinstance(leaf, tf.TensorArray) else leaf
