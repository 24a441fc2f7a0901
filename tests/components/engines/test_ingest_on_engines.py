import concurrent.futures
import csv
import os
import pathlib
import time

import psutil
import pytest

from components.narrated_video_example_gen import ingest
from components.narrated_video_example_gen.config import IngestConfig

NUM_VIDEOS = 10
# Of ten videos in shards of two, eight are in the train split and two in the eval split.
CONFIG = IngestConfig(
    frame_rate=2.0, short_side=24, min_clip_seconds=2.0, eval_fraction=0.0, videos_per_shard=2
)
LOOKED_AT_EVERY = 0.05
PATIENCE = 900


@pytest.fixture(name="manifest", scope="module")
def fixture_manifest(tmp_path_factory, colour_world):
    """A manifest of ten narrated videos; a file that is no video is among them."""
    folder = tmp_path_factory.mktemp("videos")
    video = colour_world.write_video(folder / "v0.mp4", ["red paint", "blue paint"]).read_bytes()
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "subtitles", "split"])
        for number in range(NUM_VIDEOS):
            (folder / f"v{number}.mp4").write_bytes(b"no video" if number == 7 else video)
            (folder / f"s{number}.csv").write_text(
                f"start,end,text\n1,3,red number {number}\n5,7,blue number {number}\n"
            )
            split = "eval" if number > 7 else "train"
            writer.writerow([f"v{number}.mp4", f"s{number}.csv", split])
    return folder / "manifest.csv"


@pytest.fixture(name="expected", scope="module")
def fixture_expected(manifest, tmp_path_factory):
    """The folder that an ingest in this very process fills."""
    output = tmp_path_factory.mktemp("expected")
    summary = ingest.run_ingest(str(manifest), str(output), CONFIG, num_workers=1)
    assert summary["clips"] == {"read": 18, "kept": 18, "left_out": {}}
    return output


@pytest.mark.parametrize(
    ("kind", "num_workers"), [("EXTERNAL", 1), ("EXTERNAL", 3), ("PROCESS", 2)]
)
def test_files_are_the_same_bytes_on_an_engine(
    engine, kind, num_workers, manifest, expected, files, tmp_path
):
    arguments = engine.arguments(kind, num_workers)
    ingest.run_ingest(str(manifest), str(tmp_path), CONFIG, engine=arguments)
    found = files(tmp_path)
    assert found.keys() == files(expected).keys()
    assert found == files(expected)
    assert len([name for name in found if name.endswith(".tfrecord")]) == 5


def reader_of(path: pathlib.Path, processes) -> psutil.Process | None:
    """Returns the process that has a file open, if one of them has."""
    for process in processes:
        folder = pathlib.Path(f"/proc/{process.pid}/fd")
        try:
            if any(os.readlink(link) == str(path) for link in folder.iterdir()):
                return process
        except OSError:
            continue  # It has just ended.
    return None


@pytest.mark.parametrize("kind", ["EXTERNAL", "PROCESS"])
def test_a_worker_killed_in_the_middle_neither_loses_nor_doubles_a_clip(
    engine, kind, manifest, expected, files, tmp_path
):
    # The second video of a shard has a pipe for subtitles: its reader is in the middle of the
    # shard, with the first video's clips written, until somebody writes into the pipe.
    subtitles = manifest.parent / "s3.csv"
    kept = subtitles.read_text()
    subtitles.unlink()
    os.mkfifo(subtitles)
    arguments = engine.arguments(kind, 2)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        try:
            done = pool.submit(
                ingest.run_ingest, str(manifest), str(tmp_path), CONFIG, engine=arguments
            )
            deadline = time.monotonic() + PATIENCE
            writing_end = None
            while writing_end is None:
                assert time.monotonic() < deadline
                assert not done.done(), done.exception()
                try:
                    writing_end = os.open(subtitles, os.O_WRONLY | os.O_NONBLOCK)
                except OSError:  # Nobody reads yet.
                    time.sleep(LOOKED_AT_EVERY)
            while (worker := reader_of(subtitles, engine.workers())) is None:
                time.sleep(LOOKED_AT_EVERY)
            assert list((tmp_path / "parts").glob("clips-*.tmp"))
            worker.kill()
        finally:
            regular = subtitles.with_suffix(".regular")
            regular.write_text(kept)
            regular.rename(subtitles)
            if writing_end is not None:
                os.close(writing_end)
        summary = done.result(timeout=PATIENCE)
    assert summary["clips"] == {"read": 18, "kept": 18, "left_out": {}}
    assert files(tmp_path) == files(expected)
