import dataclasses
import pathlib

import numpy as np
import pytest

from components.benchmark_evaluator.embedding.frame_rows import FrameProtocol, FrameRows
from components.benchmark_evaluator.embedding.row_rules import ClipRows, SpreadRows
from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.embedding.run import VideoJob, embed_videos
from components.narrated_video_example_gen import ingest
from components.retrieval_evaluator.text_video_model import ModelError

ONE_WINDOW = SpreadRows(1)
BROKEN = ("truncated", "it breaks off")


@dataclasses.dataclass(frozen=True)
class WritingSource:
    """Makes a row of the size of a file, and writes down of which file it did.

    Of an empty file it makes nothing; at one that holds "stop" the model fails.
    """

    log: str

    def described(self):
        return {"source": "size"}

    def rows(self, paths, rule):
        (path,) = map(pathlib.Path, paths)
        with open(self.log, "a") as log:
            log.write(f"{path.stem}\n")
        content = path.read_text()
        if content == "stop":
            raise ModelError("the model\nfails")
        return Rows(np.array([[len(content)]], np.float32)) if content else Rows(None, BROKEN)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


class World:
    """Files, a source that reads them, and a store."""

    def __init__(self, folder):
        self.folder = folder
        self.told = []

    def write(self, **contents):
        for name, content in contents.items():
            (self.folder / f"{name}.txt").write_text(content)

    def embed(self, names, rule=ONE_WINDOW):
        jobs = [VideoJob(name, (str(self.folder / f"{name}.txt"),), rule) for name in names]
        return embed_videos(
            jobs,
            WritingSource(str(self.folder / "log")),
            str(self.folder / "store"),
            lambda: ingest.local_pipeline(1),
            lambda *told: self.told.append(told),
        )

    def made(self):
        """Returns of which videos rows were made since it was last asked, sorted."""
        log = self.folder / "log"
        names = sorted(log.read_text().split()) if log.exists() else []
        log.unlink(missing_ok=True)
        return names


def test_each_video_is_made_once_and_read_back(world):
    world.write(a="1", b="22", c="")
    found = world.embed("abc")
    assert world.made() == ["a", "b", "c"]
    assert [found.rows(name).values.tolist() for name in "ab"] == [[[1.0]], [[2.0]]]
    assert found.rows("c") == Rows(None, BROKEN)
    assert ["a" in found, "d" in found] == [True, False]


def test_only_what_is_missing_or_has_changed_is_made(world):
    world.write(a="1", b="22", c="333", d="")
    world.embed("abc")
    world.made()
    assert world.embed("abc").rows("b").values.tolist() == [[2.0]]
    assert world.made() == []
    world.write(b="4444")
    assert world.embed("abcd").rows("b").values.tolist() == [[4.0]]
    assert world.made() == ["b", "d"]
    # What could not be read may be there the next time.
    world.embed("abcd")
    assert world.made() == ["d"]
    # Other rows of the same files are others.
    world.embed("ab", SpreadRows(2))
    assert world.made() == ["a", "b"]


def test_progress_counts_up_to_all_videos(world):
    world.write(a="1", b="22", c="333")
    world.embed("a")
    world.told.clear()
    world.embed("abc")
    assert (world.told[0], world.told[-1]) == ((1, 3), (3, 3))
    assert world.told == sorted(world.told)
    world.told.clear()
    world.embed("abc")
    assert set(world.told) == {(3, 3)}


def test_a_run_that_was_broken_off_goes_on(world):
    world.write(a="1", b="22", c="stop", d="4444", e="55555")
    # No more than the model said.
    with pytest.raises(ModelError, match=r"^the model\nfails$"):
        world.embed("abcde")
    first = world.made()
    assert "c" in first
    assert not list(world.folder.glob("store/*.error"))
    # It is told how far it came, and no video counts that was not made.
    assert world.told[-1] == (len(first) - 1, 5)
    world.write(c="333")
    found = world.embed("abcde")
    assert world.made() == sorted({*"abcde"} - {*first} | {"c"})
    assert [found.rows(name).values.item() for name in "abcde"] == [1, 2, 3, 4, 5]


def test_an_error_of_another_kind_stays_what_it_is(world):
    world.write(a="1")
    # Beam makes its own of it.
    with pytest.raises((OSError, RuntimeError), match=r"No such file .*b\.txt"):
        world.embed("ab")


def test_several_workers_write_the_same_bytes(colour_world, colour_model, tmp_path):
    shown = ["red paint", "green paint", "blue paint"]
    jobs = []
    for number in range(3):
        order = [*shown[number:], *shown[:number]]
        path = colour_world.write_video(tmp_path / f"v{number}.mp4", order, seconds=1)
        rule = ClipRows(((0.0, 1.2), (0.5, 3.0)), 2)
        jobs.append(VideoJob(f"v{number}", (str(path),), rule))
    source = FrameRows(colour_model, FrameProtocol(num_frames=4, frame_rate=10.0, image_size=24))

    def written(num_workers):
        folder = tmp_path / f"store{num_workers}"
        embed_videos(jobs, source, str(folder), lambda: ingest.local_pipeline(num_workers))
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    expected = written(1)
    assert len(set(expected.values())) == 3
    assert written(2) == expected
