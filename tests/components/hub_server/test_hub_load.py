"""The real tensorflow_hub client, in a process of its own, against the real server."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from components.hub_pusher import push

# Seconds; for what takes one, on a machine that has much else to do.
_TIMEOUT = 120
_SERVE = "from pipeline.cli import program; program()"
_LOAD = """
import json, os, sys
import tensorflow as tf
import tensorflow_hub as hub
if mirror := os.environ.get("MIRROR"):
    # TensorFlow's own reading of gs:// is not ours to test.
    from tensorflow_hub import resolver
    take = resolver.PathResolver.__call__
    resolver.PathResolver.__call__ = lambda self, path: take(
        self, path.replace("gs://bucket/hub", mirror)
    )
try:
    model = hub.load(sys.argv[1])
except Exception as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
else:
    text = model.signatures["text"](words=tf.constant(["red"]))["text_embedding"]
    print(json.dumps({"embedding": text.numpy().tolist(), "path": hub.resolve(sys.argv[1])}))
"""


@pytest.fixture
def start():
    """Returns a function that serves a folder in a process and gives that and its URL."""
    processes = []

    def start(folder, *options):
        arguments = ["hub", "serve", str(folder), "--port", "0", *options]
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        processes.append(process)
        line = process.stdout.readline()
        return process, re.fullmatch(r"serving .* at (http://127\.0\.0\.1:\d+)\n", line).group(1)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def pushed(colour_world, tmp_path):
    colour_world.write_model(tmp_path / "model")
    (tmp_path / "model" / "MODEL_CARD.md").write_text("# local/model\n")
    hub = tmp_path / "hub"
    return hub, os.path.basename(push.push(str(tmp_path / "model"), str(hub / "local" / "model")))


def _load(handle, cache, **environment):
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, handle],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "TFHUB_CACHE_DIR": str(cache), **environment},
    )
    return json.loads(done.stdout)


def test_hub_load_downloads_once_and_then_takes_its_cache(start, pushed, tmp_path):
    hub, version = pushed
    process, url = start(hub)
    handle = f"{url}/local/model/{version}"
    first = _load(handle, tmp_path / "cache")
    assert first["embedding"] == [[1.0, -1.0, -1.0]]
    assert os.path.exists(os.path.join(first["path"], "MODEL_CARD.md"))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=_TIMEOUT) == 0
    assert process.stderr.read() == ""
    # The server is gone: this is the cache.
    assert _load(handle, tmp_path / "cache") == first


def test_hub_load_takes_the_newest_version_packed_on_the_way(start, pushed, tmp_path):
    hub, version = pushed
    os.remove(hub / "local" / "model" / f"{version}.tar.gz")
    _, url = start(hub)
    loaded = _load(f"{url}/local/model", tmp_path / "cache")
    assert loaded["embedding"] == [[1.0, -1.0, -1.0]]


def test_hub_load_of_the_uncompressed_format_fails_with_the_status(start, pushed, tmp_path):
    hub, version = pushed
    _, url = start(hub)
    loaded = _load(
        f"{url}/local/model/{version}",
        tmp_path / "cache",
        TFHUB_MODEL_LOAD_FORMAT="UNCOMPRESSED",
    )
    assert "received code 406" in loaded["error"]


def test_hub_load_of_the_uncompressed_format_reads_the_gs_location(start, pushed, tmp_path):
    hub, version = pushed
    _, url = start(hub, "--gcs", "gs://bucket/hub")
    loaded = _load(
        f"{url}/local/model/{version}",
        tmp_path / "cache",
        TFHUB_MODEL_LOAD_FORMAT="UNCOMPRESSED",
        MIRROR=str(hub),
    )
    assert loaded["embedding"] == [[1.0, -1.0, -1.0]]
    assert loaded["path"] == f"{hub}/local/model/{version}"
    assert not (tmp_path / "cache").exists()


def _raw(url, request):
    """Returns the answer to bytes that no client would send."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=_TIMEOUT) as connection:
        connection.sendall(request)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /../../../etc/passwd HTTP/1.1", 404),
        (b"GET /../etc/passwd HTTP/1.1", 400),
        (b"GET /local/../../../../etc/passwd?tf-hub-format=compressed HTTP/1.1", 404),
        (b"GET //etc/passwd HTTP/1.1", 400),
        (b"GET http://other/../etc HTTP/1.1", 404),
        (b"GET /\xff HTTP/1.1", 400),
        (b"GET /local/model%00 HTTP/1.1", 400),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000, 431),
        (b"BREW / HTTP/1.1", 405),
        (b"GET / HTTP/1.1\r\nContent-Length: 1000000000000", 413),
        (b"nonsense", 400),
    ],
)
def test_odd_requests_are_refused_in_one_line(served, request_line, status):
    found, body = _raw(served, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert found == status
    assert len(body.splitlines()) == 1
    assert "root:" not in body


def test_a_request_head_without_an_end_is_not_kept(served):
    host, port = served.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=_TIMEOUT) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(b"x" * 10_000)
                time.sleep(0.001)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
            assert connection.recv(65536) == b""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serves a folder of files that are no models, for all requests that are refused."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "local" / "model" / "3").mkdir(parents=True)
    (folder / "local" / "model" / "3" / "saved_model.pb").write_bytes(b"")
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, "hub", "serve", str(folder), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    yield process.stdout.readline().split()[-1]
    process.kill()
    process.communicate()


def test_sigint_ends_a_server_that_has_a_client(start, pushed):
    hub, version = pushed
    with open(hub / "local" / "model" / f"{version}.tar.gz", "r+b") as stream:
        stream.truncate(64 << 20)
    process, url = start(hub)
    with urllib.request.urlopen(f"{url}/local/model/{version}?tf-hub-format=compressed") as answer:
        answer.read(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=_TIMEOUT) == 0
