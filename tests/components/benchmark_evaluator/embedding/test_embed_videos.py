import dataclasses
import pathlib
import types

import apache_beam as beam
import numpy as np
import pytest

from components import beam_engine
from components.benchmark_evaluator.embedding import run
from components.benchmark_evaluator.embedding.frame_rows import FrameProtocol, FrameRows
from components.benchmark_evaluator.embedding.row_rules import ClipRows, SpreadRows
from components.benchmark_evaluator.embedding.rows import Rows
from components.benchmark_evaluator.embedding.run import VideoJob, embed_videos
from components.benchmark_evaluator.embedding.store import EmbeddingStore
from components.retrieval_evaluator.text_video_model import ModelError

ONE_WINDOW = SpreadRows(1)
BROKEN = ("truncated", "it breaks off")
ERRORS = {
    "os": OSError(28, "No space left on device"),
    "value": ValueError("odd\nthing"),
    "memory": MemoryError(),
}


def local_pipeline(num_workers=1):
    return beam.Pipeline(argv=beam_engine.engine_arguments((), num_workers))


@dataclasses.dataclass(frozen=True)
class WritingSource:
    """Makes a row of the size of a file, and writes down of which file it did.

    Of an empty file it makes nothing; at one that holds "stop" the model fails, and at one that
    holds the name of an error that is raised.
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
        if content in ERRORS:
            raise ERRORS[content]
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
            local_pipeline,
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


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        ("os", OSError, r"\[Errno 28\] No space left on device"),
        ("value", ValueError, "odd"),
        ("memory", MemoryError, "MemoryError"),
    ],
)
def test_an_error_of_a_worker_is_one_line_that_names_the_video(world, content, kind, said):
    world.write(a="1", b=content)
    with pytest.raises(kind, match=f"^the video b cannot be embedded: {said}$") as caught:
        world.embed("ab")
    assert caught.type is kind
    assert not list(world.folder.glob("store/*.error"))


def test_rows_that_cannot_be_written_are_such_an_error_too(world):
    world.write(a="1")

    def fail(self, key, rows):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddingStore, "write", fail)
        with pytest.raises(OSError, match=r"the video a cannot be embedded: .*No space left"):
            world.embed("a")
    assert world.embed("a").rows("a").values.item() == 1


@dataclasses.dataclass(frozen=True)
class Raising(WritingSource):
    """Raises what nobody expects, after another worker has met a model that fails."""

    error_path: str = ""

    def rows(self, paths, rule):
        pathlib.Path(self.error_path).write_text('{"kind": "ModelError", "message": "first"}')
        raise KeyError("odd")


def test_nothing_stays_of_an_error_beside_one_of_the_pipeline(world, monkeypatch):
    one_name = types.SimpleNamespace(uuid4=lambda: types.SimpleNamespace(hex="x"))
    monkeypatch.setattr(run, "uuid", one_name)
    source = Raising(str(world.folder / "log"), str(world.folder / "store" / "x.error"))
    job = VideoJob("a", (str(world.folder / "a.txt"),), ONE_WINDOW)
    with pytest.raises(Exception, match="odd"):
        embed_videos([job], source, str(world.folder / "store"), local_pipeline)
    assert not list((world.folder / "store").iterdir())


def test_rows_that_were_damaged_are_made_again(world):
    world.write(a="1", b="22")
    world.embed("ab")
    world.made()
    damaged = max(world.folder.glob("store/*.npy"), key=lambda path: np.load(path).item())
    damaged.write_bytes(damaged.read_bytes()[:-2])
    assert world.embed("ab").rows("b").values.tolist() == [[2.0]]
    assert world.made() == ["b"]


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
        embed_videos(jobs, source, str(folder), lambda: local_pipeline(num_workers))
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    expected = written(1)
    assert len(set(expected.values())) == 3
    assert written(2) == expected
