"""Zero-shot text-to-video retrieval: YouCook2, MSR-VTT, LSMDC and clips of one's own."""

import re
from collections.abc import Sequence

import numpy as np

from components.benchmark_evaluator.annotations.items import RetrievalSet
from components.benchmark_evaluator.embedding.row_rules import ClipRows
from components.benchmark_evaluator.embedding.run import EmbeddedVideos
from components.benchmark_evaluator.outcome import (
    Failure,
    Items,
    Outcome,
    failures_of,
    reasons_in_words,
)
from components.benchmark_evaluator.protocols import bootstrap, ties
from components.benchmark_evaluator.protocols.captions_of_clip import best_caption_ranks
from components.benchmark_evaluator.settings import RetrievalProtocol
from components.benchmark_evaluator.tasks.located import missing_video
from components.retrieval_evaluator import metrics
from components.retrieval_evaluator.known_words import known_texts
from components.retrieval_evaluator.metrics import QueryRanks
from components.retrieval_evaluator.text_video_model import TextVideoModel

# What the papers' tokenisers take for a word (facts/protocols.md, section 3).
_WORD = re.compile(r"[\w']+")


def rules(annotated: RetrievalSet, protocol: RetrievalProtocol) -> dict[str, ClipRows]:
    """Returns which rows each video needs: one for each of its clips, in the set's order.

    Args:
      annotated: the clips.
      protocol: the settings.
    """
    clips: dict[str, list[tuple[float, float]]] = {}
    for clip in annotated.clips:
        clips.setdefault(clip.video_id, []).append((clip.start, clip.end))
    return {
        video_id: ClipRows(tuple(stretches), protocol.num_windows)
        for video_id, stretches in clips.items()
    }


def score(
    annotated: RetrievalSet,
    embedded: EmbeddedVideos,
    model: TextVideoModel,
    protocol: RetrievalProtocol,
) -> Outcome:
    """Lets the captions find their clips among all that could be embedded.

    Args:
      annotated: the clips.
      embedded: their rows, of the videos that are there.
      model: embeds the captions.
      protocol: the settings.

    Raises:
      ModelError: the model fails.
      ValueError: fewer than two clips can be scored.
    """
    failures = failures_of(annotated.problems)
    kept, videos, num_found = _clip_embeddings(annotated, embedded, failures)
    if len(kept) < 2:
        raise ValueError(
            f"retrieval needs at least 2 clips, but {len(kept)} of {annotated.num_annotated} can "
            f"be scored ({reasons_in_words(failures)})"
        )
    texts = [
        first_words(text, protocol.max_words)
        for index in kept
        for text in annotated.clips[index].texts
    ]
    clip_of = np.repeat(np.arange(len(kept)), [len(annotated.clips[index].texts) for index in kept])
    embeddings = model.embed_text(texts)
    text_to_video = metrics.embedding_ranks(embeddings, videos, clip_of)
    video_to_text = best_caption_ranks(videos, embeddings, clip_of)
    video_ids = [annotated.clips[index].video_id for index in kept]
    named = ties.recalls(ties.ranks_by_rule(text_to_video, protocol.ties))
    return Outcome(
        headline="R@10",
        metrics=named,
        intervals=_intervals(text_to_video, [video_ids[clip] for clip in clip_of], protocol.ties),
        drawn="videos",
        items=Items("clips", annotated.num_annotated, num_found, len(kept), failures),
        details={
            "num_queries": len(texts),
            "num_candidates": len(kept),
            "num_videos": len(set(video_ids)),
            "num_ties": int(np.count_nonzero(text_to_video.ties)),
            "num_repeated_captions": len(texts) - len(set(texts)),
            "num_unknown_captions": int(
                (~known_texts(embeddings, model.embed_text([""])[0])).sum()
            ),
            "random": metrics.random_metrics(len(kept)),
            "video_to_text": ties.recalls(ties.ranks_by_rule(video_to_text, protocol.ties)),
            "by_tie_rule": {
                rule: ties.recalls(ties.ranks_by_rule(text_to_video, rule))
                for rule in ties.TIE_RULES
            },
        },
    )


def first_words(text: str, count: int) -> str:
    """Returns a sentence up to the end of its first words.

    Args:
      text: the sentence.
      count: words to keep; 0 for all.
    """
    words = list(_WORD.finditer(text)) if count else []
    return text[: words[count - 1].end()] if len(words) > count else text


def _clip_embeddings(
    annotated: RetrievalSet, embedded: EmbeddedVideos, failures: list[Failure]
) -> tuple[list[int], np.ndarray, int]:
    """Returns which clips can be scored, their embeddings, and of how many the video is there."""
    places: dict[str, list[int]] = {}
    for index, clip in enumerate(annotated.clips):
        places.setdefault(clip.video_id, []).append(index)
    found = []
    num_found = 0
    for video_id, indices in places.items():
        names = [_name(annotated, index) for index in indices]
        if video_id not in embedded:
            failures.extend(missing_video(name, video_id) for name in names)
            continue
        num_found += len(indices)
        rows = embedded.rows(video_id)
        for row, (index, name) in enumerate(zip(indices, names, strict=True)):
            failure = rows.failure(row)
            if failure is None:
                found.append((index, rows.values[row]))
            else:
                failures.append(Failure(name, *failure))
    found.sort(key=lambda pair: pair[0])
    kept = [index for index, _ in found]
    return kept, np.stack([row for _, row in found]) if found else np.zeros([0, 0]), num_found


def _name(annotated: RetrievalSet, index: int) -> str:
    clip = annotated.clips[index]
    return f"{clip.video_id} {clip.start:g}-{clip.end:g}"


def _intervals(
    ranked: QueryRanks, video_ids: Sequence[str], rule: str
) -> dict[str, tuple[float, float]]:
    """Returns the intervals of the recalls and the median, drawing videos with their queries."""
    order = {video_id: place for place, video_id in enumerate(dict.fromkeys(video_ids))}
    of_video = np.array([order[video_id] for video_id in video_ids])
    groups = [
        ties.ranks_by_rule(
            QueryRanks(ranked.ranks[queries], ranked.ties[queries], ranked.num_candidates), rule
        )
        for queries in np.split(
            np.argsort(of_video, kind="stable"), np.cumsum(np.bincount(of_video))[:-1]
        )
    ]

    names = (*metrics.RECALL_NAMES, "median_rank")

    def figures(drawn: np.ndarray) -> list[float]:
        found = ties.recalls(np.concatenate([groups[video] for video in drawn]))
        return [found[name] for name in names]

    return dict(zip(names, bootstrap.intervals(figures, len(groups)), strict=True))
