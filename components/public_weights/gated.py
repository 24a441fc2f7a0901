"""Turns the public HowTo100M gated model, a PyTorch checkpoint, into a SavedModel."""

import os
import pathlib
import re

from components.public_weights import output_folder
from components.word_vectors import reader
from models import import_gated as layout
from models.export import export_gated_model
from models.torch_checkpoint import CheckpointError, read_checkpoint

# The words that the tokeniser can make of a text; the others of a file can never be looked up.
_WORD = re.compile(r"[\w']+")

# The two halves of a clip's vector, and their rows for each second (HowTo100M, section 4.1).
_RATES = {"2d": 1.0, "3d": 1.5}


def import_gated(
    checkpoint: str | os.PathLike[str],
    word_vectors_file: str | os.PathLike[str],
    output: str | os.PathLike[str],
    max_words: int = 30,
    vocabulary_size: int | None = None,
) -> layout.GatedLayers:
    """Writes a SavedModel with the weights of the public model (see `export_gated_model`).

    The model is run the way it was trained (facts/protocols.md, section 8): words keep their
    capitals, those without a vector are dropped before the sentence is cut, and zero vectors pad it
    inside the maximum. Nothing that the checkpoint says is run.

    The vectors of the file are most of the SavedModel, and three times as much memory is needed:
    3.6 and 11 GB for all of GoogleNews.

    Args:
      checkpoint: the checkpoint, `howto100m_pt_model.pth` or another of the same layout; sizes are
        taken from it.
      word_vectors_file: the word2vec file that the checkpoint was trained with,
        GoogleNews-vectors-negative300.bin.gz for the public one.
      output: folder to write; it must not exist or be empty.
      max_words: words of a sentence that are kept; the reference code evaluates with 30 on most
        sets.
      vocabulary_size: the number of words to take from the file, most frequent first, or None for
        all.

    Returns:
      The layers imported, for their sizes.

    Raises:
      ValueError: a file cannot be used (`CheckpointError`, `WordVectorsError`), the two do not fit,
        or the output is in use; the message says what to do.
    """
    output = output_folder.check_new(output)
    if max_words < 1:
        raise ValueError(f"max_words is {max_words}; give at least 1")
    arrays = read_checkpoint(checkpoint)
    try:
        layers = layout.read_layers(arrays)
    except CheckpointError as error:
        raise CheckpointError(f"{checkpoint}: {error}") from error
    stream_size, rest = divmod(layers.feature_size, len(_RATES))
    if rest:
        raise CheckpointError(
            f"{checkpoint}: clip vectors of {layers.feature_size} are no 2D and 3D features of "
            "equal size"
        )
    words, vectors = reader.read_vocabulary(
        pathlib.Path(word_vectors_file),
        lambda word: _WORD.fullmatch(word) is not None,
        vocabulary_size,
    )
    export_gated_model(
        layout.make_model(layers, vectors),
        output,
        words,
        max_words=max_words,
        features=[
            {"name": name, "rate": rate, "size": stream_size} for name, rate in _RATES.items()
        ],
        case_sensitive=True,
    )
    return layers
