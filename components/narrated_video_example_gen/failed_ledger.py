"""Keeps the ledger of an execution that fails, whose outputs TFX deletes."""

import os

import tensorflow as tf

from components.narrated_video_example_gen.ledger import LEDGER_FILE, SUMMARY_FILE


def keep(ledger_folder: str, failure_folder: str) -> str:
    """Copies ledger and summary to a folder that outlives the execution.

    Args:
      ledger_folder: where they are.
      failure_folder: where they are wanted, or empty to leave them.

    Returns:
      The path of the ledger that stays.
    """
    if not failure_folder:
        return os.path.join(ledger_folder, LEDGER_FILE)
    tf.io.gfile.makedirs(failure_folder)
    for name in (LEDGER_FILE, SUMMARY_FILE):
        tf.io.gfile.copy(
            os.path.join(ledger_folder, name), os.path.join(failure_folder, name), overwrite=True
        )
    return os.path.join(failure_folder, LEDGER_FILE)
