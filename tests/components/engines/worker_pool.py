"""Beam's pool of worker processes, on a port that is free: `python worker_pool.py PORT_FILE`.

`python -m apache_beam.runners.worker.worker_pool_main` is the same on a port that one must choose.
"""

import pathlib
import signal
import sys

from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer


def main(port_file: pathlib.Path) -> None:
    """Serves until it is ended; the port is in the file once it does.

    Args:
      port_file: the file.
    """
    address, server = BeamFnExternalWorkerPoolServicer.start(use_process=True)
    unfinished = port_file.with_suffix(".unfinished")
    unfinished.write_text(address.rpartition(":")[2])
    unfinished.rename(port_file)
    # Beam ends the workers as the process exits.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        signal.pause()
    finally:
        server.stop(None)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
