import pytest

from components.narrated_video_example_gen import splits
from schemas import records

# The first 64 bits of the MD5 sums 0cc175b9c0f1b6a8..., 92eb5ffee6ae2fec..., 4a8a08f09d37b737...
HASHES = {
    "a": 0x0CC175B9C0F1B6A8 / 2**64,  # 0.050
    "b": 0x92EB5FFEE6AE2FEC / 2**64,  # 0.574
    "c": 0x4A8A08F09D37B737 / 2**64,  # 0.291
}


def assign(video_ids, fraction, fixed=None, broken=()):
    fixed = fixed or [None] * len(video_ids)
    return splits.assign_splits(
        video_ids, fixed, fraction, lambda index: video_ids[index] not in broken
    )


def test_names_are_those_of_the_records():
    assert splits.TRAIN_SPLIT == records.TRAIN_SPLIT
    assert splits.EVAL_SPLIT == records.EVAL_SPLIT


@pytest.mark.parametrize("video_id", HASHES)
def test_hash_is_the_md5_of_the_id(video_id):
    assert splits.hash_fraction(video_id) == HASHES[video_id]


def test_hash_decides():
    assert assign("abc", 0.3) == ["eval", "train", "eval"]


def test_share_of_eval_videos_is_near_the_fraction():
    names = assign([f"video{number}" for number in range(2000)], 0.1)
    assert 150 < names.count("eval") < 250


def test_a_video_keeps_its_split_when_others_come():
    few = [f"video{number}" for number in range(50)]
    many = [f"other{number}" for number in range(50)] + few
    assert assign(many, 0.2)[50:] == assign(few, 0.2)


def test_manifest_overrides_the_hash():
    assert assign("abc", 0.3, ["train", None, None]) == ["train", "train", "eval"]


def test_empty_eval_split_gets_the_video_with_the_smallest_hash():
    assert assign("abc", 0.01) == ["eval", "train", "train"]


def test_empty_train_split_gets_the_video_with_the_largest_hash():
    assert assign("abc", 0.99) == ["eval", "train", "eval"]


def test_a_split_with_broken_videos_alone_counts_as_empty():
    assert assign("abc", 0.1, broken="a") == ["eval", "train", "eval"]


def test_the_last_usable_video_of_a_split_stays():
    assert assign("ab", 0.1, broken="a") == ["eval", "train"]
    assert assign("b", 0.1) == ["train"]


def test_fixed_videos_do_not_move():
    assert assign("abc", 0.01, ["train", "train", None]) == ["train", "train", "eval"]
    assert assign("abc", 0.5, ["train"] * 3) == ["train"] * 3


def test_fraction_0_means_no_eval_split():
    assert assign("abc", 0.0) == ["train"] * 3
