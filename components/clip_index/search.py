"""Text search over the embedded clips of a run.

index = ClipIndex.load("runs/demo/index")
query = embed_query(index.pushed_model, ["cut paper"])
for hit in index.search(query.embeddings[0], k=5):
    print(hit.rank, hit.video_id, hit.start, hit.end, hit.caption)
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from components.retrieval_evaluator.known_words import known_texts
from models import files

EMBEDDINGS_FILE = "embeddings.npy"
CLIPS_FILE = "clips.jsonl"
MODEL_FILE = "model.json"


class ClipIndexError(ValueError):
    """An index is missing, damaged or empty, or the model that made it does not load."""


@dataclasses.dataclass(frozen=True)
class Hit:
    """One clip that a query found.

    Attributes:
      rank: its place, from 1.
      score: dot product of its embedding and the query's.
      video_id: the video.
      start: start of the clip in the video, in seconds.
      end: end of the clip, in seconds.
      caption: what is said there.
    """

    rank: int
    score: float
    video_id: str
    start: float
    end: float
    caption: str


@dataclasses.dataclass(frozen=True)
class IndexedClip:
    """One line of clips.jsonl; times are in seconds of the video.

    Attributes:
      video_id: the video.
      start: start of the clip.
      end: end of the clip.
      caption: what is said there.
      task: the video's task or title, or an empty string.
      split: the clip records' split; "annotated" for the annotated clips.
    """

    video_id: str
    start: float
    end: float
    caption: str
    task: str
    split: str


@dataclasses.dataclass(frozen=True)
class ClipIndex:
    """The clips of a run and their embeddings.

    Attributes:
      embeddings: float32 [N, D].
      clips: the N clips.
      pushed_model: folder of the model that embedded them, which must embed the queries too.
    """

    embeddings: np.ndarray
    clips: Sequence[IndexedClip]
    pushed_model: str

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> "ClipIndex":
        """Reads an index.

        Args:
          directory: the folder of a `ClipIndex` artifact, or a copy of it.

        Raises:
          ClipIndexError: the folder holds no index, a damaged one, or one of a run that pushed no
            model.
        """
        folder = pathlib.Path(directory)
        try:
            model = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
            pushed_model = model["pushed_model"]
            if not pushed_model:
                raise ClipIndexError(f"{folder} is an empty index: {model['reason']}")
            with open(folder / EMBEDDINGS_FILE, "rb") as stream:
                embeddings = np.load(stream, allow_pickle=False)
            with open(folder / CLIPS_FILE, encoding="utf-8") as stream:
                clips = [IndexedClip(**json.loads(line)) for line in stream]
        except FileNotFoundError as error:
            raise ClipIndexError(
                f"{folder} holds no clip index, {pathlib.Path(error.filename).name} is missing; "
                "run the pipeline first"
            ) from error
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ClipIndexError(f"the clip index {folder} is damaged: {error}") from error
        except ValueError as error:
            if isinstance(error, ClipIndexError):
                raise
            raise ClipIndexError(f"{folder / EMBEDDINGS_FILE} is damaged: {error}") from error
        if embeddings.ndim != 2 or embeddings.dtype != np.float32:
            raise ClipIndexError(
                f"{folder / EMBEDDINGS_FILE} holds {embeddings.dtype} of shape "
                f"{embeddings.shape}, not a float32 matrix"
            )
        if len(embeddings) != len(clips):
            raise ClipIndexError(
                f"the clip index {folder} is damaged: {len(embeddings)} embeddings for "
                f"{len(clips)} clips"
            )
        return cls(embeddings, clips, pushed_model)

    def search(self, embedding: np.ndarray, k: int) -> list[Hit]:
        """Finds the clips with the highest dot product, each interval of a video once.

        Where several captions share an interval, the first one stored stands for it. Equal scores
        keep the stored order.

        Args:
          embedding: [D], of the query.
          k: how many clips to return, at least 1.

        Raises:
          ClipIndexError: the embedding is not of the index's size, as of another model.
          ValueError: `k` is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}; ask for at least 1 clip")
        size = self.embeddings.shape[1]
        if embedding.shape != (size,):
            raise ClipIndexError(
                f"the query's embedding has shape {embedding.shape}, but the index was made by a "
                f"model with embeddings of size {size}"
            )
        scores = self.embeddings @ embedding
        hits: list[Hit] = []
        seen = set()
        for row in np.argsort(-scores, kind="stable"):
            clip = self.clips[row]
            interval = clip.video_id, clip.start, clip.end
            if interval in seen:
                continue
            seen.add(interval)
            hits.append(Hit(len(hits) + 1, float(scores[row]), *interval, clip.caption))
            if len(hits) == k:
                break
        return hits


@dataclasses.dataclass(frozen=True)
class QueryEmbeddings:
    """Embedded queries.

    Attributes:
      embeddings: float32 [Q, D].
      known: bool [Q], whether the model knows a word of the query; a query without one finds
        nothing in particular.
    """

    embeddings: np.ndarray
    known: np.ndarray


def embed_query(pushed_model: str, texts: Sequence[str]) -> QueryEmbeddings:
    """Embeds queries with a pushed model, loaded by `hub.load` as any user would.

    Args:
      pushed_model: folder of the pushed version.
      texts: Q whole sentences.

    Raises:
      ClipIndexError: the folder holds no such model.
    """
    # TensorFlow takes seconds to import, and an index can be read without it.
    import tensorflow as tf
    import tensorflow_hub as hub

    files.make_known(pushed_model)
    try:
        text = hub.load(pushed_model).signatures["text"]
    except (OSError, KeyError, ValueError) as error:
        raise ClipIndexError(
            f"the model {pushed_model} that made the index does not load ({error}); run the "
            "pipeline again"
        ) from error
    embedded = text(words=tf.constant([*texts, ""]))["text_embedding"].numpy().astype(np.float32)
    return QueryEmbeddings(embedded[:-1], known_texts(embedded[:-1], embedded[-1]))
