"""Compares the memory of feature extraction on a video of 2 minutes and on one of 2 hours.

    make benchmark-extraction-memory   a few minutes on two cores; writes extraction_memory.json

Each extraction is a process of its own, whose resident memory is sampled ten times a second. The
networks are stand-ins that take a mean colour, so that hours of video pass in minutes; what they
are given and the size of what they return is that of the networks whose place they take: frames and
chunks to 2 x 2048 values for "paper", windows of 32 frames to 1024 values for "hub".
"""

import argparse
import contextlib
import json
import multiprocessing
import pathlib
import platform
import re
import tempfile
import threading
import time
from importlib import metadata

import psutil

_FILE = pathlib.Path(__file__).with_suffix(".json")
_MEGABYTE = 2**20
_LENGTHS = {"2_minutes": 120, "2_hours": 7200}
_SIZE = (64, 48)
_FRAME_RATE = 4


def _write_video(path: pathlib.Path, seconds: int) -> None:
    """Writes a video of plain frames, each of another colour than the one before."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_FRAME_RATE)
        stream.width, stream.height = _SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "30"}
        for number in range(seconds * _FRAME_RATE):
            colour = [number % 250, number // 250 % 250, 100]
            pixels = np.full((_SIZE[1], _SIZE[0], 3), colour, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def _write_captions(folder: pathlib.Path, video_id: str, seconds: int) -> None:
    """Writes a caption record for each ten seconds."""
    import tensorflow as tf

    from schemas import records

    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "data_tfrecord.gz"), "GZIP") as writer:
        for start in range(0, seconds, 10):
            record = records.CaptionRecord(
                video_id=video_id,
                caption="fold the paper",
                caption_start=start,
                caption_end=start + 5,
                clip_start=start,
                clip_end=start + 5,
                clip_num_frames=0,
                video_duration=seconds,
                video_width=_SIZE[0],
                video_height=_SIZE[1],
            )
            writer.write(records.serialize_caption(record))


def _extract(root: pathlib.Path, kind: str) -> None:
    """Extracts the features of a folder with one worker in this process."""
    import numpy as np

    from components.feature_extractor import extraction, networks
    from components.feature_extractor.config import FeaturesConfig

    def mean_colour(size: int):
        def function(batch):
            pixels = batch.reshape(len(batch), -1, 3)[:, ::101]
            means = pixels.mean(axis=1, dtype=np.float32)
            return np.tile(means + 1, (1, size // 3 + 1))[:, :size]

        return lambda path: networks.LoadedNetwork(function, None)

    networks.LOADERS.update(
        resnet152=mean_colour(2048), resnext101=mean_colour(2048), hub=mean_colour(1024)
    )
    stand_in = root / "saved_model.pb"
    stand_in.touch()
    config = FeaturesConfig(weights_2d=str(stand_in), weights_3d=str(stand_in))
    if kind == "hub":
        config = FeaturesConfig(source=f"hub:{root}")
    output = str(root / f"features-{kind}")
    extraction.run_extraction(
        str(root / "examples"), str(root / "videos"), output, config, num_workers=1
    )


def _measure(root: pathlib.Path, kind: str) -> dict[str, float]:
    """Returns the peak memory of an extraction, its seconds and the size of its record.

    A record is one message, so writing it takes a few times its size; that begins when its file
    appears, and is told apart from decoding and computing.
    """
    started = time.monotonic()
    process = multiprocessing.get_context("spawn").Process(target=_extract, args=(root, kind))
    process.start()
    computing = writing = 0
    output = root / f"features-{kind}"
    split = output / "features" / "Split-train"

    def watch() -> None:
        nonlocal computing, writing
        with contextlib.suppress(psutil.Error):
            watched = psutil.Process(process.pid)
            while process.is_alive():
                memory = watched.memory_info().rss
                unfinished = (output / "parts").glob("*.tfrecord.*.tmp")
                if any(split.glob("*.tfrecord")) or any(unfinished):
                    writing = max(writing, memory)
                else:
                    computing = max(computing, memory)
                time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    process.join()
    watcher.join()
    if process.exitcode:
        raise SystemExit(f"the extraction of {root} failed")
    (record,) = split.glob("*.tfrecord")
    return {
        "computing_mib": round(computing / _MEGABYTE, 1),
        "writing_mib": round(writing / _MEGABYTE, 1),
        "seconds": round(time.monotonic() - started, 1),
        "record_mib": round(record.stat().st_size / _MEGABYTE, 2),
    }


def main() -> None:
    """Makes the videos, extracts their features and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=_FILE)
    output = parser.parse_args().output
    figures: dict[str, dict] = {"paper": {}, "hub": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, seconds in _LENGTHS.items():
            root = pathlib.Path(folder, name)
            (root / "videos").mkdir(parents=True)
            _write_video(root / "videos" / f"{name}.mp4", seconds)
            _write_captions(root / "examples" / "Split-train", name, seconds)
            for kind in figures:
                figures[kind][name] = _measure(root, kind)
    for of_kind in figures.values():
        short, long = (of_kind[name] for name in _LENGTHS)
        of_kind["difference"] = {
            name: round(long[name] - short[name], 2)
            for name in ("computing_mib", "writing_mib", "record_mib")
        }
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
            **{name: metadata.version(name) for name in ("apache-beam", "tensorflow", "av")},
        },
        **figures,
    }
    text = json.dumps(result, indent=2) + "\n"
    output.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
