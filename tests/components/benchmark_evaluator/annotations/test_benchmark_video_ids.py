import json
import pathlib

import pytest

from components.benchmark_evaluator.annotations.text_files import read_ids
from components.benchmark_evaluator.annotations.video_ids import BENCHMARKS, benchmark_video_ids
from components.narrated_video_example_gen.manifest import ManifestError


@pytest.fixture
def write(tmp_path):
    def write(content, name="annotations"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def test_youcook2_names_videos_without_sentences_too(write):
    path = write({"database": {"a": {"subset": "testing"}, "b": {"subset": "training"}}})
    assert benchmark_video_ids("youcook2", path) == {"a", "b"}
    path = write("end,start,task,text,video_id\n60,47,226,pick,c\n")
    assert benchmark_video_ids("youcook2", path) == {"c"}


@pytest.mark.parametrize(
    ("url", "youtube_id"),
    [
        ("https://www.youtube.com/watch?v=9lZi22qLlEo", {"9lZi22qLlEo"}),
        ("https://www.youtube.com/watch?x=1&v=-_Zi22qLlE-&t=3", {"-_Zi22qLlE-"}),
        ("https://youtu.be/9lZi22qLlEo", {"9lZi22qLlEo"}),
        ("https://www.youtube.com/embed/9lZi22qLlEo?x", {"9lZi22qLlEo"}),
        ("https://www.youtube.com/watch?v=9lZi22qLlEoX", set()),
        ("https://example.com/9lZi22qLlEo", set()),
        (None, set()),
    ],
)
def test_msrvtt_json_tells_youtube_ids(write, url, youtube_id):
    path = write({"videos": [{"video_id": "video0", "url": url}, 5], "sentences": []})
    assert benchmark_video_ids("msrvtt", path) == {"video0"} | youtube_id


def test_msrvtt_csv_and_lsmdc(write):
    path = write("video_id,sentence\nvideo9770,a person\n")
    assert benchmark_video_ids("msrvtt", path) == {"video9770"}
    assert benchmark_video_ids("lsmdc", write("clip_1\t0\t1\t0\t1\tx\n")) == {"clip_1"}


def test_crosstask_names_videos_of_all_tasks(write, tmp_path):
    write("1,a,http://a\n2,b,http://b\n,,\n", "videos.csv")
    write("1,c,http://c\n", "videos_val.csv")
    assert benchmark_video_ids("crosstask", str(tmp_path)) == {"a", "b", "c"}


def test_action_recognition_names_unused_and_bad_videos_too(write, tmp_path):
    path = write("video_id,label,split1,split2,split3\na.avi,cut_test,0,0,0\nb.avi,,1,1,1\n")
    assert benchmark_video_ids("hmdb51", path) == {"a", "b"}
    write("1 Archery\n", "classInd.txt")
    for split in (1, 2, 3):
        write("Archery/a.avi 1\n", f"trainlist0{split}.txt")
        write("Chess/b.avi\n", f"testlist0{split}.txt")
    assert benchmark_video_ids("ucf101", str(tmp_path)) == {"a", "b"}


def test_kinetics_names_videos_and_clips_of_all_files(write):
    train = write("label,youtube_id,time_start,time_end\nyoga,a,1,11\n", "train.csv")
    test = write("youtube_id,time_start,time_end\nb,,\n", "test.csv")
    ids = benchmark_video_ids("kinetics700", f"train={train},eval={test}")
    assert ids == {"a", "a_000001_000011", "b"}
    assert benchmark_video_ids("kinetics700", test) == {"b"}


def test_kinetics_names_files_whose_seconds_nobody_knows(tmp_path):
    for name in ("a_000001_000011", "whole"):
        (tmp_path / f"{name}.mp4").touch()
    ids = benchmark_video_ids("kinetics700", str(tmp_path))
    assert ids == {"a", "a_000001_000011", "whole"}


def test_coin(write):
    assert benchmark_video_ids("coin", write([{"a": {}}, {"b": 5}, 7])) == {"a", "b"}


def test_youtube8m_segments(tmp_path):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "validate.tfrecord")) as writer:
        for values in ([b"Hs00"], [], [b"Hs01"]):
            record = tf.train.SequenceExample()
            record.context.feature["id"].bytes_list.value.extend(values)
            writer.write(record.SerializeToString())
    ids = benchmark_video_ids("youtube8m_segments", str(tmp_path / "*.tfrecord"))
    assert ids == {"Hs00", "Hs01"}


def test_lists_of_ids(write):
    text = "\ufeff--a\n\n  b c\t\n".replace("b c", "b") + "--a\r\n"
    assert read_ids(pathlib.Path(write(text))) == ("--a", "b")
    assert benchmark_video_ids("ids", write(text)) == {"--a", "b"}
    csv = '"video_id",start\nmy video,0\n,1\n"x, y",2\n'
    assert benchmark_video_ids("csv", write(csv)) == {"my video", "x, y"}
    both = f"train={write('a', '1.txt')},eval={write('b', '2.txt')}"
    assert benchmark_video_ids("ids", both) == {"a", "b"}


@pytest.mark.parametrize("content", ["a b\n", "a,b\n", '{"a":1,"b":2}', "a\tb\n"])
def test_file_that_is_no_list_of_ids_is_refused(write, content):
    with pytest.raises(ManifestError, match="which is no video's id; give a text file"):
        benchmark_video_ids("ids", write(content))


@pytest.mark.parametrize("content", ["", "\n \n", "video_id\n"])
def test_nothing_to_remove_is_refused(write, content):
    with pytest.raises(ManifestError, match="names no video of ids"):
        benchmark_video_ids("ids", write(content))


def test_unknown_benchmark_is_refused():
    with pytest.raises(ManifestError, match="'imagenet' is no benchmark: youcook2, msrvtt"):
        benchmark_video_ids("imagenet", "x")


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_missing_files_are_refused(benchmark, tmp_path):
    with pytest.raises(ManifestError, match="nowhere"):
        benchmark_video_ids(benchmark, str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("benchmark", "path", "count"),
    [
        ("youcook2", "annotations/youcook2/youcookii_annotations_trainval.json", 1790),
        ("youcook2", "annotations/milnce/validation_youcook.csv", 436),
        ("msrvtt", "annotations/msrvtt/MSRVTT_JSFUSION_test.csv", 1000),
        # 4,700 rows: 89 of the videos show two tasks or more.
        ("crosstask", "annotations/crosstask", 4607),
        ("hmdb51", "annotations/hmdb51_splits", 6766),
        ("ucf101", "annotations/ucf101_splits", 13320),
        ("coin", "annotations/coin/pdpp_coin_test_30.json", 3006),
        ("ids", "howto100m/htm_holdout_vid.txt", 1000),
        ("ids", "annotations/msrvtt/MSRVTT_train.9k.csv", 9000),
    ],
)
def test_real_files(shared_data, benchmark, path, count):
    assert len(benchmark_video_ids(benchmark, str(shared_data / path))) == count
