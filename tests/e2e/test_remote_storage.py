"""The MIL-NCE road with videos, data, checkpoints and hub on a store of objects.

Everything that touches the store runs in a process of its own: tensorflow-io ends the process that
loaded it in a way of its own.
"""

import http.server
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BUCKET = "howto100m"
SETTINGS = [
    "training.steps=4",
    "training.steps_per_epoch=2",
    "training.batch_size=8",
    "model.width=0.125",
    # Four steps teach nothing, but the push is to be tested too.
    "evaluation.min_recall_margin=-1",
]
LOADED = f"""
import json, os
from models import files
files.make_known("s3://{BUCKET}")
import tensorflow as tf
import tensorflow_hub as hub
from models import hub_folder
path = hub_folder.version_folder("s3://{BUCKET}/run/hub/local/mil-nce-s3d")
text = hub.load(path).signatures["text"](tf.constant(["cut the star", "fold it"]))
print(json.dumps({{"path": path, "shape": text["text_embedding"].shape.as_list()}}), flush=True)
os._exit(0)
"""


class RefusingStore(http.server.BaseHTTPRequestHandler):
    """Answers as S3 does without the right credentials."""

    def _refuse(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    # The names are those of http.server.
    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _refuse  # noqa: N815


def missing(module):
    return importlib.util.find_spec(module) is None


@pytest.fixture(name="store", scope="module")
def fixture_store():
    """Returns a client of a store of objects; processes that are started then find it too."""
    if missing("moto") or missing("boto3"):
        pytest.skip("moto, a local store of objects, is not installed")
    if missing("tensorflow_io"):
        pytest.skip("this TensorFlow has no s3://, as no tensorflow-io loads with it")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            # What Beam's filesystem, by boto3, and TensorFlow's go to in place of Amazon.
            "AWS_ENDPOINT_URL": endpoint,
            "S3_ENDPOINT": endpoint,
            "S3_USE_HTTPS": "0",
            "S3_VERIFY_SSL": "0",
        }.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client
    server.stop()


@pytest.fixture(name="arguments", scope="module")
def fixture_arguments(store, howto100m, tmp_path_factory) -> list[str]:
    """Puts sample videos into the store and returns the arguments of a run on them."""
    data = tmp_path_factory.mktemp("data")
    howto100m("sample-data", "--output", str(data), "--videos", "10", "--test-videos", "3")
    for path in data.rglob("*"):
        if path.is_file():
            store.upload_file(str(path), BUCKET, f"data/{path.relative_to(data)}")
    arguments = ["run", "--preset", "sample", "--videos", f"s3://{BUCKET}/data/videos"]
    arguments += ["--test-videos", f"s3://{BUCKET}/data/test/videos"]
    arguments += ["--test-annotations", f"s3://{BUCKET}/data/test/annotations.csv"]
    arguments += ["--root", f"s3://{BUCKET}/run"]
    arguments += ["--output", str(tmp_path_factory.mktemp("output"))]
    return arguments + [part for setting in SETTINGS for part in ("--set", setting)]


@pytest.fixture(name="first_run", scope="module")
def fixture_first_run(arguments, howto100m) -> str:
    return howto100m(*arguments)


def keys(store, prefix):
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def test_everything_heavy_is_in_the_store_and_nothing_half_written(first_run, arguments, store):
    assert "Look at" in first_run
    (model,) = (key for key in keys(store, "run/hub/") if key.endswith("/saved_model.pb"))
    assert model.startswith("run/hub/local/mil-nce-s3d/")
    folder = model.rpartition("/")[0]
    assert {
        f"{folder}/MODEL_CARD.md",
        f"{folder}/assets.extra/howto100m.json",
        f"{folder}/variables/variables.index",
    } <= set(keys(store, folder))
    assert any(key.endswith("ckpt-2.index") for key in keys(store, "run/checkpoints/"))
    clips = [key for key in keys(store, "run/pipeline_root/") if "/clips-" in key]
    assert clips
    assert not [key for key in keys(store, "run/") if ".tmp" in key or "/parts/" in key]
    output = pathlib.Path(arguments[arguments.index("--output") + 1])
    assert {path.name for path in output.iterdir()} >= {"run.json", "run.log", "metadata.sqlite"}
    assert not {"pipeline_root", "checkpoints", "hub"} & {path.name for path in output.iterdir()}
    assert json.loads((output / "summary.json").read_text())["videos"]["kept"] == 10


def test_an_unchanged_store_is_a_cache_hit(first_run, arguments, howto100m):
    assert "0 nodes run, 12 from cache" in howto100m(*arguments)


def test_search_takes_the_pushed_model_from_the_store(first_run, arguments, howto100m):
    output = arguments[arguments.index("--output") + 1]
    found = howto100m("search", "--run", output, "cut the star")
    assert found.startswith("cut the star\n  1. ")


def test_the_pushed_model_loads_from_its_address(first_run, store):
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert loaded["path"].startswith(f"s3://{BUCKET}/run/hub/local/mil-nce-s3d/")
    assert loaded["shape"][0] == 2


def test_an_output_that_is_an_address_is_refused_in_one_line(howto100m_command, tmp_path):
    done = subprocess.run(
        howto100m_command("run", "--videos", str(tmp_path), "--output", f"s3://{BUCKET}/run"),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: the output folder s3://{BUCKET}/run must be a local one, for the metadata and the "
        f"log; --root s3://{BUCKET}/run puts data, checkpoints and pushed models there\n"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(missing("tensorflow_io"), reason="this TensorFlow has no s3://")
@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("--root", "Error: the store refuses access; set the credentials that it asks for"),
        ("--videos", "nor a manifest CSV, or the environment has no credentials for it"),
    ],
)
def test_a_store_that_refuses_access_is_told_in_one_line(part, line, howto100m_command, tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), RefusingStore) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        arguments = {"--videos": str(tmp_path), "--output": str(tmp_path / "output")}
        arguments[part] = f"s3://{BUCKET}/somewhere"
        done = subprocess.run(
            howto100m_command("run", *(word for pair in arguments.items() for word in pair)),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env={
                **os.environ,
                "AWS_ACCESS_KEY_ID": "of somebody else",
                "AWS_SECRET_ACCESS_KEY": "wrong",
                "AWS_REGION": "us-east-1",
                "S3_ENDPOINT": endpoint,
                "S3_USE_HTTPS": "0",
            },
        )
        server.shutdown()
    assert done.returncode == 1
    (told,) = (text for text in done.stderr.splitlines() if text.startswith("Error: "))
    assert line in told
