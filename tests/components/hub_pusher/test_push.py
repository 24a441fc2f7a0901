import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import threading

import pytest
import tensorflow as tf

from components.hub_pusher import push


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "trained"
    (folder / "variables").mkdir(parents=True)
    (folder / "assets").mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "MODEL_CARD.md").write_text("# acme/howto\n")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return str(folder)


@pytest.fixture
def hub_directory(tmp_path):
    return str(tmp_path / "hub" / "acme" / "howto")


@pytest.fixture
def remote_directory(tmp_path):
    """Returns a folder by an address, which counts as a remote one."""
    return f"file://{tmp_path}/remote/acme/howto"


_FULL = "the disk is full"


def _fail_at(monkeypatch, file_name, error):
    """Makes the copy of one file fail, after the files before it."""
    copy = tf.io.gfile.copy

    def failing(source, target, overwrite=False):
        if os.path.basename(source) == file_name:
            raise error
        copy(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "copy", failing)


def test_a_version_is_the_model_with_its_archive_beside_it(model, hub_directory):
    folder = push.push(model, hub_directory, now=1700000000.9)
    assert folder == os.path.join(hub_directory, "1700000000")
    assert sorted(os.listdir(hub_directory)) == ["1700000000", "1700000000.tar.gz"]
    names = ["MODEL_CARD.md", "assets", "saved_model.pb", "variables"]
    assert sorted(os.listdir(folder)) == names
    with tarfile.open(folder + ".tar.gz") as tar:
        assert tar.getnames() == [*names, "variables/variables.index"]
        assert tar.extractfile("variables/variables.index").read() == b"index"


def test_the_same_model_gives_the_same_archive(model, hub_directory):
    first = push.push(model, hub_directory, now=10)
    os.utime(os.path.join(model, "saved_model.pb"), (1, 1))
    second = push.push(model, hub_directory, now=20)
    digests = {
        hashlib.sha256(tf.io.gfile.GFile(f"{path}.tar.gz", "rb").read()).hexdigest()
        for path in (first, second)
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "100"),
        (["7", "99"], "100"),
        (["99", "100"], "101"),
        (["250", "9"], "251"),
        (["100.tar.gz"], "101"),
        (["0100/"], "101"),
        ([".pushing-500", "latest", "500.tmp", "٥٠٠"], "100"),
    ],
)
def test_a_new_version_is_higher_than_all(names, expected):
    assert push.next_version(names, 100.7) == expected


def test_no_version_is_overwritten(model, hub_directory):
    folders = []
    for graph in (b"first", b"second", b"first"):
        (pathlib.Path(model) / "saved_model.pb").write_bytes(graph)
        folders.append(push.push(model, hub_directory, now=5))
    assert [os.path.basename(folder) for folder in folders] == ["5", "6", "7"]


def _change(model, what):
    folder = pathlib.Path(model)
    if what == "bytes":
        (folder / "variables" / "variables.index").write_bytes(b"xedni")
    elif what == "size":
        (folder / "saved_model.pb").write_bytes(b"graph and more")
    elif what == "name":
        (folder / "MODEL_CARD.md").rename(folder / "CARD.md")
    elif what == "one more":
        (folder / "assets" / "words.txt").write_text("x")


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize(
    ("what", "version"),
    [("nothing", "5"), ("bytes", "6"), ("size", "6"), ("name", "6"), ("one more", "6")],
)
def test_the_newest_version_is_not_pushed_again(
    model, hub_directory, remote_directory, remote, what, version
):
    where = remote_directory if remote else hub_directory
    push.push(model, where, now=5)
    _change(model, what)
    assert push.push(model, where, now=5) == f"{where}/{version}"
    archives = [name for name in tf.io.gfile.listdir(where) if name.endswith(".tar.gz")]
    assert len(archives) == int(version) - 4


def test_a_version_without_an_archive_is_pushed_again(model, hub_directory):
    os.remove(push.push(model, hub_directory, now=5) + ".tar.gz")
    assert push.push(model, hub_directory, now=5) == f"{hub_directory}/6"


def test_pushes_at_the_same_time_get_versions_of_their_own(model, hub_directory, tmp_path):
    folders = []
    threads = []
    for number in range(4):
        other = tmp_path / f"trained-{number}"
        shutil.copytree(model, other)
        (other / "saved_model.pb").write_text(f"graph {number}")
        threads.append(
            threading.Thread(
                target=lambda other=str(other): folders.append(
                    push.push(other, hub_directory, now=5)
                )
            )
        )
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(os.path.basename(folder) for folder in folders) == ["5", "6", "7", "8"]
    assert len(os.listdir(hub_directory)) == 8


@pytest.mark.parametrize(
    "error", [OSError(_FULL), tf.errors.ResourceExhaustedError(None, None, _FULL)]
)
def test_a_failed_push_leaves_nothing(model, hub_directory, monkeypatch, error):
    _fail_at(monkeypatch, "variables.index", error)
    with pytest.raises(RuntimeError, match=r"no new version .* the disk is full; give a hub"):
        push.push(model, hub_directory)
    assert os.listdir(hub_directory) == []


@pytest.mark.parametrize(
    ("step", "left"),
    [
        ("tf.io.gfile.copy", [".pushing-9"]),
        ("os.rename", [".pushing-9"]),
        ("push._discard", [".pushing-9", "9", "9.tar.gz"]),
    ],
)
def test_a_killed_push_shows_nothing_and_the_next_one_clears_up(model, hub_directory, step, left):
    code = (
        "import os, signal, sys\n"
        "import tensorflow as tf\n"
        "from components.hub_pusher import push\n"
        f"{step} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "push.push(sys.argv[1], sys.argv[2], now=9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, model, hub_directory], check=False)
    assert done.returncode == -signal.SIGKILL
    assert sorted(os.listdir(hub_directory)) == left
    push.push(model, hub_directory, now=20)
    # What was whole when it was killed is the version of this model.
    version = "9" if "9" in left else "20"
    assert sorted(os.listdir(hub_directory)) == [version, f"{version}.tar.gz"]


def test_an_archive_whose_version_was_not_reached_is_cleared_up(model, hub_directory):
    # Killed between its two renames.
    os.makedirs(os.path.join(hub_directory, ".pushing-9", "model"))
    with open(os.path.join(hub_directory, "9.tar.gz"), "wb") as stream:
        stream.write(b"x")
    with open(os.path.join(hub_directory, "3.tar.gz"), "wb") as stream:
        stream.write(b"a version whose folder someone removed")
    push.push(model, hub_directory, now=20)
    assert sorted(os.listdir(hub_directory)) == ["20", "20.tar.gz", "3.tar.gz"]


def test_a_place_that_is_no_folder_is_one_clear_line(model, tmp_path):
    (tmp_path / "hub").write_text("a file")
    with pytest.raises(RuntimeError, match=r"no new version .* give a hub folder that can be"):
        push.push(model, str(tmp_path / "hub" / "acme" / "howto"))


def test_a_folder_without_a_saved_model_is_one_clear_line(tmp_path, hub_directory):
    with pytest.raises(ValueError, match=r"holds no saved_model\.pb"):
        push.push(str(tmp_path), hub_directory)
    assert not os.path.exists(hub_directory)


def test_a_remote_push_writes_the_saved_model_last(model, remote_directory, monkeypatch):
    seen = []
    copy = tf.io.gfile.copy

    def watched(source, target, overwrite=False):
        is_packed = tf.io.gfile.exists(f"{remote_directory}/9.tar.gz")
        seen.append((os.path.basename(target), is_packed))
        copy(source, target, overwrite)

    monkeypatch.setattr(tf.io.gfile, "copy", watched)
    folder = push.push(model, remote_directory, now=9)
    assert folder == f"{remote_directory}/9"
    # It gets its name when it is whole.
    assert seen[-1] == (".pushing-9", True)
    assert not any(packed for _, packed in seen[:-1])
    assert sorted(tf.io.gfile.listdir(remote_directory)) == ["9", "9.tar.gz"]
    with tf.io.gfile.GFile(f"{folder}/saved_model.pb", "rb") as stream:
        assert stream.read() == b"graph"


def test_the_first_push_to_an_object_store_finds_no_folder(model, remote_directory, monkeypatch):
    listdir = tf.io.gfile.listdir

    def listing(path):
        if names := listdir(path):
            return names
        raise tf.errors.NotFoundError(None, None, "Could not find directory")

    monkeypatch.setattr(tf.io.gfile, "listdir", listing)
    assert push.push(model, remote_directory, now=9) == f"{remote_directory}/9"


def test_a_remote_folder_is_copied_for_as_long_as_it_is_needed(tmp_path):
    remote = f"file://{tmp_path}/remote"
    tf.io.gfile.makedirs(f"{remote}/variables")
    with tf.io.gfile.GFile(f"{remote}/variables/weights", "w") as stream:
        stream.write("w")
    with push.local_copy(remote) as local, open(f"{local}/variables/weights") as stream:
        assert stream.read() == "w"
    assert not os.path.exists(local)
    with push.local_copy(str(tmp_path)) as local:
        assert local == str(tmp_path)


def test_a_failed_remote_push_is_no_version_and_its_number_is_spent(
    model, remote_directory, monkeypatch
):
    with monkeypatch.context() as patch:
        _fail_at(patch, "saved_model.pb", OSError(_FULL))
        with pytest.raises(RuntimeError, match="the disk is full"):
            push.push(model, remote_directory, now=9)
    assert not tf.io.gfile.exists(f"{remote_directory}/9/saved_model.pb")
    assert push.push(model, remote_directory, now=9) == f"{remote_directory}/10"


def test_a_remote_push_is_the_same_archive(model, hub_directory, remote_directory):
    paths = [push.push(model, where, now=9) for where in (hub_directory, remote_directory)]
    local, remote = (tf.io.gfile.GFile(f"{path}.tar.gz", "rb").read() for path in paths)
    assert local == remote
