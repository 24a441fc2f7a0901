import json

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf

from components import beam_engine
from components.feature_extractor import compute, extraction, networks
from components.feature_extractor.config import FeaturesConfig
from components.feature_extractor.networks import LoadedNetwork
from components.narrated_video_example_gen import ledger
from components.narrated_video_example_gen.manifest import ManifestError
from schemas.video_features import read_video_features

SECONDS = {"a": 7, "b": 5, "c": 4}
SHAPES = {"a": (64, 48), "b": (64, 48), "c": (48, 80)}


class Run:
    """Folders of one extraction, in train and eval."""

    def __init__(self, root, clock_world):
        self.root = root
        self.videos = root / "videos"
        self.videos.mkdir(parents=True)
        (self.videos / "metadata.csv").write_text("video_id,search_rank\na,4\n")
        self.files = {}
        for split, ids in (("train", "ac"), ("eval", "b")):
            for video_id in ids:
                clock_world.write_video(
                    self.videos / f"{video_id}.mp4", SECONDS[video_id], SHAPES[video_id]
                )
            starts = {video_id: [0, 2.5] for video_id in ids}
            folder = root / "examples" / f"Split-{split}"
            self.files[split] = clock_world.write_captions(folder, starts, 0.0)

    def extract(self, config, output="out", videos=None, arguments=()):
        folder = self.root / output
        return extraction.extract(
            self.files,
            str(self.videos) if videos is None else videos,
            config,
            extraction.Folders(str(folder / "features"), str(folder)),
            lambda: beam.Pipeline(argv=[f"--runner={beam_engine.FN_API_RUNNER}", *arguments]),
        )

    def records(self, output="out"):
        paths = sorted((self.root / output / "features").rglob("*.tfrecord"))
        return {record.video_id: record for path in paths for record in read_video_features([path])}

    def ledger(self, output="out"):
        lines = (self.root / output / "ledger.jsonl").read_text().splitlines()
        return [
            (entry["video_id"], entry["clip_index"], entry["reason"])
            for entry in map(json.loads, lines)
        ]


@pytest.fixture(name="run")
def fixture_run(tmp_path, clock_world):
    return Run(tmp_path / "run", clock_world)


@pytest.fixture(name="hub")
def fixture_hub(tmp_path, clock_world):
    model = clock_world.write_model(tmp_path / "model" / "1")
    return FeaturesConfig(
        source=f"hub:{model}",
        hub_num_frames=4,
        hub_frame_rate=4.0,
        hub_image_size=16,
        batch_size=4,
        max_failed_fraction=0.7,
    )


def test_row_of_a_second_sees_that_second(run, hub, clock_world):
    outcome = run.extract(hub)
    assert outcome.splits == ("train", "eval")
    assert outcome.summary["videos"] == {"read": 3, "kept": 3, "left_out": {}}
    records = run.records()
    for video_id, seconds in SECONDS.items():
        (stream,) = records[video_id].streams
        assert (stream.name, stream.rate) == ("mixed_5c", 1.0)
        assert clock_world.seconds(stream.values) == [[n, n] for n in range(seconds)]
        np.testing.assert_allclose(np.linalg.norm(stream.values, axis=1), 1, atol=1e-3)
    record = records["a"]
    assert (record.search_rank, record.duration, record.task) == (4, 7.0, "tell the time")
    assert (record.captions, record.clip_starts) == (["a at 0", "a at 2.5"], [0, 1.5])
    assert records["b"].search_rank == 0
    assert run.ledger() == []


def test_wide_window_sees_its_neighbours_and_stays_in_the_video(run, hub, clock_world):
    run.extract(FeaturesConfig.from_json(hub.to_json().replace('num_frames": 4', 'num_frames": 8')))
    (stream,) = run.records()["a"].streams
    # Two seconds around n + 0.5; the first and the last row are shifted into the video.
    assert clock_world.seconds(stream.values) == [
        [0, 1],
        [0, 2],
        [1, 3],
        [2, 4],
        [3, 5],
        [4, 6],
        [5, 6],
    ]


def test_batches_cross_videos(run, hub, monkeypatch):
    loaded = networks.LOADERS["hub"]
    batches = []

    def load(path):
        network = loaded(path)

        def counted(batch):
            batches.append(len(batch))
            return network(batch)

        return LoadedNetwork(counted, network)

    monkeypatch.setitem(networks.LOADERS, "hub", load)
    run.extract(hub)
    # 7 + 5 + 4 rows in batches of 4; one by one the videos would need 2 + 2 + 1.
    assert batches == [4, 4, 4, 4]


def test_number_of_workers_does_not_change_a_value(run, hub, monkeypatch):
    def load(path):
        # As with real kernels, a row depends on its place in the batch.
        return LoadedNetwork(
            lambda batch: np.stack([np.arange(1, 5), batch[:, 0, 0, 0, 0]], axis=1), None
        )

    monkeypatch.setitem(networks.LOADERS, "hub", load)
    monkeypatch.setattr(compute, "VIDEOS_PER_GROUP", 2)
    written = []
    for workers in (1, 2):
        output = f"workers{workers}"
        threads = ["--direct_running_mode=multi_threading", f"--direct_num_workers={workers}"]
        run.extract(hub, output, arguments=threads)
        folder = run.root / output
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
        values = {key: r.streams[0].values.tobytes() for key, r in run.records(output).items()}
        written.append((files, values))
    assert written[0][0] == [
        "features/Split-eval/features-00000-of-00001.tfrecord",
        "features/Split-train/features-00000-of-00001.tfrecord",
        "ledger.jsonl",
        "summary.json",
    ]
    assert written[0] == written[1]


def test_runs_without_tfx(run, hub, clock_world):
    summary = extraction.run_extraction(
        str(run.root / "examples"), str(run.videos), str(run.root / "out"), hub, num_workers=1
    )
    assert summary["videos"]["kept"] == 3
    assert clock_world.seconds(run.records()["c"].streams[0].values)[-1] == [3, 3]


def test_one_decoding_gives_2d_and_3d_rows(run, tmp_path, monkeypatch):
    shapes = {"2d": set(), "3d": set()}

    def grey(stream):
        def function(batch):
            shapes[stream].add(batch.shape)
            means = batch.reshape(len(batch), -1, 3).mean(axis=1)
            return np.stack([means[:, 0], np.full(len(batch), 128)], axis=1)

        return lambda path: LoadedNetwork(function, None)

    monkeypatch.setitem(networks.LOADERS, "resnet152", grey("2d"))
    monkeypatch.setitem(networks.LOADERS, "resnext101", grey("3d"))
    opened = []
    open_video = compute.video.open_video
    monkeypatch.setattr(
        compute.video, "open_video", lambda *args: opened.append(args[0]) or open_video(*args)
    )
    for name in ("2d.h5", "3d.h5"):
        (tmp_path / name).touch()
    run.extract(
        FeaturesConfig(
            weights_2d=str(tmp_path / "2d.h5"), weights_3d=str(tmp_path / "3d.h5"), batch_size=3
        )
    )
    assert len(opened) == 3
    # Short side 224, uncropped; 48 x 80 pixels are taller than wide.
    assert shapes["2d"] == {(3, 224, 299, 3), (3, 373, 224, 3)}
    assert shapes["3d"] == {(3, 16, 112, 112, 3)}
    for video_id, seconds in SECONDS.items():
        flat, moving = run.records()[video_id].streams
        assert (flat.name, flat.rate, len(flat.values)) == ("2d", 1.0, seconds)
        assert (moving.name, moving.rate) == ("3d", 1.5)
        assert len(moving.values) == -(-seconds * 3 // 2)
        greys = 128 * flat.values[:, 0].astype(float) / flat.values[:, 1]
        assert np.round((greys - 20) / 8).tolist() == list(range(seconds))
    # The last of 6 chunks of 4 s is whole; of 7 s, 10.5 chunks, half of the last is black.
    last = run.records()["a"].streams[1].values[-1].astype(float)
    assert 128 * last[0] / last[1] == pytest.approx((20 + 8 * 6) / 2, abs=2)


def test_video_that_fails_is_in_the_ledger_and_has_no_record(run, hub):
    path = run.videos / "a.mp4"
    path.write_bytes(path.read_bytes()[:-1500])
    (run.videos / "b.mp4").unlink()
    outcome = run.extract(hub)
    assert outcome.splits == ("train",)
    assert run.ledger() == [("a", None, "corrupt"), ("b", None, "missing_file")]
    assert list(run.records()) == ["c"]
    assert outcome.summary["videos"]["left_out"] == {"corrupt": 1, "missing_file": 1}
    assert not (run.root / "out" / "features" / "Split-eval").exists()


def test_video_that_breaks_off_has_no_record_of_what_came_before(run, hub, clock_world):
    # Written as a stream of its own, so that it opens without its end.
    whole = clock_world.write_video(run.videos / "a.mkv", 20, (256, 192))
    (run.videos / "a.mp4").unlink()
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 6 // 10])
    run.extract(hub)
    (entry,) = run.ledger()
    assert entry in [("a", None, "truncated"), ("a", None, "corrupt")]
    assert sorted(run.records()) == ["b", "c"]


def test_values_that_are_no_numbers_are_in_the_ledger(run, hub, monkeypatch):
    loaded = networks.LOADERS["hub"]

    def load(path):
        network = loaded(path)

        def broken(batch):
            rows = network(batch).copy()
            # Second 6, which the video "a" alone has.
            rows[np.round((255 * rows[:, 0] - 20) / 8) == 6] = np.nan
            return rows

        return LoadedNetwork(broken, network)

    monkeypatch.setitem(networks.LOADERS, "hub", load)
    run.extract(hub)
    assert run.ledger() == [("a", None, "not_finite")]
    assert sorted(run.records()) == ["b", "c"]


def test_captions_past_the_features_are_left_out(run, hub, clock_world):
    folder = run.root / "examples" / "Split-train"
    starts = {"a": [1, 6.5, 7.5], "c": [4.0, 9.0]}
    run.files["train"] = clock_world.write_captions(folder, starts, 7.0)
    outcome = run.extract(hub)
    assert run.ledger() == [
        ("a", 2, "past_features"),
        ("c", 0, "past_features"),
        ("c", 1, "past_features"),
        ("c", None, "no_captions"),
    ]
    assert run.records()["a"].captions == ["a at 1", "a at 6.5"]
    assert outcome.summary["clips"]["kept"] == 4


def test_too_many_failures_end_the_run_and_keep_the_ledger(run, hub, tmp_path):
    for path in run.videos.glob("*.mp4"):
        path.write_bytes(b"")
    with pytest.raises(
        extraction.ExtractionError, match=r"3 of 3 videos gave no features \(3 empty file\); .* 70%"
    ):
        run.extract(hub)
    assert len(run.ledger()) == 3


def test_wrong_model_is_said_in_one_line_before_anything_is_decoded(run, tmp_path, clock_world):
    path = clock_world.write_model(tmp_path / "other", output="video_embedding")
    with pytest.raises(networks.NetworkError, match="no signature"):
        run.extract(FeaturesConfig(source=f"hub:{path}"))
    assert not (run.root / "out" / "parts").exists()


def test_videos_are_needed_to_compute_features(run, hub):
    with pytest.raises(ManifestError, match="computed from videos"):
        run.extract(hub, videos="")


class TestFolder:
    """Existing features of the videos a, b and c."""

    @pytest.fixture(name="config")
    def fixture_config(self, tmp_path):
        for name, rate in (("2d", 1.0), ("3d", 1.5)):
            for video_id, seconds in SECONDS.items():
                rows = np.arange(int(seconds * rate), dtype=np.float32)
                self.save(tmp_path, name, video_id, np.stack([rows, rows + 1], axis=1))
        return FeaturesConfig(source=str(tmp_path / "features"))

    def save(self, root, stream, video_id, values):
        path = root / "features" / stream / "some task" / f"{video_id}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, values)
        return path

    def with_duration(self, run, clock_world, durations):
        folder = run.root / "examples" / "Split-train"
        files = []
        for video_id, duration in durations.items():
            files += clock_world.write_captions(folder, {video_id: [0]}, duration, f"{video_id}.gz")
        run.files["train"] = files

    def test_features_become_records_as_they_are(self, run, config):
        outcome = run.extract(config)
        assert outcome.splits == ("train", "eval")
        record = run.records()["a"]
        assert [(s.name, s.rate) for s in record.streams] == [("2d", 1.0), ("3d", 1.5)]
        assert record.streams[0].values.tolist() == [[n, n + 1] for n in range(7)]
        # The caption records say no duration, so the 2d rows do.
        assert (record.duration, record.search_rank) == (7.0, 4)
        assert run.ledger() == []
        assert outcome.summary["missing_features"]["missing"] == 0
        assert ledger.format_missing(outcome.summary) is None

    def test_videos_are_not_needed(self, run, config):
        run.extract(config, videos="")
        assert run.records()["a"].search_rank == 0

    def test_rows_that_do_not_fit_are_in_the_ledger(self, run, config, clock_world):
        self.with_duration(run, clock_world, {"a": 9.5, "c": 4.0})
        run.extract(config)
        assert run.ledger() == [("a", None, "rows_do_not_fit")]
        line = json.loads((run.root / "out" / "ledger.jsonl").read_text())
        assert line["message"] == (
            "the stream 2d has 7 rows; a video of 9.5 s has 10 at 1 a second"
        )
        assert line["stage"] == "features"
        assert sorted(run.records()) == ["b", "c"]

    def test_missing_files_are_counted_named_and_no_failure(self, run, config, tmp_path):
        for stream, video_id in (("2d", "a"), ("2d", "b"), ("3d", "b")):
            (tmp_path / "features" / stream / "some task" / f"{video_id}.npy").unlink()
        outcome = run.extract(config)
        assert run.ledger() == [("a", None, "missing_features"), ("b", None, "missing_features")]
        assert ledger.format_missing(outcome.summary) == "2 of 3 videos have no features: a, b"
        assert ledger.format_missing(outcome.summary, most=1).endswith("no features: a, …")
        assert sorted(run.records()) == ["c"]
        (tmp_path / "features" / "3d" / "some task" / "c.npy").unlink()
        with pytest.raises(extraction.ExtractionError, match="none of 3 videos has features"):
            run.extract(config)

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            (np.full([7, 2], np.nan), "not_finite"),
            (np.ones([7, 3]), "wrong_size"),
            (np.ones(7), "not_a_matrix"),
            (np.ones([0, 2]), "no_captions"),
        ],
    )
    def test_bad_files_are_in_the_ledger_and_never_zeros(
        self, run, config, tmp_path, values, reason
    ):
        self.save(tmp_path, "2d", "a", values)
        run.extract(config)
        assert run.ledger()[-1] == ("a", None, reason)
        assert sorted(run.records()) == ["b", "c"]
        assert tf.io.gfile.exists(str(run.root / "out" / "summary.json"))
