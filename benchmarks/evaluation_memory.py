"""Compares the memory of a retrieval benchmark on 2,000 clips with that on 5,000 and on 10,000.

    make benchmark-evaluation-memory   some minutes on two cores; writes evaluation_memory.json

Each evaluation is `howto100m evaluate --benchmark csv --features DIR` in a process of its own, from
features that were made up and with nothing kept from before; its peak is what the system counts.
Each clip is a video, so that no number of clips has fewer files, and fewer jobs, than another. The
model is a stand-in of one matrix: what it is given and what it returns has the size of a gated
model's, and what it computes takes no memory that grows.

Of a peak, the embeddings of clips and captions are what must grow; while they are ranked, one side
is there in double precision as well. The scores are computed in blocks of one size.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
from importlib import metadata

import numpy as np
import psutil

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_FILE = pathlib.Path(__file__).with_suffix(".json")
_MEGABYTE = 2**20
_NUM_CLIPS = (2_000, 5_000, 10_000)
_SECONDS = 4
_FEATURE_SIZE = 2048
_EMBEDDING_SIZE = 512


def _write_model(folder: pathlib.Path) -> None:
    """Writes a model of features whose text tower knows each sentence by its hash."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    table = rng.standard_normal([4096, _EMBEDDING_SIZE], np.float32)
    matrix = rng.standard_normal([_FEATURE_SIZE, _EMBEDDING_SIZE], np.float32)

    class Model(tf.Module):
        def __init__(self):
            self.table = tf.Variable(table)
            self.matrix = tf.Variable(matrix)

        @tf.function(input_signature=[tf.TensorSpec([None, _FEATURE_SIZE], name="features")])
        def video(self, features):
            return {"video_embedding": features @ self.matrix}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
        def text(self, words):
            # Two rows of the table, as there are more sentences than rows.
            rows = [tf.strings.to_hash_bucket_strong(words, 4096, [seed, 1]) for seed in (1, 2)]
            return {"text_embedding": sum(tf.gather(self.table, row) for row in rows)}

    model = Model()
    signatures = {"video": model.video, "text": model.text}
    tf.saved_model.save(model, str(folder), signatures=signatures)


def _write_clips(folder: pathlib.Path, num_clips: int) -> None:
    """Writes the features of videos, half precision as the public ones, and a caption of each."""
    rng = np.random.default_rng(num_clips)
    stream = folder / "features" / "2d"
    stream.mkdir(parents=True)
    lines = ["video_id,start,end,caption"]
    for number in range(num_clips):
        rows = rng.random([_SECONDS, _FEATURE_SIZE], np.float32).astype(np.float16)
        np.save(stream / f"v{number:05d}.npy", rows)
        lines.append(f"v{number:05d},0,{_SECONDS - 1},fold the paper number {number}")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")


def _measure(root: pathlib.Path, num_clips: int) -> dict[str, float]:
    """Returns the peak memory of an evaluation, and how much of it are embeddings, in MiB."""
    folder = root / str(num_clips)
    _write_clips(folder, num_clips)
    arguments = ["evaluate", "--benchmark", "csv", "--model", root / "model", "--workers", "1"]
    arguments += ["--annotations", folder / "clips.csv", "--features", folder / "features"]
    arguments += ["--store", folder / "store", "--output", folder / "result"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import program; program()", *map(str, arguments)],
        cwd=_ROOT,
        stdout=subprocess.DEVNULL,
    )
    # Of this child alone, and exact: a sample now and then would miss the peak.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the evaluation of {num_clips} clips failed")
    result = json.loads((folder / "result" / "result.json").read_text())
    if result["items"]["scored"] != num_clips:
        raise SystemExit(f"of {num_clips} clips {result['items']['scored']} were scored")
    peak = usage.ru_maxrss * 1024 / _MEGABYTE
    # Those of the clips and those of the captions, float32.
    embeddings = 2 * num_clips * _EMBEDDING_SIZE * 4 / _MEGABYTE
    return {
        "peak_mib": round(peak, 1),
        "embeddings_mib": round(embeddings, 1),
        "peak_without_embeddings_mib": round(peak - embeddings, 1),
    }


def main() -> None:
    """Makes the features, evaluates them and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=_NUM_CLIPS)
    parser.add_argument("--output", type=pathlib.Path, default=_FILE)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        _write_model(root / "model")
        figures = {f"{count}_clips": _measure(root, count) for count in arguments.clips}
    model = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())
    result = {
        "machine": {
            "processor": model[1] if model else platform.processor(),
            "cores": psutil.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "system": platform.platform(),
        },
        "software": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("apache-beam", "tensorflow", "numpy")},
        },
        "feature_size": _FEATURE_SIZE,
        "embedding_size": _EMBEDDING_SIZE,
        **figures,
    }
    text = json.dumps(result, indent=2) + "\n"
    arguments.output.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
