import collections
import dataclasses

import pytest

from components.benchmark_evaluator.annotations import crosstask
from components.benchmark_evaluator.annotations.items import Segment, StepSet, StepTask, StepVideo
from components.narrated_video_example_gen.manifest import ManifestError

PRIMARY = "7\nMake Tea\nhttp://x/Tea\n2\nboil water,pour water\n\n8\nCut\nhttp://x\n1\ncut\n"
RELATED = "9\nMake Coffee\nhttp://x/Coffee\n1\ngrind\n"


@pytest.fixture
def release(tmp_path):
    """A release folder with one good video of task 7."""

    def write(videos="7,a,http://a\n", validation="", primary=PRIMARY, related=RELATED, **rows):
        (tmp_path / "tasks_primary.txt").write_text(primary)
        (tmp_path / "tasks_related.txt").write_text(related)
        (tmp_path / "videos.csv").write_text(videos)
        (tmp_path / "videos_val.csv").write_text(validation)
        (tmp_path / "annotations").mkdir()
        for name, text in ({"a": "2,1.5,3\n1,0,2\n"} | rows).items():
            (tmp_path / "annotations" / f"7_{name}.csv").write_text(text)
        return str(tmp_path)

    return write


def reasons(found):
    return [problem.reason for problem in found.problems]


def test_release_folder(release):
    found = crosstask.read_crosstask(
        release("7,a,http://a\n9,a,http://a\n7,-b,http://b\n8,a,http://a\n", "7,-b,x\n8,new,x\n")
    )
    assert found.tasks == {
        "7": StepTask("7", "Make Tea", ("boil water", "pour water")),
        "8": StepTask("8", "Cut", ("cut",)),
    }
    assert found.videos == (
        StepVideo("a", "7", (Segment(1, 1.5, 3.0), Segment(0, 0.0, 2.0))),
        StepVideo("-b", "7", (), is_validation=True),
        StepVideo("a", "8", ()),
        StepVideo("new", "8", (), is_validation=True),
    )
    assert found.problems == ()
    assert found.num_annotated == 4


def test_bad_rows_are_problems(release):
    folder = release(
        "7,a,http://a\n7,,http://b\n6,c,http://c\n7,a,http://a\n",
        a="2,1,3\n3,1,2\n0,1,2\nx,1,2\n1.5,1,2\n1,2,2\n1,3,2\n1,nan,2\n1,-1,2\n1,2\n\n",
        other="1,0,1\n",
    )
    found = crosstask.read_crosstask(folder)
    assert [video.segments for video in found.videos] == [(Segment(1, 1.0, 3.0),)]
    assert reasons(found) == [
        *("no_video_id", "unknown_task", "duplicate"),
        *["unknown_step"] * 4,
        *["bad_segment"] * 5,
        "not_listed",
    ]
    assert found.problems[3].item == f"a in {folder}/annotations/7_a.csv, entry 2"
    assert found.problems[3].message == "task 7 has the steps 1 to 2, not 3"
    assert found.num_annotated == 1


def test_annotations_that_are_no_text_cost_one_video(release, tmp_path):
    folder = release("7,a,http://a\n7,b,http://b\n")
    (tmp_path / "annotations" / "7_b.csv").write_bytes(b"\xff\xfe\x00")
    found = crosstask.read_crosstask(folder)
    assert [(video.video_id, len(video.segments)) for video in found.videos] == [("a", 2), ("b", 0)]
    assert reasons(found) == ["bad_file"]


@pytest.mark.parametrize(
    "tasks",
    [
        "",
        "7\nMake Tea\n",
        PRIMARY + "\n" + PRIMARY,
        "7\nTea\nx\n3\na,b\n",
        "7\nTea\nx\n2\na,\n",
        "7",
    ],
)
def test_list_of_tasks_of_another_format_is_refused(release, tasks):
    with pytest.raises(ManifestError, match=r"tasks_primary\.txt (is empty|has no proper task)"):
        crosstask.read_crosstask(release(primary=tasks))


def test_folder_that_is_no_release_is_refused(release, tmp_path):
    with pytest.raises(ManifestError, match=r"tasks_primary\.txt cannot be read"):
        crosstask.read_crosstask(str(tmp_path))
    folder = release()
    (tmp_path / "annotations" / "7_a.csv").unlink()
    (tmp_path / "annotations").rmdir()
    with pytest.raises(ManifestError, match="has no folder annotations"):
        crosstask.read_crosstask(folder)
    with pytest.raises(ManifestError, match="of CrossTask are one file or folder, not 'eval=a'"):
        crosstask.read_crosstask("eval=a")


def a_set(num_videos, without_segments=()):
    """Returns a set of one task; the first two videos are validation videos."""
    videos = (
        StepVideo(f"v{n}", "7", () if n in without_segments else (Segment(0, 0.0, 1.0),), n < 2)
        for n in range(num_videos)
    )
    return StepSet({"7": StepTask("7", "Make Tea", ("boil",))}, tuple(videos), ())


def test_variants_that_draw_nothing():
    step_set = a_set(4)
    assert crosstask.select_test_videos(step_set, "all_annotated") == step_set
    found = crosstask.select_test_videos(step_set, "validation")
    assert [video.video_id for video in found.videos] == ["v0", "v1"]
    with pytest.raises(ValueError, match="'test' is no test set of CrossTask"):
        crosstask.select_test_videos(step_set, "test")


def test_draw_leaves_30_videos_of_a_task_and_the_validation_videos_out():
    step_set = a_set(2 + 30 + 10)
    found = crosstask.select_test_videos(step_set, "crosstask", seed=5)
    chosen = [video.video_id for video in found.videos]
    assert len(chosen) == 10
    assert not {"v0", "v1"} & set(chosen)
    assert chosen == [v.video_id for v in step_set.videos if v.video_id in chosen]
    # Neither chance nor the order of the list decides, but the seed does.
    backwards = dataclasses.replace(step_set, videos=step_set.videos[::-1])
    again = crosstask.select_test_videos(backwards, "crosstask", seed=5)
    assert [video.video_id for video in again.videos] == chosen[::-1]
    other = crosstask.select_test_videos(step_set, "crosstask", seed=6)
    assert [video.video_id for video in other.videos] != chosen


def test_small_task_has_no_test_videos():
    assert crosstask.select_test_videos(a_set(32), "crosstask").videos == ()


def test_chosen_video_that_cannot_be_scored_is_a_problem():
    step_set = a_set(6, without_segments=(1, 4))
    found = crosstask.select_test_videos(step_set, "list", video_ids=["v4", "v5", "nobody", "v5"])
    assert [video.video_id for video in found.videos] == ["v5"]
    assert [(problem.item, problem.reason) for problem in found.problems] == [
        ("v4 of task 7", "no_annotation"),
        ("nobody", "unknown_video"),
    ]
    assert found.num_annotated == 3
    found = crosstask.select_test_videos(step_set, "validation")
    assert reasons(found) == ["no_annotation"]
    assert found.num_annotated == 2


def test_real_release(shared_data):
    folder = shared_data / "annotations" / "crosstask"
    related = crosstask.read_tasks(folder / crosstask.RELATED_TASKS)
    assert len(list(crosstask.listed_videos(folder / crosstask.VIDEOS))) == 4700
    assert len(list((folder / "annotations").glob("*.csv"))) == 2750
    found = crosstask.read_crosstask(str(folder))
    assert len(found.tasks) == 18
    assert len(found.tasks | related) == 83
    assert found.problems == ()
    assert len(found.videos) == 2750
    assert sum(len(video.segments) for video in found.videos) == 20919
    assert all(video.segments for video in found.videos)
    # In the primary tasks no video shows two.
    assert len({video.video_id for video in found.videos}) == 2750

    def chosen(variant, seed=0):
        return crosstask.select_test_videos(found, variant, seed).videos

    assert len(chosen("all_annotated")) == 2750
    assert len(chosen("validation")) == 360
    assert len(chosen("crosstask")) == 2750 - 360 - 18 * 30
    assert len(set(chosen("crosstask")) & set(chosen("crosstask", 1))) < 1850
    counts = collections.Counter(video.task_id for video in chosen("crosstask"))
    assert len(counts) == 18
