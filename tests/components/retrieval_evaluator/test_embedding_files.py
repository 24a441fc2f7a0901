"""Embeddings in files, and the ranks of embeddings whose right candidates are told."""

import json
import tracemalloc

import numpy as np
import pytest

from components.retrieval_evaluator import metrics
from components.retrieval_evaluator.embedding_files import score_files

# Text 0 finds its video first; two others are better for text 1; text 2 ties with one other.
VIDEOS = np.eye(3)
TEXTS = np.array([[5.0, 1.0, 0.0], [3.0, 1.0, 2.0], [0.0, 4.0, 4.0]])


@pytest.fixture
def files(tmp_path):
    def write(videos=VIDEOS, texts=TEXTS, **options):
        paths = []
        for name, values in (("videos.npy", videos), ("texts.npy", texts)):
            paths.append(str(tmp_path / name))
            np.save(paths[-1], values, **options)
        return paths

    return write


def test_files_by_hand(files):
    scored = score_files(*files())
    assert scored["text_to_video"] == {
        "R@1": 1 / 3,
        "R@5": 1.0,
        "R@10": 1.0,
        "median_rank": 1.5,
        "num_queries": 3,
        "num_candidates": 3,
        "num_ties": 1,
    }
    # Down the columns: 5 is the highest, 1 shares the last two places, 4 is the highest.
    assert scored["video_to_text"]["R@1"] == 2 / 3
    assert scored["video_to_text"]["num_ties"] == 1
    assert scored["random"]["R@1"] == 1 / 3
    assert (scored["num_expected"], scored["num_scored"], scored["num_not_finite"]) == (3, 3, 0)
    assert scored["protocol"]["ties"] == "mean rank"
    assert json.loads(json.dumps(scored, allow_nan=False)) == scored


@pytest.mark.parametrize("kind", ["float16", "float32", ">f8", "int8", "uint16"])
def test_numbers_of_any_kind_give_the_same(files, kind):
    wanted = score_files(*files())
    assert score_files(*files(VIDEOS.astype(kind), TEXTS.astype(kind))) == wanted


def test_pairs_that_are_not_finite_are_left_out_counted_and_named(files):
    videos, texts = np.zeros([30, 3]), np.zeros([30, 3])
    videos[5:8], texts[5:8] = VIDEOS, TEXTS
    videos[8:, 1] = np.nan
    texts[:5, 2] = np.inf
    texts[9, 0] = np.nan
    scored = score_files(*files(videos, texts))
    assert scored["text_to_video"] == score_files(*files())["text_to_video"]
    assert (scored["num_expected"], scored["num_scored"], scored["num_not_finite"]) == (30, 3, 27)
    assert scored["first_not_finite"] == [*range(5), *range(8, 23)]


@pytest.mark.parametrize(
    ("videos", "texts", "message"),
    [
        (VIDEOS, TEXTS[:2], r"videos\.npy holds 3 x 3 and \S*texts\.npy 2 x 3; row i of one"),
        (VIDEOS, TEXTS[:, :2], r"3 x 3 and \S*texts\.npy 3 x 2"),
        (VIDEOS[0], TEXTS, r"videos\.npy holds no matrix of real numbers"),
        (VIDEOS, TEXTS[None], r"texts\.npy holds no matrix of real numbers"),
        (VIDEOS, TEXTS * 1j, "no matrix of real numbers"),
        (VIDEOS, TEXTS > 1, "no matrix of real numbers"),
        (VIDEOS, TEXTS.astype(str), "no matrix of real numbers"),
        (VIDEOS, np.zeros([3], [("x", float)]), "no matrix of real numbers"),
        (VIDEOS[:1], TEXTS[:1], "at least 2 pairs of embeddings, but 1 of 1 are finite"),
        (VIDEOS[:0], TEXTS[:0], "at least 2 pairs of embeddings, but 0 of 0 are finite"),
        (VIDEOS * np.nan, TEXTS, "but 0 of 3 are finite"),
        (VIDEOS[:, :0], TEXTS[:, :0], "no matrix of real numbers"),
        (VIDEOS * 1e30, TEXTS * 1e30, "too large for float32: scale the embeddings down"),
    ],
)
def test_what_does_not_fit_is_refused(files, videos, texts, message):
    with pytest.raises(ValueError, match=message):
        score_files(*files(videos, texts))


def test_files_that_are_no_arrays_are_refused(files, tmp_path):
    videos, texts = files()
    for content in (b"", b"no array", b"\x93NUMPY", b"\x80\x04N."):
        (tmp_path / "texts.npy").write_bytes(content)
        with pytest.raises(ValueError, match=r"texts\.npy is no \.npy file that can be read"):
            score_files(videos, texts)
    np.savez(tmp_path / "texts.npz", TEXTS)
    with pytest.raises(ValueError, match="no matrix of real numbers"):
        score_files(videos, str(tmp_path / "texts.npz"))
    # Half of a file that was being copied.
    (tmp_path / "half.npy").write_bytes((tmp_path / "videos.npy").read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"half\.npy is no \.npy file that can be read"):
        score_files(videos, str(tmp_path / "half.npy"))


def test_pickled_objects_are_refused_and_not_run(files):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("it was unpickled",)

    videos, texts = files(texts=np.array([[Trap()]], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"texts\.npy is no \.npy file that can be read"):
        score_files(videos, texts)


def test_ranks_of_right_candidates_that_are_told():
    queries = np.array([[3.0, 2.0], [1.0, 2.0], [1.0, 1.0], [1.0, 2.0]])
    found = metrics.embedding_ranks(queries, np.eye(2), np.array([0, 0, 1, 1]))
    assert found.ranks.tolist() == [1.0, 2.0, 1.5, 1.0]
    assert found.ties.tolist() == [0, 0, 1, 0]
    assert found.num_candidates == 2


def test_ranks_of_told_candidates_agree_with_the_whole_matrix_in_small_blocks(monkeypatch):
    generator = np.random.default_rng(5)
    queries, candidates = generator.normal(size=(13, 4)), generator.normal(size=(5, 4))
    candidates[3] = candidates[1]
    correct = generator.integers(0, 5, 13)
    whole = metrics.query_ranks(metrics.dot_scores(queries, candidates), correct)
    monkeypatch.setattr(metrics, "_BLOCK_ENTRIES", 3 * 5)
    blocks = metrics.embedding_ranks(queries, candidates, correct)
    np.testing.assert_array_equal(blocks.ranks, whole.ranks)
    np.testing.assert_array_equal(blocks.ties, whole.ties)


@pytest.mark.parametrize(
    ("correct", "message"),
    [
        ([0, 1], r"3 queries, but right candidates of shape \(2,\)"),
        ([0, 1, 0, 0], r"3 queries, but right candidates of shape \(4,\)"),
        ([0, 1, 2], r"outside of 0\.\.1"),
        ([0, 1, -1], r"outside of 0\.\.1"),
    ],
)
@pytest.mark.parametrize("block", [2, 1 << 24])
def test_right_candidates_that_do_not_fit_are_an_error(monkeypatch, correct, message, block):
    monkeypatch.setattr(metrics, "_BLOCK_ENTRIES", block)
    with pytest.raises(ValueError, match=message):
        metrics.embedding_ranks(np.ones([3, 4]), np.ones([2, 4]), np.array(correct))


def test_ten_thousand_embeddings_are_ranked_without_their_score_matrix():
    """A score matrix of float64 would take 763 MiB, one of float32 382."""
    generator = np.random.default_rng(0)
    texts = generator.standard_normal([10_000, 32]).astype(np.float32)
    videos = texts + generator.standard_normal([10_000, 32]).astype(np.float32)
    tracemalloc.start()
    try:
        found = metrics.embedding_ranks(texts, videos)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.ranks) == 10_000
    assert np.median(found.ranks) < 1000
    assert peak < texts.nbytes + videos.nbytes + 32 * 2**20
