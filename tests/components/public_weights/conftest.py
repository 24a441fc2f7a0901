"""Stand-ins for the hub modules of MIL-NCE: TensorFlow 1 graphs in the manners of its libraries.

They have a sixteenth of the public widths, rounded to multiples of 4 from 4 upwards.
"""

import dataclasses
import functools
import pathlib

import numpy as np
import pytest
import tensorflow as tf

tf1 = tf.compat.v1

# Outputs of b0, b1_a, b1_b, b2_a, b2_b and b3.
_BLOCKS = {
    "Mixed_3b": (4, 8, 8, 4, 4, 4),
    "Mixed_3c": (8, 8, 12, 4, 8, 4),
    "Mixed_4b": (12, 8, 12, 4, 4, 4),
    "Mixed_4c": (12, 8, 16, 4, 4, 4),
    "Mixed_4d": (8, 8, 16, 4, 4, 4),
    "Mixed_4e": (8, 8, 20, 4, 4, 4),
    "Mixed_4f": (16, 12, 20, 4, 8, 8),
    "Mixed_5b": (16, 12, 20, 4, 8, 8),
    "Mixed_5c": (24, 12, 24, 4, 8, 8),
}
_POOLS = {
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}
_EMBEDDING, _HIDDEN, _WORD = 6, 7, 5

WORDS = ("stir", "the", "soup", "don't", "crème", "salt")
SENTENCES = (
    "stir the soup",
    "STIR The Soup, don't SALT!",
    "nothing known, but crème",
    "",
    "unknown " * 20 + "soup",
    "stir the soup don't crème salt " * 3,
)


@dataclasses.dataclass(frozen=True)
class HubModule:
    """How a stand-in is written.

    Attributes:
      separable: whether it is S3D, not I3D.
      fused: whether batch normalisation is one operation, gates are convolutions, the layer on
        words is one, and variables are resources; otherwise all that is spelled out.
      epsilon: of batch normalisation.
      word_file: whether the words are a file, whose line numbers are the ids less 1; otherwise
        they are constants with the ids themselves.
    """

    separable: bool = True
    fused: bool = False
    epsilon: float = 1e-5
    word_file: bool = True

    def write(self, path: pathlib.Path) -> dict[str, np.ndarray]:
        """Writes the module, and returns its inputs `images` and its answers."""
        images = np.random.default_rng(2).random((2, 6, 36, 36, 3), np.float32)
        with tf.Graph().as_default(), tf1.Session() as session:
            pixels = tf1.placeholder(tf.float32, [None, None, None, None, 3])
            sentences = tf1.placeholder(tf.string, [None])
            with tf1.variable_scope("tower", use_resource=self.fused):
                features, embedding = self._video(pixels)
                text = self._text(sentences, path.parent / "vocabulary.txt")
            predict = tf1.saved_model.predict_signature_def
            video_outputs = {"mixed_5c": features, "video_embedding": embedding}
            signatures = {
                "video": predict({"images": pixels}, video_outputs),
                "text": predict({"words": sentences}, {"text_embedding": text}),
            }
            session.run([tf1.global_variables_initializer(), tf1.tables_initializer()])
            builder = tf1.saved_model.Builder(str(path))
            assets = tf1.get_collection(tf1.GraphKeys.ASSET_FILEPATHS)
            builder.add_meta_graph_and_variables(
                session, ["train"], signatures, assets, main_op=tf1.tables_initializer()
            )
            # The graph has its main operation by now.
            builder.add_meta_graph([], signatures, assets)
            builder.save()
            answers = session.run(
                {**video_outputs, "text_embedding": text},
                {pixels: images, sentences: list(SENTENCES)},
            )
        return {"images": images, **answers}

    @functools.cached_property
    def _rng(self):
        return np.random.default_rng(3)

    def _variable(self, name, shape, low, high):
        return tf1.get_variable(name, initializer=self._rng.uniform(low, high, shape).astype("f4"))

    def _kernel(self, shape):
        values = self._rng.normal(0.0, (2.0 / np.prod(shape[:-1])) ** 0.5, shape)
        return tf1.get_variable("w", initializer=values.astype(np.float32))

    def _unit(self, x, name, size, filters, stride=1):
        """Convolves, normalises and rectifies."""
        with tf1.variable_scope(name):
            kernel = self._kernel([*size, x.shape[-1], filters])
            y = tf.nn.conv3d(x, kernel, [1, stride, stride, stride, 1], "SAME")
            shape = [filters] if self.fused else [1, 1, 1, 1, filters]
            with tf1.variable_scope("batch_norm"):
                beta = self._variable("beta", shape, -0.3, 0.3)
                gamma = self._variable("gamma", shape, 0.6, 1.4) if self.separable else None
                mean = self._variable("moving_mean", shape, -0.3, 0.3)
                variance = self._variable("moving_variance", shape, 0.6, 1.4)
                if not self.fused:
                    y = tf.nn.batch_normalization(y, mean, variance, beta, gamma, self.epsilon)
                    return tf.nn.relu(y)
                size = tf.shape(y)
                y, _, _ = tf1.nn.fused_batch_norm(
                    tf.reshape(y, [size[0], -1, size[3], filters]),
                    np.ones(filters, np.float32) if gamma is None else gamma,
                    beta,
                    mean,
                    variance,
                    self.epsilon,
                    is_training=False,
                )
                return tf.nn.relu(tf.reshape(y, size))

    def _dense(self, x, name, outputs):
        with tf1.variable_scope(name):
            kernel = self._kernel([x.shape[-1], outputs])
            return tf.nn.bias_add(x @ kernel, self._variable("b", [outputs], -0.3, 0.3))

    def _gate(self, x, name):
        if not self.separable:
            return x
        channels = x.shape[-1]
        mean = tf.reduce_mean(x, [1, 2, 3], keepdims=self.fused)
        if not self.fused:
            weights = tf.sigmoid(self._dense(mean, name, channels))
            return x * weights[:, None, None, None, :]
        with tf1.variable_scope(name):
            kernel = self._kernel([1, 1, 1, channels, channels])
            weights = tf.nn.conv3d(mean, kernel, [1] * 5, "SAME")
            weights += self._variable("biases", [channels], -0.3, 0.3)
            size = tf.shape(x)
            return tf.sigmoid(tf.tile(weights, [1, size[1], size[2], size[3], 1])) * x

    def _mixing_unit(self, x, name, filters):
        if not self.separable:
            return self._unit(x, name, (3, 3, 3), filters)
        x = self._unit(x, f"{name}/spatial", (1, 3, 3), filters)
        return self._unit(x, f"{name}/temporal", (3, 1, 1), filters)

    def _video(self, x):
        if self.separable:
            size = tf.shape(x)
            half = size[1:4] // 2
            x = tf.reshape(x, [size[0], half[0], 2, half[1], 2, half[2], 2, 3])
            x = tf.transpose(x, [0, 1, 3, 5, 2, 4, 6, 7])
            x = tf.reshape(x, [size[0], half[0], half[1], half[2], 24])
            x = self._unit(x, "Conv3d_1a", (2, 4, 4), 4)
        else:
            x = self._unit(x, "Conv3d_1a", (7, 7, 7), 4, stride=2)
        x = tf.nn.max_pool3d(x, (1, 3, 3), (1, 2, 2), "SAME")
        x = self._unit(x, "Conv3d_2b", (1, 1, 1), 4)
        x = self._gate(self._mixing_unit(x, "Conv3d_2c", 12), "gating")
        for name, (b0, b1_a, b1_b, b2_a, b2_b, b3) in _BLOCKS.items():
            if name in _POOLS:
                x = tf.nn.max_pool3d(x, *_POOLS[name], "SAME")
            with tf1.variable_scope(name):
                pooled = tf.nn.max_pool3d(x, 3, 1, "SAME")
                branch_1 = self._unit(x, "Branch_1/a", (1, 1, 1), b1_a)
                branch_2 = self._unit(x, "Branch_2/a", (1, 1, 1), b2_a)
                branches = [
                    self._unit(x, "Branch_0", (1, 1, 1), b0),
                    self._mixing_unit(branch_1, "Branch_1/b", b1_b),
                    self._mixing_unit(branch_2, "Branch_2/b", b2_b),
                    self._unit(pooled, "Branch_3", (1, 1, 1), b3),
                ]
                x = tf.concat([self._gate(b, f"gate_{i}") for i, b in enumerate(branches)], -1)
        features = tf.reduce_mean(x, [1, 2, 3])
        return features, self._dense(features, "video_linear", _EMBEDDING)

    def _text(self, sentences, path):
        tokens = tf.strings.regex_replace(
            tf.strings.lower(sentences, "utf-8"), r"[^\pL\pN_']+", " "
        )
        tokens = tf.strings.split(tokens)
        if self.word_file:
            path.write_text("".join(f"{word}\n" for word in WORDS), encoding="utf-8")
            initializer = tf.lookup.TextFileInitializer(
                str(path),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )
            ids = tf.lookup.StaticHashTable(initializer, -1).lookup(tokens.values) + 1
        else:
            numbers = tf.constant(list(range(1, len(WORDS) + 1)), tf.int64)
            initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(WORDS), numbers)
            ids = tf.lookup.StaticHashTable(initializer, 0).lookup(tokens.values)
        ids = tokens.with_values(ids)
        ids = tf.ragged.boolean_mask(ids, ids > 0).to_tensor(shape=[None, 16])
        vectors = self._variable("word_vectors", [len(WORDS) + 1, _WORD], -1.0, 1.0)
        words = tf1.nn.embedding_lookup(vectors, ids)
        if self.fused:
            with tf1.variable_scope("text_conv"):
                words = tf.nn.conv1d(words, self._kernel([1, _WORD, _HIDDEN]), 1, "SAME")
                words = tf.nn.relu(words + self._variable("b", [_HIDDEN], -0.3, 0.3))
        else:
            words = tf.nn.relu(self._dense(tf.reshape(words, [-1, _WORD]), "text_1", _HIDDEN))
            words = tf.reshape(words, [-1, 16, _HIDDEN])
        return self._dense(tf.reduce_max(words, axis=1), "text_2", _EMBEDDING)


@pytest.fixture(scope="session")
def hub_module() -> type[HubModule]:
    """Returns the maker of stand-ins."""
    return HubModule
