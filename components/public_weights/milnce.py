"""Turns the public MIL-NCE model, a PyTorch checkpoint, into a SavedModel."""

import dataclasses
import os

from components.public_weights import output_folder, vocabulary
from components.trainer.config import ModelConfig
from models import import_milnce as layout
from models.export import export_text_video_model
from models.torch_checkpoint import CheckpointError, read_checkpoint

# The words of a sentence that the reference code's inference class keeps.
DEFAULT_MAX_WORDS = 16


def import_milnce(
    checkpoint: str | os.PathLike[str],
    vocabulary_file: str | os.PathLike[str],
    output: str | os.PathLike[str],
    max_words: int = DEFAULT_MAX_WORDS,
) -> ModelConfig:
    """Writes a SavedModel with the weights of the public model (see `export_text_video_model`).

    Texts are read as the reference code's inference class does (facts/protocols.md, section 2):
    lower-cased, words outside the vocabulary dropped before the sentence is cut. The stem is the
    one that the checkpoint was trained with. Nothing that the checkpoint says is run.

    Args:
      checkpoint: the checkpoint, `s3d_howto100m.pth` or another of the same layout; sizes are taken
        from it.
      vocabulary_file: the vocabulary that it was trained with, `s3d_dict.npy` for the public one.
      output: folder to write; it must not exist or be empty.
      max_words: words of a sentence that are kept.

    Returns:
      The settings of the model, for its sizes.

    Raises:
      ValueError: a file cannot be used (`CheckpointError` for the checkpoint), the two do not fit,
        or the output is in use; the message says what to do.
    """
    output = output_folder.check_new(output)
    if max_words < 1:
        raise ValueError(f"max_words is {max_words}; give at least 1")
    words = vocabulary.read_vocabulary(vocabulary_file)
    arrays = read_checkpoint(checkpoint)
    try:
        model = layout.make_model(arrays)
    except CheckpointError as error:
        raise CheckpointError(f"{checkpoint}: {error}") from error
    num_words = model.text_tower.embedding.input_dim - 1
    if len(words) != num_words:
        raise ValueError(
            f"{vocabulary_file} has {len(words)} words, but {checkpoint} has vectors for "
            f"{num_words}; give the vocabulary that it was trained with"
        )
    config = ModelConfig(
        width=model.video_tower.width,
        stem=model.video_tower.stem,
        embedding_size=model.video_tower.embedding_size,
        text_hidden_size=model.text_tower.hidden_size,
        max_words=max_words,
    )
    export_text_video_model(
        model, output, vocabulary.make_unique(words), max_words, dataclasses.asdict(config)
    )
    return config
