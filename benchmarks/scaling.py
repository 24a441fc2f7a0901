"""Measures an ingest with one worker and with more, and works out what HowTo100M would take.

    make benchmark-scaling   about six minutes on two quiet cores; writes scaling.json, scaling.md

Each ingest is a process of its own. Its CPU time is that of all its workers. What an ingest costs
before the first video is decoded is measured by itself, with videos of one second, and taken off.
Without --videos the videos are made: textured pictures that move, 640 x 360 at 25 frames a second,
with a caption about as often as in HowTo100M. Decoding costs what such videos cost; how well a
picture compresses decides about the bytes, so give real videos for an estimate of storage.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import pathlib
import platform
import re
import resource
import statistics
import tempfile
import time
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import psutil

_FILE = pathlib.Path(__file__).with_suffix(".json")
# HowTo100M, table 1 and section 3 of the paper.
_VIDEOS = 1_220_000
_HOURS = 134_472
_CLIPS = 136_600_000
_CAPTION_EVERY = _HOURS * 3600 / _CLIPS

_WIDTH, _HEIGHT, _RATE = 640, 360, 25
_CORES = (2, 64, 1024)
_GRAPH_LIMIT_MB = 10  # Dataflow refuses a larger job.


@dataclasses.dataclass(frozen=True)
class Measured:
    """What ingests of the same videos with the same number of workers took.

    Attributes:
      seconds: of the clock, the median of the repetitions.
      cpu_seconds: of all processes, the median.
      start_seconds: of the clock, before the first video is decoded.
      start_cpu_seconds: of all processes, likewise.
      peak_mib: the most resident memory of a worker.
    """

    seconds: float
    cpu_seconds: float
    start_seconds: float
    start_cpu_seconds: float
    peak_mib: float


def write_videos(folder: pathlib.Path, count: int, seconds: float) -> None:
    """Writes videos with a subtitle file each.

    Args:
      folder: made where it is missing.
      count: how many.
      seconds: how long each is.
    """
    import av
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    # Coarse and fine texture, larger than a frame, over which the frames move.
    coarse = random.integers(0, 256, [_HEIGHT // 8, _WIDTH // 8, 3]).repeat(16, 0).repeat(16, 1)
    picture = (0.8 * coarse + random.integers(0, 50, coarse.shape)).astype(np.uint8)
    for number in range(count):
        with av.open(str(folder / f"v{number}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=_RATE)
            stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
            stream.options = {"preset": "veryfast", "crf": "28"}
            for index in range(round(seconds * _RATE)):
                top, left = (index + 40 * number) % _HEIGHT, 2 * index % _WIDTH
                pixels = np.ascontiguousarray(picture[top : top + _HEIGHT, left : left + _WIDTH])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        lines = ["start,end,text"]
        for index in range(max(1, int(seconds / _CAPTION_EVERY))):
            start = index * _CAPTION_EVERY
            lines.append(f"{start:.2f},{start + 4:.2f},now we fold the paper number {index}")
        (folder / f"v{number}.csv").write_text("\n".join(lines) + "\n")


def _ingest(videos: str, output: str, workers: int, usage: Any) -> None:
    from components.narrated_video_example_gen import ingest
    from components.narrated_video_example_gen.config import IngestConfig

    config = IngestConfig(eval_fraction=0.0, videos_per_shard=1)
    summary = ingest.run_ingest(videos, output, config, workers)
    own, of_children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    usage.put(
        {
            "cpu_seconds": sum(used.ru_utime + used.ru_stime for used in (own, of_children)),
            "peak_mib": max(own.ru_maxrss, of_children.ru_maxrss) / 1024,
            "clips": summary["clips"]["kept"],
        }
    )


def _run(videos: pathlib.Path, output: pathlib.Path, workers: int) -> dict[str, float]:
    context = multiprocessing.get_context("spawn")
    usage = context.Queue()
    started = time.monotonic()
    process = context.Process(target=_ingest, args=(str(videos), str(output), workers, usage))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the ingest of {videos} failed")
    return {"seconds": time.monotonic() - started, **usage.get()}


def _measure(root: pathlib.Path, videos: pathlib.Path, workers: int, repeats: int) -> Measured:
    write_videos(root / f"start-{workers}", workers, 1.0)
    start = _run(root / f"start-{workers}", root / f"started-{workers}", workers)
    runs = [_run(videos, root / f"output-{workers}-{repeat}", workers) for repeat in range(repeats)]
    return Measured(
        seconds=statistics.median(run["seconds"] for run in runs),
        cpu_seconds=statistics.median(run["cpu_seconds"] for run in runs),
        start_seconds=start["seconds"],
        start_cpu_seconds=start["cpu_seconds"],
        peak_mib=max(run["peak_mib"] for run in runs),
    )


def _bytes_below(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _bytes_through_beam(videos: pathlib.Path) -> dict[str, float]:
    """Returns the bytes of a video in the plan, and of a shard's place in Beam."""
    import apache_beam as beam

    from components.narrated_video_example_gen import manifest

    rows, _ = manifest.read_videos(str(videos))
    lines = [json.dumps(dataclasses.asdict(row)) for row in rows]
    place = (1 << 40, 1 << 16)
    coder = beam.coders.registry.get_coder(tuple[int, int])
    return {
        "plan": statistics.mean(len(line) + 1 for line in lines),
        "place": len(coder.encode(place)),
    }


def estimate(per_hour: Mapping[str, float], efficiency: float, videos_per_shard: int) -> dict:
    """Works out what HowTo100M takes.

    Args:
      per_hour: of an hour of video `core_hours`, `clips_bytes` and `examples_bytes`; of a video
        `plan_bytes`; of a shard `place_bytes`.
      efficiency: share of a second core's time that was useful.
      videos_per_shard: videos that one worker decodes in a row.
    """
    core_hours = per_hour["core_hours"] * _HOURS
    shards = -(-_VIDEOS // videos_per_shard)
    return {
        "videos": _VIDEOS,
        "hours_of_video": _HOURS,
        "core_hours": round(core_hours),
        "hours_on_cores": {
            str(cores): round(core_hours / (cores * efficiency), 1) for cores in _CORES
        },
        "shards": shards,
        "clips_terabytes": round(per_hour["clips_bytes"] * _HOURS / 1e12, 1),
        "examples_gigabytes": round(per_hour["examples_bytes"] * _HOURS / 1e9, 1),
        "plan_megabytes": round(per_hour["plan_bytes"] * _VIDEOS / 1e6),
        "shuffle_megabytes": round(per_hour["place_bytes"] * shards / 1e6, 1),
        "largest_shard_gigabytes": round(
            per_hour["clips_bytes"] * _HOURS / _VIDEOS * videos_per_shard / 1e9, 1
        ),
    }


def page(result: Mapping[str, Any]) -> str:
    """Returns the figures as a page for people.

    Args:
      result: what scaling.json holds.
    """
    whole, runs = result["howto100m"], result["workers"]
    remark = ""
    if result["data"]["made"]:
        remark = (
            " The videos were made for it, of textured pictures that move: most footage needs "
            "fewer bytes."
        )
    lines = [
        "# From two workers to HowTo100M",
        "",
        f"Measured by `make benchmark-scaling` on {result['machine']['cores']} cores of "
        f"{result['machine']['processor']}: {result['data']['videos']} videos of "
        f"{result['data']['seconds']:.0f} s, {result['data']['size']}, with the MIL-NCE paper's "
        f"clips (10 frames a second, short side 256).{remark}",
        "",
        "| workers | seconds | CPU seconds | of them before the first video | speed-up | memory |",
        "|---|---|---|---|---|---|",
    ]
    for workers, run in runs.items():
        lines.append(
            f"| {workers} | {run['seconds']:.1f} | {run['cpu_seconds']:.1f} | "
            f"{run['start_cpu_seconds']:.1f} | {run['speed_up']:.2f} | {run['peak_mib']:.0f} MiB |"
        )
    on_cores = ", ".join(
        f"{hours:,.0f} h on {cores} cores" for cores, hours in whole["hours_on_cores"].items()
    )
    lines += [
        "",
        f"An hour of video takes {result['per_hour_of_video']['core_hours']:.3f} core hours. For "
        f"HowTo100M, {whole['videos']:,} videos of {whole['hours_of_video']:,} hours, that is:",
        "",
        "| | |",
        "|---|---|",
        f"| work | {whole['core_hours']:,} core hours: {on_cores} |",
        f"| clips with frames | {whole['clips_terabytes']:,} TB in {whole['shards']:,} files |",
        f"| caption records | {whole['examples_gigabytes']:,} GB in as many files |",
        f"| plan | {whole['plan_megabytes']:,} MB, one file; the orchestrator holds it |",
        f"| Beam's shuffle | {whole['shuffle_megabytes']:,} MB: where in the plan each shard is |",
        "",
        "The hours take the efficiency that was measured with the most workers for any number of "
        "cores: the stage has no shuffle of data and no shared file, so what limits it is the "
        "storage that all workers read and write.",
        "",
        "What breaks first, in this order:",
        "",
        f"1. **Storage.** {whole['clips_terabytes']:,} TB of frames, because the windows of clips "
        f"overlap and frames are stored for each. `ingest.store_frames=false` stores none, for the "
        f"HowTo100M road; a lower `ingest.frame_rate` or `ingest.short_side` stores less.",
        "2. **The features' captions.** FeatureExtractor reads the captions of all videos into the "
        "orchestrator's memory and into Beam's job graph: for "
        f"{_CLIPS / 1e6:,.0f} million captions neither has room, and Dataflow refuses a graph of "
        f"more than {_GRAPH_LIMIT_MB} MB. Split the manifest and run it for each part.",
        "3. **One orchestrator that looks at every file.** It asks for the size and time of each "
        "video and subtitle file for TFX's cache, 32 files at a time on a remote store.",
        "4. **Many files.** Each shard is a file of clips and a file of captions; "
        "`ingest.videos_per_shard` makes them fewer, and what a lost worker costs larger: "
        f"{whole['largest_shard_gigabytes']:,} GB with {result['videos_per_shard']} videos.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Makes the videos, ingests them and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=pathlib.Path, help="real videos with subtitles")
    parser.add_argument("--count", type=int, default=8, help="videos to make without --videos")
    parser.add_argument("--seconds", type=float, default=120.0, help="length of each")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=pathlib.Path, default=_FILE)
    arguments = parser.parse_args()
    if os.cpu_count() < max(arguments.workers):
        raise SystemExit(f"{max(arguments.workers)} workers need as many cores")
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        videos = arguments.videos or root / "videos"
        if not arguments.videos:
            write_videos(videos, arguments.count, arguments.seconds)
        hours = _hours_of(videos)
        runs = {
            workers: _measure(root, videos, workers, arguments.repeats)
            for workers in sorted(arguments.workers)
        }
        result = _result(root, videos, not arguments.videos, hours, runs)
    text = json.dumps(result, indent=2) + "\n"
    arguments.output.write_text(text)
    arguments.output.with_suffix(".md").write_text(page(result))
    print(text, end="")


def _hours_of(videos: pathlib.Path) -> float:
    from components.narrated_video_example_gen import manifest, video

    seconds = 0.0
    for path in manifest.find_video_files(videos):
        with video.open_video(path) as opened:
            seconds += opened.info.duration
    return seconds / 3600


def _result(
    root: pathlib.Path,
    videos: pathlib.Path,
    made: bool,
    hours: float,
    runs: Mapping[int, Measured],
) -> dict[str, Any]:
    from components.narrated_video_example_gen import manifest, video
    from components.narrated_video_example_gen.config import IngestConfig

    paths = manifest.find_video_files(videos)
    with video.open_video(paths[0]) as opened:
        size = f"{opened.info.width} x {opened.info.height}"
    fewest, most = min(runs), max(runs)
    decoding = {count: run.seconds - run.start_seconds for count, run in runs.items()}
    speed_up = {count: decoding[fewest] / decoding[count] for count in runs}
    efficiency = speed_up[most] * fewest / most
    output = root / f"output-{fewest}-0"
    through_beam = _bytes_through_beam(videos)
    per_hour = {
        "core_hours": (runs[fewest].cpu_seconds - runs[fewest].start_cpu_seconds) / 3600 / hours,
        "clips_bytes": _bytes_below(output / "clips") / hours,
        "examples_bytes": _bytes_below(output / "examples") / hours,
        "plan_bytes": through_beam["plan"],
        "place_bytes": through_beam["place"],
    }
    model = re.search(r"model name\s*: (.+)", pathlib.Path("/proc/cpuinfo").read_text())
    videos_per_shard = IngestConfig().videos_per_shard
    return {
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
        "data": {
            "made": made,
            "videos": len(paths),
            "seconds": round(hours * 3600 / len(paths), 1),
            "size": size,
            "bytes": sum(os.path.getsize(path) for path in paths),
        },
        "workers": {
            str(count): {
                **{name: round(value, 2) for name, value in dataclasses.asdict(run).items()},
                "speed_up": round(speed_up[count], 2),
            }
            for count, run in runs.items()
        },
        "efficiency": round(efficiency, 3),
        "per_hour_of_video": {name: round(value, 4) for name, value in per_hour.items()},
        "videos_per_shard": videos_per_shard,
        "howto100m": estimate(per_hour, efficiency, videos_per_shard),
    }


if __name__ == "__main__":
    main()
