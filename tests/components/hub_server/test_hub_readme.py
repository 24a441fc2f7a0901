"""What the README says of serving a hub folder, as it is written there."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

from components.hub_pusher import push

_README = pathlib.Path(__file__).resolve().parents[3] / "README.md"
_COMMAND = [sys.executable, "-c", "from pipeline.cli import program; program()"]
_USE = """
import sys
import tensorflow as tf
import tensorflow_hub as hub
exec(sys.argv[1])
print(model.signatures["text"](words=tf.constant(["red"]))["text_embedding"].numpy().tolist())
"""


def test_the_readmes_server_gives_the_model_to_the_readmes_client(colour_world, tmp_path):
    text = _README.read_text()
    (serve,) = re.findall(r"^howto100m (hub serve .*)$", text, re.MULTILINE)
    (load,) = re.findall(r'^model = hub\.load\("http://localhost.*$', text, re.MULTILINE)
    colour_world.write_model(tmp_path / "model")
    folder = push.push(str(tmp_path / "model"), f"{tmp_path}/runs/demo/hub/local/mil-nce-s3d")
    # The last one counts of two ports: a test takes a free one.
    server = subprocess.Popen(
        [*_COMMAND, *shlex.split(serve), "--port", "0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
    )
    try:
        port = server.stdout.readline().rsplit(":", 1)[1].strip()
        load = load.replace(":8080", f":{port}").replace("VERSION", os.path.basename(folder))
        done = subprocess.run(
            [sys.executable, "-c", _USE, load],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TFHUB_CACHE_DIR": str(tmp_path / "cache")},
        )
    finally:
        server.kill()
        server.communicate()
    assert done.stdout == "[[1.0, -1.0, -1.0]]\n", done.stderr[-3000:]
