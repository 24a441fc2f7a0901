"""The clips and word vectors of the ablations: read once, without TFX, and kept."""

import collections
import dataclasses
import pathlib
import shutil

import numpy as np

from components.narrated_video_example_gen import ingest
from components.narrated_video_example_gen.config import IngestConfig
from components.narrated_video_example_gen.fingerprint import input_fingerprint
from components.word_vectors import making, narration, store
from components.word_vectors.config import WordVectorsConfig
from models import record_files
from pipeline.ablations.videos import Videos
from pipeline.configs import Preset
from pipeline.studies import scores
from schemas import records


@dataclasses.dataclass(frozen=True)
class ClipSet:
    """Clips to train and to score on, and the words of the narration.

    Attributes:
      name: what the clips to score on are, in words.
      fingerprint: changes with the videos and with all settings that decide the clips and words.
      train_files: TFRecord shards of clip records to train on.
      validation_files: those of the eval split of the narrated videos.
      test_files: those to score on.
      words: the vocabulary of the train split.
      vectors: float32 [V + 1, D], row 0 the padding.
    """

    name: str
    fingerprint: str
    train_files: tuple[str, ...]
    validation_files: tuple[str, ...]
    test_files: tuple[str, ...]
    words: tuple[str, ...]
    vectors: np.ndarray

    def num_clips(self) -> tuple[int, int]:
        """Returns how many clips there are to train on and to score on."""
        train, test = (
            sum(record_files.count_records(path) for path in files)
            for files in (self.train_files, self.test_files)
        )
        return train, test


def prepare(
    folder: pathlib.Path, videos: Videos, preset: Preset, num_candidates: int, workers: int
) -> ClipSet:
    """Returns the clips and word vectors of some videos, read unless that was done before.

    Args:
      folder: keeps them, by all that decides them.
      videos: where the videos are.
      preset: the settings, of which `ingest` and `words` count.
      num_candidates: captions to store with each clip, K, if the preset stores fewer.
      workers: processes that decode.

    Raises:
      ManifestError: the videos or the annotations cannot be listed.
      IngestError: more than `max_failed_fraction` of the videos failed, or no clip is left.
      ValueError: there are no clips to train or to score on, or too few words.
    """
    narrated = dataclasses.replace(
        preset.ingest, bag_size=max(num_candidates, preset.ingest.bag_size)
    )
    annotated = _annotated(preset.ingest, videos)
    described = [_described(videos.narrated, narrated), dataclasses.asdict(preset.words)]
    if annotated:
        described.append(_described(videos.test, annotated))
    fingerprint = scores.short_name(described)
    kept = folder / fingerprint
    if not kept.is_dir():
        # Renamed once it is complete, so that what an interrupted run leaves does not count.
        partial = folder / f"{fingerprint}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        ingest.run_ingest(videos.narrated, str(partial / "narrated"), narrated, workers)
        if annotated:
            ingest.run_ingest(videos.test, str(partial / "test"), annotated, workers)
        _make_words(partial, preset.words)
        partial.rename(kept)
    return _load(kept, fingerprint, bool(annotated))


def _annotated(config: IngestConfig, videos: Videos) -> IngestConfig | None:
    """Returns the settings that annotated videos are read with, or None without any."""
    if not videos.test:
        return None
    return dataclasses.replace(
        config,
        annotations=videos.test_annotations,
        annotation_format="csv",
        annotation_splits="eval",
    )


def _described(videos: str, config: IngestConfig) -> list[str]:
    return [input_fingerprint(videos, config), config.to_json()]


def _make_words(folder: pathlib.Path, config: WordVectorsConfig) -> None:
    split = folder / "narrated" / "examples" / f"Split-{records.TRAIN_SPLIT}"
    files = sorted(map(str, split.glob("*")))
    captions = list(narration.read_captions(files)) if files else []
    counts = collections.Counter(word for _, _, words in captions for word in words)
    words, vectors = making.make_vectors(
        config, dict(counts.most_common()), lambda: narration.video_sentences(captions)
    )
    store.save(folder / "words", words, vectors)


def _load(folder: pathlib.Path, fingerprint: str, has_test: bool) -> ClipSet:
    words, vectors = store.load(folder / "words")
    validation_files = _shards(folder / "narrated", records.EVAL_SPLIT)
    test_files = _shards(folder / "test", records.EVAL_SPLIT) if has_test else validation_files
    if not test_files:
        raise ValueError(
            "there are no clips to score on: give annotated test videos, or more narrated videos "
            "with ingest.eval_fraction above 0"
        )
    return ClipSet(
        name="annotated test clips" if has_test else "clips of the eval split",
        fingerprint=fingerprint,
        train_files=_shards(folder / "narrated", records.TRAIN_SPLIT),
        validation_files=validation_files,
        test_files=test_files,
        words=tuple(words),
        vectors=vectors,
    )


def _shards(folder: pathlib.Path, split: str) -> tuple[str, ...]:
    return tuple(sorted(map(str, (folder / "clips" / f"Split-{split}").glob("*.tfrecord"))))
