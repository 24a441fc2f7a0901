import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from models.fan_out import copies
from models.gated import GatedTextVideoModel
from models.i3d import I3D
from models.milnce import TextVideoModel
from models.objective import LOSSES, Objective
from models.s3d import S3D
from models.text_tower import TextTower

VECTORS = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)


class MeanColour(keras.Model):
    """A video tower that is a linear map of the clip's mean colour."""

    embedding_size = 4

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.head = keras.layers.Dense(4)

    def build(self, input_shape=None):
        self.head.build((None, 3))

    def call(self, video, training=None):
        means = keras.ops.mean(video, axis=(1, 2, 3))
        return {"video_embedding": self.head(means), "mixed_5c": means}


def additions(model: keras.Model, batch: dict[str, np.ndarray]) -> list[int]:
    """Returns how many terms each AddN of a training step has, as TensorFlow runs it."""
    model.build()
    model.compile("sgd", jit_compile=False)
    context.enable_run_metadata()
    try:
        model.train_on_batch(batch)
        graphs = context.export_run_metadata().function_graphs
    finally:
        context.disable_run_metadata()
    optimized = [graph.post_optimization_graph for graph in graphs]
    functions = itertools.chain.from_iterable(graph.library.function for graph in optimized)
    nodes = [node for graph in optimized for node in graph.node]
    nodes += [node for function in functions for node in function.node_def]
    assert any("MatMul" in node.op for node in nodes)
    return [node.attr["N"].i for node in nodes if node.op == "AddN"]


def text_video_step(tower, text_model="max_pool", loss="mil_nce", candidates=3) -> list[int]:
    model = TextVideoModel(tower, TextTower(VECTORS, 8, 4, text_model=text_model), Objective(loss))
    rng = np.random.default_rng(1)
    batch = {
        "video": rng.integers(0, 256, (4, 8, 32, 32, 3)).astype(np.uint8),
        "word_ids": rng.integers(1, 9, (4, candidates, 5)),
    }
    return additions(model, batch)


def test_copies_have_the_sum_of_their_gradients():
    value = tf.Variable([2.0, 5.0])
    with tf.GradientTape() as tape:
        first, second, third = copies(value, 3)
        total = tf.reduce_sum(10.0 * first + second * second + [0.5, 0.25] * third)
    np.testing.assert_array_equal(third, value)
    # 10, twice the value, and the factors of the third.
    np.testing.assert_array_equal(tape.gradient(total, value), [14.5, 20.25])


def test_a_copy_without_use_adds_nothing():
    value = tf.Variable([2.0, 5.0])
    with tf.GradientTape() as tape:
        first, _ = copies(value, 2)
        total = tf.reduce_sum(3.0 * first)
    np.testing.assert_array_equal(tape.gradient(total, value), [3.0, 3.0])


def test_uses_without_copies_are_added_at_once():
    """That a step without them is found out."""

    class Thrice(MeanColour):
        def call(self, video, training=None):
            means = self.head(keras.ops.mean(video, axis=(1, 2, 3)))
            embedding = keras.ops.sin(means) * keras.ops.exp(means) + keras.ops.tanh(means)
            return {"video_embedding": embedding}

    assert max(text_video_step(Thrice())) == 3


@pytest.mark.parametrize("tower", [S3D, I3D])
def test_no_gradients_of_a_video_tower_are_added_in_any_order(tower):
    assert max(text_video_step(tower(0.05, 4)), default=0) <= 2


# The GRU, and the Transformer's normalisation, are Keras's own and have such sums.
@pytest.mark.parametrize("text_model", ["max_pool", "lstm", "netvlad"])
def test_no_gradients_of_a_text_tower_are_added_in_any_order(text_model):
    assert max(text_video_step(MeanColour(), text_model), default=0) <= 2


@pytest.mark.parametrize("loss", LOSSES)
def test_no_gradients_of_a_loss_are_added_in_any_order(loss):
    candidates = 3 if loss in ("mil_nce", "max_nce", "attention_nce", "concatenation_nce") else 1
    assert max(text_video_step(MeanColour(), loss=loss, candidates=candidates), default=0) <= 2


def test_no_gradients_of_the_gated_model_are_added_in_any_order():
    batch = {
        "features": np.eye(6, 3, dtype=np.float32),
        "word_ids": np.arange(12).reshape(6, 2) % 9,
        "negatives": 1.0 - np.eye(6, dtype=np.float32),
    }
    model = GatedTextVideoModel(3, VECTORS, caption_size=4, embedding_size=5)
    assert max(additions(model, batch), default=0) <= 2
