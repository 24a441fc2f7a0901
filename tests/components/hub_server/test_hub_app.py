"""The app as a client sees it, without a socket."""

import io
import os
import tarfile
import tracemalloc

import pytest
from starlette.testclient import TestClient

from components.hub_pusher import archive
from components.hub_server.app import create_app
from components.hub_server.folder import HubFolder

_PACKED = "/acme/howto/17?tf-hub-format=compressed"


def _write_version(folder, card="# acme/howto\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"):
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "variables" / "variables.index").write_bytes(b"index")
    if card is not None:
        (folder / "MODEL_CARD.md").write_text(card)
    (folder / "saved_model.pb").write_bytes(b"graph of " + folder.name.encode())


@pytest.fixture
def hub(tmp_path):
    hub = tmp_path / "hub"
    for version in ("9", "17"):
        _write_version(hub / "acme" / "howto" / version)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "saved_model.pb").write_text("secret")
    (tmp_path / "secret" / "MODEL_CARD.md").write_text("secret")
    return hub


@pytest.fixture
def client(hub):
    return TestClient(create_app(HubFolder(str(hub))), follow_redirects=False)


def _unpacked(content):
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        return {m.name: tar.extractfile(m).read() if m.isfile() else None for m in tar}


def _assert_refused(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")
    assert len(answer.text.splitlines()) == 1
    assert "secret" not in answer.text


def test_the_stored_archive_is_given_as_it_is(client, hub):
    content = os.urandom(1000)
    (hub / "acme" / "howto" / "17.tar.gz").write_bytes(content)
    answer = client.get(_PACKED)
    assert answer.content == content
    assert answer.headers["content-type"] == "application/gzip"
    assert answer.headers["content-length"] == "1000"
    assert answer.headers["content-disposition"] == 'attachment; filename="acme-howto-17.tar.gz"'
    assert "content-encoding" not in answer.headers
    head = client.head(_PACKED)
    assert head.content == b""
    assert {**head.headers} == {**answer.headers}


def test_a_version_without_an_archive_is_packed_on_the_way(client):
    answer = client.get(_PACKED)
    assert _unpacked(answer.content) == {
        "MODEL_CARD.md": b"# acme/howto\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        "assets": None,
        "saved_model.pb": b"graph of 17",
        "variables": None,
        "variables/variables.index": b"index",
    }
    assert answer.headers["content-type"] == "application/gzip"
    head = client.head(_PACKED)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == answer.headers["etag"]
    other = client.head("/acme/howto/9?tf-hub-format=compressed")
    assert other.headers["etag"] != head.headers["etag"]


def test_packing_takes_no_more_memory_for_a_larger_model(hub):
    with open(hub / "acme" / "howto" / "17" / "variables" / "weights", "wb") as stream:
        stream.truncate(256 << 20)
    tracemalloc.start()
    for _ in archive.chunks(HubFolder(str(hub)).entries("acme", "howto", "17")):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("query", ["", "?tf-hub-format=compressed"])
def test_an_address_without_a_version_leads_to_the_newest(client, hub, query):
    (hub / "acme" / "howto" / "99").mkdir()
    (hub / "acme" / "howto" / ".pushing-100").mkdir()
    answer = client.get("/acme/howto" + query)
    assert answer.status_code == 302
    assert answer.headers["location"] == "/acme/howto/17" + query
    assert client.get("/acme/howto" + query, follow_redirects=True).status_code == 200


def test_a_browser_gets_the_card(client):
    answer = client.get("/acme/howto/17")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>acme/howto</h1>" in answer.text
    assert "<td>1</td>" in answer.text
    assert 'href="/acme/howto/17?tf-hub-format=compressed"' in answer.text
    head = client.head("/acme/howto/17/")
    assert (head.status_code, head.content) == (200, b"")


def test_a_card_can_run_and_load_nothing(client, hub):
    _write_version(
        hub / "acme" / "howto" / "18",
        card="<script>alert(1)</script> ![x](http://other/x.png) [y](javascript:alert(2))\n"
        "<img src=x onerror=alert(3)>\n\n[z]: data:text/html,x\n\n[z] \x00",
    )
    answer = client.get("/acme/howto/18")
    for live in ("<script", "<img", 'href="javascript', 'href="data:', "src="):
        assert live not in answer.text.replace("&lt;img src=x", "")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_model_without_a_card_has_a_page_too(client, hub):
    _write_version(hub / "acme" / "howto" / "18", card=None)
    assert "has no model card" in client.get("/acme/howto/18").text


def test_lists_show_what_can_be_loaded(client, hub):
    _write_version(hub / "other" / "model.v2" / "3")
    (hub / "empty" / "model" / "3").mkdir(parents=True)
    (hub / "<b>" / "model").mkdir(parents=True)
    (hub / ".git").mkdir()
    (hub / "notes.txt").write_text("x")
    text = client.get("/").text
    assert 'href="/acme"' in text
    assert 'href="/other"' in text
    for hidden in ("empty", "<b>", ".git", "notes.txt"):
        assert hidden not in text
    text = client.get("/acme/").text
    assert text.index('href="/acme/howto/17"') < text.index('href="/acme/howto/9"')
    assert 'href="/other/model.v2/3"' in client.get("/other").text


def test_the_client_that_wants_a_gs_location_is_told_what_to_set(client):
    answer = client.get("/acme/howto/17?tf-hub-format=uncompressed")
    _assert_refused(answer, 406)
    assert "TFHUB_MODEL_LOAD_FORMAT" in answer.text


@pytest.mark.parametrize("gcs", ["gs://bucket/hub", "gs://bucket/hub/"])
def test_the_client_that_wants_a_gs_location_gets_that_of_a_version_that_is_here(hub, gcs):
    app = create_app(HubFolder(str(hub)), gcs)
    client = TestClient(app, follow_redirects=False)
    answer = client.get("/acme/howto/17?tf-hub-format=uncompressed")
    assert (answer.status_code, answer.text) == (303, "gs://bucket/hub/acme/howto/17")
    assert "location" not in answer.headers
    newest = client.get("/acme/howto?tf-hub-format=uncompressed")
    assert newest.headers["location"] == "/acme/howto/17?tf-hub-format=uncompressed"
    _assert_refused(client.get("/acme/howto/18?tf-hub-format=uncompressed"), 404)


@pytest.mark.parametrize("gcs", ["s3://bucket/hub", "gs://", "gs:///hub", "gs://b/h\n", "bucket"])
def test_a_location_of_another_kind_is_one_clear_line(hub, gcs):
    with pytest.raises(ValueError, match="is not of the form gs://BUCKET/FOLDER"):
        create_app(HubFolder(str(hub)), gcs)


def test_a_handle_that_names_the_format_already_works(client):
    assert client.get(f"{_PACKED}&tf-hub-format=compressed").status_code == 200
    _assert_refused(client.get(f"{_PACKED}&tf-hub-format=uncompressed"), 400)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/%2e%2e/secret", 400),
        ("/acme/%2e%2e/%2e%2e", 400),
        ("/acme/howto/%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret", 404),
        ("/%2e%2e%2fsecret", 400),
        ("/%252e%252e/secret", 400),
        ("/..%5c..%5csecret", 400),
        ("/acme%5chowto/x", 400),
        ("/acme/howto%00/17", 400),
        ("/acme/howto/17%00", 400),
        ("/acme/howto%0a/17", 404),
        ("/acme//howto", 400),
        ("/acme/.howto", 400),
        ("/acme/-howto", 400),
        ("/acme/" + "x" * 101, 400),
        ("/%ff%fe/x", 400),
        ("/acme/howto/latest", 400),
        ("/acme/howto/-1", 400),
        ("/acme/howto/1e3", 400),
        ("/acme/howto/%D9%A1%D9%A7", 400),
        ("/acme/howto/" + "1" * 19, 400),
        ("/acme/howto/18", 404),
        ("/acme/howto/017", 404),
        ("/acme/howto/17/saved_model.pb", 404),
        ("/acme/absent", 404),
        ("/absent", 404),
        ("/absent/howto/17", 404),
        ("/acme/howto/17?tf-hub-format=tar", 400),
        ("/acme/howto/17?tf-hub-format=", 400),
        ("/acme?tf-hub-format=compressed", 400),
        ("/acme/howto/18?tf-hub-format=compressed", 404),
        ("/acme/howto/17?x=" + "x" * 2048, 414),
        ("/" + "x/" * 1500, 414),
    ],
)
def test_what_is_not_there_is_one_line(client, path, status):
    _assert_refused(client.get(path), status)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", _PACKED])
def test_nothing_can_be_written(client, method, path):
    answer = client.request(method, path)
    _assert_refused(answer, 405)
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == {"GET", "HEAD"}


def test_a_request_with_too_large_headers_is_refused(client):
    _assert_refused(client.get("/", headers={"cookie": "x" * 20_000}), 431)


def test_a_request_with_a_body_is_refused(client):
    _assert_refused(client.request("GET", _PACKED, content=b"x" * 1000), 413)
    _assert_refused(client.request("GET", _PACKED, content=iter([b"x"])), 413)


@pytest.mark.parametrize("format_query", ["", "?tf-hub-format=compressed"])
def test_a_half_written_version_is_not_there(client, hub, format_query):
    half = hub / "acme" / "howto" / "18"
    (half / "variables").mkdir(parents=True)
    (hub / "acme" / "howto" / "18.tar.gz").write_bytes(b"secret")
    _assert_refused(client.get("/acme/howto/18" + format_query), 404)
    (half / "saved_model.pb").mkdir()
    _assert_refused(client.get("/acme/howto/18" + format_query), 404)


def test_links_that_lead_out_are_not_followed(client, hub, tmp_path):
    secret = tmp_path / "secret"
    (hub / "acme" / "howto" / "18").symlink_to(secret)
    (hub / "acme" / "linked").symlink_to(tmp_path)
    (hub / "out").symlink_to(tmp_path)
    for path in ("/acme/howto/18", "/acme/linked", "/acme/linked/17", "/out", "/out/secret/1"):
        _assert_refused(client.get(path), 403)
    assert client.get("/acme/howto").headers["location"] == "/acme/howto/17"
    assert "out" not in client.get("/").text


@pytest.mark.parametrize(
    "target", ["saved_model.pb", "MODEL_CARD.md", "variables/extra", "assets/x"]
)
def test_links_inside_a_version_give_nothing(client, hub, tmp_path, target):
    path = hub / "acme" / "howto" / "17" / target
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path / "secret" / "saved_model.pb")
    answer = client.get(_PACKED)
    _assert_refused(answer, 404 if target == "saved_model.pb" else 403)
    assert "secret" not in client.get("/acme/howto/17").text


def test_an_archive_that_is_a_link_is_not_given(client, hub, tmp_path):
    (hub / "acme" / "howto" / "17.tar.gz").symlink_to(tmp_path / "secret" / "saved_model.pb")
    assert _unpacked(client.get(_PACKED).content)["saved_model.pb"] == b"graph of 17"


def test_a_pipe_in_a_version_does_not_hold_the_server(client, hub):
    os.mkfifo(hub / "acme" / "howto" / "17" / "assets" / "pipe")
    _assert_refused(client.get(_PACKED), 403)


def test_links_inside_the_hub_are_followed(client, hub):
    (hub / "alias").symlink_to(hub / "acme")
    assert client.get("/alias/howto/17").status_code == 200


def test_what_cannot_be_read_is_one_line(client, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "walk", refuse)
    _assert_refused(client.get(_PACKED), 403)


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_folder_that_cannot_be_served_is_one_clear_line(tmp_path, name):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match=f"{name} cannot be read: "):
        HubFolder(str(tmp_path / name))


def test_a_remote_folder_is_left_to_those_who_load_from_it():
    with pytest.raises(ValueError, match=r"`hub\.load` reads it itself"):
        HubFolder("gs://bucket/hub")
