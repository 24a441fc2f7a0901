"""The artifact types of this project that TFX does not define.

A type's name is the path by which it is imported from the package `components`: on Kubeflow that is
all that a component learns of the type of an artifact, and a name has room for one dot.
"""

from tfx.types import artifact


class Ledger(artifact.Artifact):
    """What was left out and why: `ledger.jsonl`, an entry a line, and counts in `summary.json`.

    That of an ingest also holds the videos that were kept, `videos.jsonl`. What Beam's workers
    counted and timed is in `beam_metrics.json`.
    """

    TYPE_NAME = "components.Ledger"


class WordVectors(artifact.Artifact):
    """Frozen word vectors: `words.txt`, where a word's id is its line from 1, and `vectors.npy`.

    Row 0 of the vectors, float32 [V + 1, D], is the padding.
    """

    TYPE_NAME = "components.WordVectors"


class RetrievalEvaluation(artifact.Artifact):
    """The retrieval metrics of a model, `metrics.json`, and a report for people, `report.html`."""

    TYPE_NAME = "components.RetrievalEvaluation"


class BenchmarkEvaluation(artifact.Artifact):
    """A model's figures on a benchmark, `result.json`, and what failed, `failures.jsonl`."""

    TYPE_NAME = "components.BenchmarkEvaluation"


class ClipIndex(artifact.Artifact):
    """What text search looks through: `embeddings.npy`, `clips.jsonl` and `model.json`.

    The embeddings are float32 [N, D], one row for each line of `clips.jsonl`.
    """

    TYPE_NAME = "components.ClipIndex"
