"""Uploads with the real kagglehub to a server on this machine that answers as Kaggle does."""

import json
import logging
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.hub_pusher import kaggle

_HANDLE = "acme/howto/tensorFlow2/default"
_SECRET = "0123456789abcdef"


class _Kaggle(ThreadingHTTPServer):
    """The endpoints that kagglehub calls to upload a model.

    Attributes:
      calls: the name and the JSON of each call, in order.
      authorizations: the Authorization headers met.
      blobs: the content of each file by its token.
      exists: whether the model is there already.
      refuse: the name of a call that fails, with the Authorization header in its message.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls = []
        self.authorizations = set()
        self.blobs = {}
        self.exists = False
        self.refuse = ""

    @property
    def names(self):
        return [name for name, _ in self.calls]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        name = self.path.rsplit("/", 1)[1]
        body = json.loads(self._body() or "{}")
        authorization = self.headers.get("Authorization", "")
        self.server.calls.append((name, body))
        self.server.authorizations.add(authorization)
        if name == self.server.refuse:
            self._send(500, {"code": 500, "message": f"cannot take {authorization}"})
        elif name == "Hello":
            known = _SECRET in authorization
            self._send(200, {"userName": "acme"} if known else {"code": 401})
        elif name == "GetModel" and not self.server.exists:
            self._send(404, {"code": 404, "message": "no such model"})
        elif name == "StartBlobUpload":
            token = f"token-{body['name']}"
            self._send(200, {"token": token, "createUrl": f"{self.server.url}/blob/{token}"})
        elif name == "CreateModelInstance" and self.server.exists:
            self._send(200, {"error": "it is there already", "errorCode": 409})
        else:
            self._send(200, {})

    def do_PUT(self):
        self.server.blobs[self.path.rsplit("/", 1)[1]] = self._body()
        self._send(200, {})

    def _body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status, content):
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Returns the stand-in, to which kagglehub then goes, without any credentials."""
    pytest.importorskip("kagglehub", reason="the extra `kaggle` is not installed")
    from kagglesdk import kaggle_env

    server = _Kaggle()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path))
    # Kaggle's other environments have fixed ports, and one of them prints every header.
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.url)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def credentials(monkeypatch):
    monkeypatch.setenv("KAGGLE_USERNAME", "acme")
    monkeypatch.setenv("KAGGLE_API_TOKEN", _SECRET)


@pytest.fixture
def version(tmp_path):
    folder = tmp_path / "hub" / "17"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "MODEL_CARD.md").write_text("# acme/howto\n")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return str(folder)


def test_the_first_upload_makes_a_private_model(server, credentials, version):
    kaggle.check_access(_HANDLE)
    kaggle.upload(version, _HANDLE, "acme/howto, version 17")
    assert server.names[:3] == ["Hello", "GetModel", "CreateModel"]
    assert server.names[3:] == 3 * ["StartBlobUpload"] + ["CreateModelInstance"]
    assert server.blobs == {
        "token-saved_model.pb": b"graph",
        "token-MODEL_CARD.md": b"# acme/howto\n",
        "token-variables.index": b"index",
    }
    calls = dict(server.calls)
    assert calls["CreateModel"]["isPrivate"] is True
    body = calls["CreateModelInstance"]["body"]
    assert body["instanceSlug"] == "default"
    assert {file["token"] for file in body["files"]} == {
        "token-saved_model.pb",
        "token-MODEL_CARD.md",
    }
    assert body["directories"][0]["name"] == "variables"
    assert server.authorizations == {f"Bearer {_SECRET}"}


def test_a_further_upload_is_a_new_version(server, credentials, version):
    server.exists = True
    kaggle.upload(version, _HANDLE, "acme/howto, version 17")
    assert "CreateModel" not in server.names
    name, call = server.calls[-1]
    assert name == "CreateModelInstanceVersion"
    assert call["body"]["versionNotes"] == "acme/howto, version 17"


def test_a_kaggle_json_will_do(server, tmp_path):
    (tmp_path / "kaggle.json").write_text(json.dumps({"username": "acme", "key": "other"}))
    with pytest.raises(RuntimeError, match="does not take the credentials"):
        kaggle.check_access(_HANDLE)
    assert server.names == ["Hello"]
    (authorization,) = server.authorizations
    assert authorization.startswith("Basic ")


def test_without_credentials_nothing_is_asked(server):
    with pytest.raises(RuntimeError, match="without credentials: set KAGGLE_API_TOKEN"):
        kaggle.check_access(_HANDLE)
    with pytest.raises(RuntimeError, match="without credentials: set KAGGLE_API_TOKEN"):
        kaggle.check_setup(_HANDLE)
    assert server.calls == []


def test_the_look_ahead_asks_nothing(server, credentials):
    kaggle.check_setup(_HANDLE)
    assert server.calls == []


def test_a_damaged_kaggle_json_is_named(server, tmp_path):
    (tmp_path / "kaggle.json").write_text(f'{{"key": "{_SECRET}"}}')
    with pytest.raises(ValueError, match=r"kaggle\.json is missing 'username'") as caught:
        kaggle.check_access(_HANDLE)
    assert _SECRET not in str(caught.value)


def test_a_framework_that_kaggle_does_not_know_is_named(server, credentials):
    with pytest.raises(ValueError, match="no framework that Kaggle knows: tensors"):
        kaggle.check_access("acme/howto/tensors/default")


@pytest.mark.parametrize("call", ["GetModel", "StartBlobUpload", "CreateModelInstance"])
def test_a_failed_upload_is_one_line_without_the_secret(
    server, credentials, version, call, caplog, capfd
):
    server.refuse = call
    with caplog.at_level(logging.DEBUG), pytest.raises(RuntimeError) as caught:
        kaggle.upload(version, _HANDLE)
    assert str(caught.value).startswith(f"the upload to Kaggle as {_HANDLE} failed: ")
    assert "\n" not in str(caught.value)
    for text in (str(caught.value), caplog.text, *capfd.readouterr()):
        assert _SECRET not in text


def test_without_kagglehub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(RuntimeError, match="install the extra `kaggle`"):
        kaggle.check_access(_HANDLE)
