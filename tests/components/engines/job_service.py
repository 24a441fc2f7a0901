"""Beam's local job service, made more like a cluster's: `python job_service.py PORT_FILE`.

Beam's own has no PROCESS environment, and where a worker is lost it waits for ever. This one has
it, and begins a job anew that has lost a worker, as Flink does.
"""

import contextlib
import copy
import itertools
import os
import pathlib
import signal
import subprocess
import sys
import threading

import grpc
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_fn_api_pb2, beam_runner_api_pb2
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.portability.fn_api_runner import worker_handlers

_LOST = "a worker is lost"
_ATTEMPTS = 3


class LosableConnection(worker_handlers.ControlConnection):
    """Answers with an error for a worker that is gone."""

    def __init__(self):
        super().__init__()
        self._guard = threading.Lock()
        self._is_lost = False

    def _read(self):
        # The stream of a killed worker ends with an error, or as if the worker had closed it.
        with contextlib.suppress(grpc.RpcError):
            super()._read()
        with self._guard:
            self._is_lost = True
            waiting = list(self._futures_by_id.values())
        for future in waiting:
            self._answer(future)

    def push(self, req):
        """Sends a request, if there is anyone to read it."""
        with self._guard:
            future = super().push(req)
            is_lost = self._is_lost
        if future and is_lost:
            self._answer(future)
        return future

    def _answer(self, future):
        future.set(
            beam_fn_api_pb2.InstructionResponse(instruction_id=future.instruction_id, error=_LOST)
        )


@worker_handlers.WorkerHandler.register_environment(
    common_urns.environments.PROCESS.urn, beam_runner_api_pb2.ProcessPayload
)
class ProcessWorkerHandler(worker_handlers.GrpcWorkerHandler):
    """Starts the command of a PROCESS environment, as Beam's container contract says."""

    def __init__(self, payload, state, provision_info, grpc_server):
        super().__init__(state, provision_info, grpc_server)
        self._payload = payload
        self._process = None

    def start_worker(self):
        """Starts the process."""
        self._process = subprocess.Popen(
            [
                self._payload.command,
                f"--id={self.worker_id}",
                f"--logging_endpoint={self.logging_api_service_descriptor().url}",
                f"--control_endpoint={self.control_address}",
                f"--artifact_endpoint={self.control_address}",
                f"--provision_endpoint={self.control_address}",
            ],
            env={**os.environ, **self._payload.env},
        )

    def stop_worker(self):
        """Ends the process."""
        self._process.terminate()
        self._process.wait()


class RestartingJob(local_job_service.BeamJob):
    """A job that begins anew where it has lost a worker."""

    def _invoke_runner(self):
        pipeline = copy.deepcopy(self._pipeline_proto)
        for attempt in itertools.count(1):
            try:
                return super()._invoke_runner()
            except RuntimeError as error:
                if _LOST not in str(error) or attempt == _ATTEMPTS:
                    raise
            print("The job begins anew: " + _LOST, file=sys.stderr, flush=True)
            self._pipeline_proto = copy.deepcopy(pipeline)


def main(port_file: pathlib.Path) -> None:
    """Serves until it is ended; the port is in the file once it does.

    Args:
      port_file: the file.
    """
    worker_handlers.ControlConnection = LosableConnection
    service = local_job_service.LocalJobServicer(beam_job_type=RestartingJob)
    port = service.start_grpc_server()
    unfinished = port_file.with_suffix(".unfinished")
    unfinished.write_text(str(port))
    unfinished.rename(port_file)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        signal.pause()
    finally:
        service.stop()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
