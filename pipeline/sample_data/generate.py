"""Writes the sample: narrated videos to train on, and annotated videos to test on."""

import dataclasses
import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from importlib import resources
from pathlib import Path, PurePosixPath

import av
import numpy as np

from pipeline.sample_data.config import SampleConfig
from pipeline.sample_data.encode import draw_noise, write_mp4
from pipeline.sample_data.render import render_frames
from pipeline.sample_data.script import VideoScript, write_scripts
from pipeline.sample_data.tables import format_annotations, format_metadata, format_truth
from pipeline.sample_data.webvtt import format_rolling_captions

MANIFEST = "manifest.json"
TRUTH = "narration_truth.json"
VIDEOS = "videos"
TEST_VIDEOS = "test/videos"
METADATA = "videos/metadata.csv"
ANNOTATIONS = "test/annotations.csv"
_SUFFIXES = (".mp4", ".en.vtt")


class SampleDataError(ValueError):
    """The output folder cannot take the sample."""


def write_sample_data(
    output: Path,
    config: SampleConfig,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Writes the sample, unless the folder already holds exactly this one.

    The files depend on the settings alone, not on the number of workers. Each is written under
    another name and then renamed; `manifest.json`, which lists them, is completed last. A sample of
    other settings in the same folder is replaced.

    Args:
      output: the folder: `videos/` gets narrated videos, their WebVTT and `metadata.csv`, `test/`
        gets `videos/` and `annotations.csv`; `narration_truth.json` tells what each line of
        narration is about.
      config: the settings.
      workers: number of processes, by default one for each core that this process may use.
      progress: called with the number of videos written and the number of all videos.

    Raises:
      SampleDataError: the folder holds something that is not a sample.
    """
    fingerprint = _fingerprint(config)
    manifest = _read_manifest(output)
    if _is_complete(output, manifest, fingerprint):
        return
    train, test = write_scripts(config)
    jobs = [(output / VIDEOS, script) for script in train]
    jobs += [(output / TEST_VIDEOS, script) for script in test]
    files = [f"{VIDEOS}/{script.video_id}{suffix}" for script in train for suffix in _SUFFIXES]
    files += [f"{TEST_VIDEOS}/{script.video_id}.mp4" for script in test]
    files += [METADATA, ANNOTATIONS, TRUTH]
    for stale in sorted(set(manifest.get("files", {})) - set(files)):
        (output / stale).unlink(missing_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    # Listed before they are written, so that what an interrupted run leaves can be told apart.
    _write_manifest(output, fingerprint, dict.fromkeys(files))
    for folder in (VIDEOS, TEST_VIDEOS):
        (output / folder).mkdir(parents=True, exist_ok=True)

    for done, _ in enumerate(_run(jobs, workers or _usable_cores()), start=1):
        if progress is not None:
            progress(done, len(jobs))
    _write_text(output / METADATA, format_metadata(train))
    _write_text(output / ANNOTATIONS, format_annotations(test))
    _write_text(output / TRUTH, format_truth(train))
    _write_manifest(output, fingerprint, {name: (output / name).stat().st_size for name in files})


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _fingerprint(config: SampleConfig) -> str:
    """Returns a digest of what decides the files: settings, this package's code, the encoder."""
    digest = hashlib.sha256(json.dumps(dataclasses.asdict(config), sort_keys=True).encode())
    digest.update(repr(sorted(av.library_versions.items())).encode())
    package = resources.files("pipeline.sample_data")
    for source in sorted(package.iterdir(), key=lambda entry: entry.name):
        if source.name.endswith(".py"):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def _read_manifest(output: Path) -> dict:
    """Returns the manifest of the sample in a folder, empty for a new or empty folder."""
    try:
        manifest = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
        names = [PurePosixPath(name) for name in dict(manifest["files"])]
        if not any(name.is_absolute() or ".." in name.parts for name in names):
            return manifest
    except FileNotFoundError:
        if not output.exists() or (output.is_dir() and not any(output.iterdir())):
            return {}
    except (NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise SampleDataError(
        f"{output} holds something else than a sample; give a new or empty folder"
    )


def _is_complete(output: Path, manifest: dict, fingerprint: str) -> bool:
    if manifest.get("fingerprint") != fingerprint:
        return False
    try:
        return all(
            (output / name).stat().st_size == size for name, size in manifest["files"].items()
        )
    except FileNotFoundError:
        return False


def _write_manifest(output: Path, fingerprint: str, files: dict[str, int | None]) -> None:
    manifest = {"fingerprint": fingerprint, "files": files}
    _write_text(output / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def _run(jobs: Sequence[tuple[Path, VideoScript]], workers: int) -> Iterator[None]:
    """Writes all videos, yielding after each."""
    if min(workers, len(jobs)) <= 1:
        for folder, script in jobs:
            yield _write_video(folder, script)
        return
    # Spawn: TensorFlow may be loaded in this process, and its threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        pending = [pool.submit(_write_video, folder, script) for folder, script in jobs]
        try:
            for future in as_completed(pending):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _write_video(folder: Path, script: VideoScript) -> None:
    """Writes one video, and its captions if it is narrated."""
    if script.lines:
        captions = format_rolling_captions(script.lines, script.music)
        _write_text(folder / f"{script.video_id}.en.vtt", captions)
    noise = None
    if script.has_audio:
        noise = draw_noise(np.random.default_rng([*script.picture_seed, 1]), script.duration)
    with _replacing(folder / f"{script.video_id}.mp4") as partial:
        write_mp4(
            partial, render_frames(script), script.frame_rate, (script.width, script.height), noise
        )


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Gives the name of a file to write, which takes the place of `path` once it is complete."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    with _replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
