"""The web server of a hub folder."""

import contextlib
import errno
import socket
from collections.abc import Callable

import uvicorn

from components.hub_server.app import create_app
from components.hub_server.folder import HubFolder

# Of a request head that comes in pieces; the app has limits of its own for a whole one.
_MAX_HEAD_BYTES = 32768
_SHUTDOWN_SECONDS = 3


def serve(root: str, host: str, port: int, ready: Callable[[str], None], gcs: str = "") -> None:
    """Serves a hub folder until the process gets SIGINT or SIGTERM.

    Args:
      root: the hub folder.
      host: the name or address to listen on.
      port: the port; 0 takes a free one.
      ready: is told the server's URL once connections are taken.
      gcs: where the same folder lies on Google Cloud Storage, as gs://…, or empty.

    Raises:
      ValueError: the folder cannot be read, or `gcs` is no such location.
      RuntimeError: the address cannot be listened on.
    """
    app = create_app(HubFolder(root), gcs)
    with contextlib.closing(_listen(host, port)) as listener:
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{listener.getsockname()[1]}")
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        # uvicorn ends in order and then raises the signal again.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    # uvicorn's own way is to log several lines and end the process.
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise RuntimeError(f"cannot listen on {host}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise RuntimeError(
                f"port {port} of {host} is in use; give another with --port, or 0 for a free one"
            ) from error
        raise RuntimeError(f"cannot listen on port {port} of {host}: {error.strerror}") from error
    return listener
