"""Turns a TF Hub module of deepmind/mil-nce, which the user has, into a SavedModel of ours."""

import dataclasses
import os
import re

import numpy as np
import tensorflow as tf

from components.public_weights import output_folder, vocabulary
from components.trainer.config import ModelConfig
from models import hub_download, hub_words
from models import import_hub as layout
from models.error_text import first_line
from models.export import export_text_video_model
from models.hub_graph import ModuleError, ModuleGraph
from models.milnce import TextVideoModel
from models.s3d import S3D
from models.tokenizer import WordTable

# The words of a sentence that the public modules keep.
DEFAULT_MAX_WORDS = 16

# What a module is asked, and how far its answers may be from ours, beside the largest of them.
_PROBE_SHAPE = (1, 8, 128, 128, 3)
_TOLERANCE = 1e-3


def import_hub(
    module: str | os.PathLike[str],
    output: str | os.PathLike[str],
    vocabulary_file: str | os.PathLike[str] | None = None,
    max_words: int = DEFAULT_MAX_WORDS,
    verify: bool = False,
) -> ModelConfig:
    """Writes a SavedModel with the weights of a hub module (see `export_text_video_model`).

    The module's graph is read to find which variable is which, and is not run unless `verify` asks
    for it. How it splits and looks up words is not read either: the rules are those of the public
    weights (facts/protocols.md, section 2), which `verify` compares on some sentences.

    Args:
      module: folder of a module in TensorFlow 1's format, such as deepmind/mil-nce/s3d/1, or its
        address, from where `tensorflow_hub` downloads it.
      output: folder to write; it must not exist or be empty.
      vocabulary_file: `.npy` array of the words by row of the module's word vectors from 1, or None
        to take them from its look-up table.
      max_words: words of a sentence that are kept.
      verify: whether to run the module's graph, which must then be one to trust, on random images
        and on sentences of its words, and to refuse a model that answers otherwise.

    Returns:
      The settings of the model, for its sizes.

    Raises:
      ValueError: a file cannot be used, the module is built in another way than our towers
        (`ModuleError`), its answers differ, or the output is in use; the message says what to do.
    """
    output = output_folder.check_new(output)
    if max_words < 1:
        raise ValueError(f"max_words is {max_words}; give at least 1")
    folder = hub_download.downloaded(os.fspath(module))
    graph = ModuleGraph(folder)
    model = layout.make_model(graph)
    num_words = model.text_tower.embedding.input_dim - 1
    if vocabulary_file is None:
        words = hub_words.read_words(graph, num_words)
    else:
        words = vocabulary.read_vocabulary(vocabulary_file)
        if len(words) != num_words:
            raise ValueError(
                f"{vocabulary_file} has {len(words)} words, but {module} has vectors for "
                f"{num_words}; give the vocabulary that it was trained with"
            )
    words = vocabulary.make_unique(words)
    if verify:
        _compare(model, WordTable(words, max_words), words, folder)
    config = ModelConfig(
        backbone="s3d" if isinstance(model.video_tower, S3D) else "i3d",
        width=model.video_tower.width,
        embedding_size=model.video_tower.embedding_size,
        text_hidden_size=model.text_tower.hidden_size,
        max_words=max_words,
    )
    export_text_video_model(model, output, words, max_words, dataclasses.asdict(config))
    return config


def _compare(model: TextVideoModel, table: WordTable, words: list[str], folder: str) -> None:
    """Runs a module and compares its answers with the model's.

    Raises:
      ModuleError: they differ, or the module cannot be run.
    """
    images = np.random.default_rng(1).random(_PROBE_SHAPE, np.float32)
    known = [word for word in words if re.fullmatch(r"[\w']+", word) and word == word.lower()]
    sentences = [
        *known[:4],
        " ".join(known[:3]),
        " ".join(known[-3:]).upper(),
        " ".join(known[: 2 * table.max_words]),
        f"{known[0]}, <unknown>" if known else "",
        "",
    ]
    ours = dict(model.video_tower(images, training=False))
    ours["text_embedding"] = model.embed_text(table(tf.constant(sentences)))
    try:
        signatures = tf.saved_model.load(folder, tags=[]).signatures
        theirs = dict(_call(signatures["video"], tf.constant(images)))
        theirs |= _call(signatures["text"], tf.constant(sentences))
    # A module's graph fails in whatever it does.
    except Exception as error:
        raise ModuleError(f"the module cannot be run: {first_line(error)}") from error
    for name, answer in ours.items():
        expected = np.asarray(theirs[name])
        difference = np.abs(np.asarray(answer) - expected).max()
        if not difference <= _TOLERANCE * max(1.0, np.abs(expected).max()):
            raise ModuleError(
                f"the module answers otherwise than the weights read from it: {name} differs by "
                f"{difference:.2g}; it is built in another way than our towers"
            )


def _call(signature, value: tf.Tensor) -> dict[str, tf.Tensor]:
    [name] = signature.structured_input_signature[1]
    return signature(**{name: value})
