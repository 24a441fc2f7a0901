"""Video to text where a clip has several captions, each of which is right."""

import numpy as np

from components.retrieval_evaluator.metrics import QueryRanks, score_blocks


def best_caption_ranks(videos: np.ndarray, texts: np.ndarray, clip_of: np.ndarray) -> QueryRanks:
    """Ranks for each clip the best of its captions among the captions of the others.

    Its other captions are neither right nor wrong then: they do not push the best one down. With
    one caption for each clip this is the rank of that caption.

    Args:
      videos: [N, D], the clips.
      texts: [Q, D], the captions.
      clip_of: int [Q], the clip of each caption; each clip has one.

    Raises:
      ValueError: a clip has no caption, or a score is NaN.
    """
    if set(np.unique(clip_of).tolist()) != set(range(len(videos))):
        raise ValueError(f"not each of the {len(videos)} clips has a caption")
    ranks, ties = [], []
    for start, scores in score_blocks(videos, texts):
        if np.isnan(scores).any():
            raise ValueError(f"{int(np.isnan(scores).sum())} of the scores are NaN")
        own = clip_of[None, :] == np.arange(start, start + len(scores))[:, None]
        best = np.where(own, scores, -np.inf).max(axis=1, keepdims=True)
        higher = ((scores > best) & ~own).sum(axis=1)
        tied = ((scores == best) & ~own).sum(axis=1)
        ranks.append(1.0 + higher + tied / 2.0)
        ties.append(tied)
    return QueryRanks(np.concatenate(ranks), np.concatenate(ties), len(texts))
