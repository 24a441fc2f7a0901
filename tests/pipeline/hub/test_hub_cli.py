import socket

import pytest
from click.testing import CliRunner

from pipeline import cli


def _serve(*arguments):
    return CliRunner().invoke(cli.main, ["hub", "serve", *map(str, arguments)])


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_folder_that_is_none_is_one_clear_line(tmp_path, name):
    (tmp_path / "file").write_text("x")
    result = _serve(tmp_path / name)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: the hub folder {tmp_path / name} cannot be read: ")
    assert len(result.output.splitlines()) == 1


def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = _serve(tmp_path, "--port", port)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: port {port} of 127.0.0.1 is in use; give another with --port, or 0 for a free "
        f"one\n"
    )


def test_an_address_of_another_machine_is_one_clear_line(tmp_path):
    result = _serve(tmp_path, "--host", "203.0.113.1")
    assert result.exit_code == 1
    assert result.output.startswith("Error: cannot listen on port 8080 of 203.0.113.1: ")
    assert len(result.output.splitlines()) == 1


def test_a_host_that_does_not_exist_is_one_clear_line(tmp_path):
    result = _serve(tmp_path, "--host", "no.such.host.invalid")
    assert result.exit_code == 1
    assert result.output.startswith("Error: cannot listen on no.such.host.invalid: ")


def test_a_port_out_of_range_is_a_usage_error(tmp_path):
    assert _serve(tmp_path, "--port", 65536).exit_code == 2


def test_the_address_is_printed_before_the_server_runs(tmp_path, monkeypatch):
    import uvicorn

    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    result = _serve(tmp_path, "--port", 0)
    assert result.exit_code == 0
    assert result.output.startswith(f"serving {tmp_path} at http://127.0.0.1:")
