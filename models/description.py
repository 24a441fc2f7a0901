"""What an exported model says about itself, in its folder: plain files, read without TensorFlow."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models import files

# TensorFlow keeps this folder for files of the model's makers.
_FOLDER = "assets.extra"
_DESCRIPTION = "howto100m.json"
_WORDS = "words.txt"

KINDS = ("milnce", "gated")


@dataclass(frozen=True)
class ModelDescription:
    """A trained model, as far as its own files do not tell.

    Attributes:
      kind: "milnce" (pixels in) or "gated" (features in).
      config: the fields of the `ModelConfig` or the `GatedModelConfig` that made it.
      features: for each stream of features, in the order of the model's input, its `name`, `rate`
        in rows a second and `size`; None for a model that takes pixels.
      words: the vocabulary, by id from 1.
      case_sensitive: whether its texts keep their capitals (see `models.tokenizer.WordTable`).
    """

    kind: str
    config: Mapping[str, Any]
    features: Sequence[Mapping[str, Any]] | None
    words: Sequence[str]
    case_sensitive: bool = False


def write_description(directory: str | os.PathLike[str], description: ModelDescription) -> None:
    """Writes a description into the folder of an exported model.

    `assets.extra/howto100m.json` holds all but the words, `assets.extra/words.txt` one word a line.

    Args:
      directory: folder of the SavedModel.
      description: what to write.

    Raises:
      ValueError: a word has a line break.
    """
    broken = next((word for word in description.words if "\n" in word), None)
    if broken is not None:
        raise ValueError(f"the word {broken!r} has a line break, but words.txt holds one a line")
    folder = os.path.join(os.fspath(directory), _FOLDER)
    files.make_folder(folder)
    described = {
        "kind": description.kind,
        "config": dict(description.config),
        "features": description.features and [dict(stream) for stream in description.features],
        "case_sensitive": description.case_sensitive,
    }
    files.write_text(os.path.join(folder, _DESCRIPTION), json.dumps(described, indent=2) + "\n")
    lines = "".join(word + "\n" for word in description.words)
    files.write_text(os.path.join(folder, _WORDS), lines)


def has_description(directory: str | os.PathLike[str]) -> bool:
    """Tells whether a model has a description; those of other makers have none.

    Args:
      directory: folder of the SavedModel.
    """
    return files.is_file(os.path.join(os.fspath(directory), _FOLDER, _DESCRIPTION))


def read_description(directory: str | os.PathLike[str]) -> ModelDescription:
    """Reads the description of an exported model.

    Args:
      directory: folder of the SavedModel.

    Raises:
      ValueError: the folder has no description, or a damaged one; the message names the file.
    """
    path = os.path.join(os.fspath(directory), _FOLDER, _DESCRIPTION)
    try:
        described = json.loads(files.read_text(path))
        kind, config, features, case_sensitive = (
            described[key] for key in ("kind", "config", "features", "case_sensitive")
        )
    except FileNotFoundError as error:
        raise ValueError(
            f"{os.fspath(directory)} is no model of this project: it has no {_FOLDER}/"
            f"{_DESCRIPTION}; give the folder of a pushed model"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged: {error!r}; export the model again") from error
    if kind not in KINDS or not isinstance(config, dict) or not _are_streams(features):
        raise ValueError(
            f"{path} is damaged: kind {kind!r} or its config or features are not what an export "
            f"writes; export the model again"
        )
    path = os.path.join(os.path.dirname(path), _WORDS)
    try:
        words = files.read_text(path).split("\n")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}; export the model again") from error
    if len(words) < 2 or words.pop() != "" or "" in words:
        raise ValueError(f"{path} is damaged: not one word a line; export the model again")
    return ModelDescription(kind, config, features, words, bool(case_sensitive))


def _are_streams(features: Any) -> bool:
    return features is None or (
        isinstance(features, list)
        and all(isinstance(s, dict) and {"name", "rate", "size"} <= s.keys() for s in features)
    )
