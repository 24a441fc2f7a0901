"""Zero-shot text-to-video retrieval: YouCook2, MSR-VTT, LSMDC and clips of one's own."""

from collections.abc import Sequence

import numpy as np

from components.benchmark_evaluator.annotations.items import RetrievalSet
from components.benchmark_evaluator.embedding.row_rules import ClipRows
from components.benchmark_evaluator.embedding.rows import NOT_FINITE
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
from components.retrieval_evaluator.known_words import first_words, known_texts
from components.retrieval_evaluator.metrics import QueryRanks
from components.retrieval_evaluator.text_video_model import TextVideoModel


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
      ValueError: fewer than two clips can be scored, or more words are asked for than the model
        keeps.
    """
    limit = max_words(model, protocol)
    failures = failures_of(annotated.problems)
    kept, videos, num_found = _clip_embeddings(annotated, embedded, failures)
    _check_number(kept, annotated, failures)
    texts, embeddings, said_of = _caption_embeddings(annotated, kept, model, protocol, failures)
    # A clip whose captions are all lost is lost too.
    with_caption, clip_of = np.unique(said_of, return_inverse=True)
    kept, videos = [kept[place] for place in with_caption], videos[with_caption]
    _check_number(kept, annotated, failures)
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
                (~known_texts(embeddings, model.embed_text([""], finite=False)[0])).sum()
            ),
            "max_words": limit,
            "random": metrics.random_metrics(len(kept)),
            "video_to_text": ties.recalls(ties.ranks_by_rule(video_to_text, protocol.ties)),
            "by_tie_rule": {
                rule: ties.recalls(ties.ranks_by_rule(text_to_video, rule))
                for rule in ties.TIE_RULES
            },
        },
    )


def max_words(model: TextVideoModel, protocol: RetrievalProtocol) -> int | None:
    """Returns how many words of a caption count at most, or None where the model does not tell.

    Args:
      model: embeds the captions.
      protocol: the settings.

    Raises:
      ValueError: the settings ask for more words than the model keeps.
    """
    if model.max_words is not None and protocol.max_words > model.max_words:
        raise ValueError(
            f"protocol.max_words is {protocol.max_words}, but the model {model.path} keeps "
            f"{model.max_words} words of a sentence; give at most that, or 0"
        )
    return protocol.max_words or model.max_words


def _check_number(
    kept: Sequence[int], annotated: RetrievalSet, failures: Sequence[Failure]
) -> None:
    if len(kept) < 2:
        raise ValueError(
            f"retrieval needs at least 2 clips, but {len(kept)} of {annotated.num_annotated} can "
            f"be scored ({reasons_in_words(failures)})"
        )


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
                failure = rows.remark(row)
            if failure is not None:
                failures.append(Failure(name, *failure))
    found.sort(key=lambda pair: pair[0])
    kept = [index for index, _ in found]
    return kept, np.stack([row for _, row in found]) if found else np.zeros([0, 0]), num_found


def _caption_embeddings(
    annotated: RetrievalSet,
    kept: Sequence[int],
    model: TextVideoModel,
    protocol: RetrievalProtocol,
    failures: list[Failure],
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Returns the captions that can be scored, their embeddings, and the place of each's clip."""
    captions = [
        (place, number, text)
        for place, index in enumerate(kept)
        for number, text in enumerate(annotated.clips[index].texts, 1)
    ]
    texts = [text for _, _, text in captions]
    if protocol.max_words:
        told = model.description
        vocabulary = frozenset(told.words) if told else None
        case_sensitive = told is not None and told.case_sensitive
        texts = [
            first_words(text, protocol.max_words, vocabulary, case_sensitive) for text in texts
        ]
    embeddings = model.embed_text(texts, finite=False)
    is_finite = np.isfinite(embeddings).all(axis=1)
    for row in np.flatnonzero(~is_finite):
        place, number, _ = captions[row]
        item = f"{_name(annotated, kept[place])}, caption {number}"
        message = "the model's embedding of the sentence is not finite"
        failures.append(Failure(item, NOT_FINITE, message))
    good = np.flatnonzero(is_finite)
    clip_of = np.array([captions[row][0] for row in good], np.int64)
    return [texts[row] for row in good], embeddings[good], clip_of


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
