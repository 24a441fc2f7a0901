"""Runs the pipeline on this machine: LocalDagRunner, SQLite metadata, Beam's in-process runner.

The command line calls `run`. The tfx CLI calls `main` through the script of the same name at the
top of the repository, and then the settings come from the file that the environment variable
HOWTO100M_RUN names, a `run.json` as every `howto100m run` leaves in its output folder.
"""

import os
import pathlib

from absl import logging

from models import files
from pipeline import configs, results
from pipeline import pipeline as pipeline_lib
from pipeline.observability.code_version import code_version
from pipeline.observability.stamped_runner import StampedRunner


def run(config: configs.RunConfig) -> None:
    """Runs the pipeline and gathers what it leaves for people in the output folder.

    Args:
      config: the run.

    Raises:
      ValueError: the output folder is no local one.
      OSError: TensorFlow does not know the file system of the data or of the hub.
    """
    configs.check_output(config.output)
    output = pathlib.Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    # TFX makes the folders of outputs before any component runs.
    files.make_known(config.storage_root, config.hub_root)
    try:
        StampedRunner(code_version()).run(pipeline_lib.create_pipeline(config))
    except Exception:
        results.summarize_failure(config)
        raise
    # Under `tfx pipeline create` nothing was run, and there is nothing to gather yet.
    if (output / "metadata.sqlite").exists():
        results.gather(config)


def main() -> None:
    """Runs what the file named by HOWTO100M_RUN says."""
    logging.set_verbosity(logging.INFO)
    run(configs.load_run(pathlib.Path(os.environ.get("HOWTO100M_RUN", "runs/demo/run.json"))))
