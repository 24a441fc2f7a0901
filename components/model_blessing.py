"""The verdict on a model, as TFX's Pusher reads it."""

import os

from tfx import types
from tfx.components.evaluator import constants
from tfx.utils import io_utils


def mark_blessing(blessing: types.Artifact, model: types.Artifact, blessed: bool) -> None:
    """Marks a `ModelBlessing` as the TFX Evaluator does.

    Args:
      blessing: the artifact to mark.
      model: the model that it is about.
      blessed: the verdict.
    """
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE,
    )
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(os.path.join(blessing.uri, name), "")


def is_blessed(blessing: types.Artifact) -> bool:
    """Returns the verdict that a `ModelBlessing` holds.

    Args:
      blessing: a marked artifact.
    """
    value = blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
    return value == constants.BLESSED_VALUE
