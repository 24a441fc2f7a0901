"""The lines that a person sees of a run."""

import logging
import os
import subprocess

import pytest

from pipeline import console


def _emit(progress: console.NodeProgress, message: str) -> None:
    progress.emit(logging.LogRecord("absl", logging.INFO, __file__, 1, message, (), None))


def test_each_node_gets_a_line_with_its_time_or_cached(capsys):
    progress = console.NodeProgress()
    _emit(progress, "Component Trainer is running.")
    _emit(progress, "Training model.")
    _emit(progress, "Component Trainer is finished.")
    _emit(progress, "Component Pusher is running.")
    _emit(progress, "A cached execution 7 is used.")
    _emit(progress, "Component Pusher is finished.")
    _emit(progress, "Component Index is running.")
    _emit(progress, "Component Index is finished.")
    assert capsys.readouterr().out.splitlines() == [
        "  Trainer ...",
        "  Trainer: 0 s",
        "  Pusher ...",
        "  Pusher: cached",
        "  Index ...",
        "  Index: 0 s",
    ]
    assert (progress.executed, progress.cached) == (2, 1)


def test_the_log_file_gets_everything_and_the_terminal_only_nodes(tmp_path, capsys):
    root, absl = logging.getLogger(), logging.getLogger("absl")
    before = root.handlers, absl.handlers
    try:
        console.watch(tmp_path / "run.log")
        absl.info("Component Trainer is running.")
        absl.info("a detail")
        logging.getLogger("some_library").warning("a warning")
    finally:
        root.handlers, absl.handlers = before
    assert capsys.readouterr().out == "  Trainer ...\n"
    log = (tmp_path / "run.log").read_text()
    for line in ("Component Trainer is running.", "a detail", "a warning"):
        assert line in log


def test_what_libraries_and_children_print_on_stderr_goes_elsewhere(capfd):
    lines = []
    with console.stderr_to(lines.append):
        os.write(2, b"from a library\n")
        subprocess.run(["sh", "-c", "echo from a child >&2"], check=True)
    os.write(2, b"for the person\n")
    assert lines == ["from a library", "from a child"]
    assert capfd.readouterr().err == "for the person\n"


def test_stderr_is_as_before_after_an_error(capfd):
    with pytest.raises(ValueError, match="wrong"), console.stderr_to(lambda line: None):
        raise ValueError("wrong")
    os.write(2, b"for the person\n")
    assert capfd.readouterr().err == "for the person\n"
