import math

import numpy as np
import pytest

from components.benchmark_evaluator.embedding.feature_rows import FeatureRows
from components.benchmark_evaluator.embedding.row_rules import ClipRows, RegularRows, SpreadRows
from components.retrieval_evaluator.text_video_model import ModelError


@pytest.fixture
def features(tmp_path):
    """Writes a stream for each array, and returns their paths."""

    def write(*streams):
        paths = []
        for number, values in enumerate(streams):
            paths.append(str(tmp_path / f"{number}.npy"))
            np.save(paths[-1], np.asarray(values, np.float32))
        return paths

    return write


def clips(*stretches):
    return ClipRows(tuple(stretches), 4)


# Row t of a stream "2d" (a row a second) and of a stream "3d" (3 rows in 2 seconds).
FLAT = [[t, 10 * t] for t in range(8)]
DEEP = [[100 + t] for t in range(12)]


def test_a_row_is_the_mean_of_the_rows_that_begin_before_its_end(features):
    source = FeatureRows((1.0,))
    found = source.rows(features(FLAT), clips((2.0, 5.0), (3.5, 3.6), (6.0, math.inf)))
    np.testing.assert_array_equal(found.values, [[3, 30], [3, 30], [6.5, 65]])
    assert found.values.dtype == np.float32
    assert found.problem is None


def test_several_streams_are_pooled_at_their_own_rates_and_joined(features):
    found = FeatureRows((1.0, 1.5)).rows(features(FLAT, DEEP), clips((2.0, 4.0)))
    np.testing.assert_array_equal(found.values, [[2.5, 25, 104]])


def test_each_second_has_a_row(features):
    found = FeatureRows((1.0, 1.5)).rows(features(FLAT[:4], DEEP[:6]), RegularRows(1.0))
    # The rows of "3d" begin at 0, 0.67, 1.33, 2, 2.67 and 3.33 s; one counts where it begins, and
    # where it lasts into a second.
    expected = [[0, 0, 100.5], [1, 10, 101.5], [2, 20, 103.5], [3, 30, 104.5]]
    np.testing.assert_array_equal(found.values, expected)


@pytest.mark.parametrize("num_deep", [10, 11, 12, 13, 14])
def test_streams_that_were_rounded_differently_end_together(features, num_deep):
    deep = [[t] for t in range(num_deep)]
    found = FeatureRows((1.0, 1.5)).rows(features(FLAT, deep), RegularRows(1.0))
    assert len(found.values) == math.ceil(min(8, num_deep / 1.5))
    assert np.isfinite(found.values).all()


def test_a_stream_that_ends_early_has_nothing_for_the_rest(features):
    source = FeatureRows((1.0, 1.5))
    paths = features(FLAT, DEEP[:5])
    found = source.rows(paths, clips((0.0, 2.0), (5.0, 7.0), (2.0, math.inf)))
    np.testing.assert_array_equal(found.values, [[0.5, 5, 101], [np.nan] * 3, [4.5, 45, 103.5]])
    assert found.failure(0) is None
    assert found.failure(1) == ("no_frames", "the video has no frames there")
    # A second that one stream does not show is missed in the middle of a video too.
    assert np.isnan(source.rows(paths, RegularRows(1.0)).values[4:]).all()


def test_features_that_end_before_all_clips_or_have_no_rows(features):
    source = FeatureRows((1.0,))
    found = source.rows(features(FLAT), clips((9.0, 12.0)))
    assert found.values is None
    assert found.problem == ("no_rows", "the features end before what is asked for")
    for rule in (clips((0.0, 1.0)), RegularRows(1.0), SpreadRows(3)):
        found = source.rows(features(np.zeros([0, 2])), rule)
        assert (found.values, found.problem[0]) == (None, "no_rows")


def test_a_rule_without_stretches_takes_each_row_as_far_as_all_streams_go(features):
    found = FeatureRows((1.0, 1.0)).rows(features(FLAT, DEEP), SpreadRows(3))
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, np.hstack([FLAT, DEEP[:8]]))


def test_a_model_embeds_the_maximum_of_each_stream(colour_feature_model, features):
    flat = np.full([8, 2], -1.0)
    flat[3] = [2.0, -1.0]
    deep = np.full([12, 1], -1.0)
    deep[9] = 0.5
    source = FeatureRows((1.0, 1.5), colour_feature_model)
    # Red is seen from second 3 on, blue from second 6; both rows at the end of a clip count.
    found = source.rows(
        features(flat, deep), clips((0.0, 2.0), (0.0, 3.0), (4.0, 6.0), (2.0, 7.0), (12.0, 13.0))
    )
    signs = np.array([[-1, -1, -1], [1, -1, -1], [-1, -1, 1], [1, -1, 1]])
    np.testing.assert_allclose(found.values[:4], signs / np.sqrt(3), atol=1e-6)
    assert np.isnan(found.values[4]).all()


def test_a_model_embeds_more_clips_than_fit_into_a_batch(colour_feature_model, features):
    flat = np.array([[1.0, -1.0] if t % 2 else [-1.0, 1.0] for t in range(600)])
    source = FeatureRows((1.0, 1.0), colour_feature_model)
    found = source.rows(features(flat, np.full([600, 1], -1.0)), RegularRows(1.0))
    expected = np.hstack([flat, np.full([600, 1], -1.0)]) / np.sqrt(3)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)


def test_an_answer_that_is_not_finite_costs_its_row_alone(tmp_path, features):
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], name="features")])
        def video(self, features):
            return {"video_embedding": tf.math.log(features)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
        def text(self, words):
            return {"text_embedding": tf.zeros([tf.size(words), 2])}

    model = Model()
    path = str(tmp_path / "model")
    tf.saved_model.save(model, path, signatures={"video": model.video, "text": model.text})
    found = FeatureRows((1.0,), path).rows(
        features([[3.0, 4.0], [0.0, 1.0], [-1.0, 0.0]]), RegularRows(1.0)
    )
    np.testing.assert_allclose(found.values[0], np.log([0.6, 0.8]), rtol=1e-3)
    assert np.isposinf(found.values[1:]).all()
    assert [found.failure(row) and found.failure(row)[0] for row in range(3)] == [
        None,
        "not_finite",
        "not_finite",
    ]


def test_features_of_another_size_than_the_models_are_an_error(colour_feature_model, features):
    source = FeatureRows((1.0,), colour_feature_model)
    with pytest.raises(ModelError, match=r"takes features of shape \(None, 3\), not \(1, 2\)"):
        source.rows(features(FLAT), clips((0.0, 2.0)))


def test_rows_of_another_size_fail_alone_where_the_size_is_known(colour_feature_model, features):
    paths = features(FLAT, DEEP)
    rule = clips((0.0, 2.0))
    known = FeatureRows((1.0, 1.5), colour_feature_model, sizes=(2, 1))
    assert known.rows(paths, rule).problem is None
    found = known.rows(features(FLAT, [[1.0, 2.0]] * 12), rule)
    assert found.values is None
    assert found.problem[0] == "wrong_size"
    assert "a row has 2 values, in the other files 1" in found.problem[1]
    # One stream's size may be unknown.
    some = FeatureRows((1.0, 1.5), sizes=(None, 1))
    assert some.rows(features([[1.0]] * 8, DEEP), rule).problem is None


def test_clips_that_end_after_the_features_are_named(features):
    stretches = clips((0.0, 4.0), (6.0, 9.0), (6.0, 9.1), (7.0, math.inf), (20.0, 22.0))
    found = FeatureRows((1.0, 1.5)).rows(features(FLAT, DEEP), stretches)
    # 8 s of them, and up to a second may have been rounded away.
    assert [found.remark(row) is not None for row in range(5)] == [False, False, True, False, False]
    assert found.failure(4)[0] == "no_frames"


def test_a_file_that_holds_no_features_gives_its_reason(features, tmp_path):
    good = features(FLAT)
    not_finite = tmp_path / "nan.npy"
    np.save(not_finite, np.array([[1.0, np.nan]]))
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([[{}]], object), allow_pickle=True)
    flat = tmp_path / "flat.npy"
    np.save(flat, np.zeros(4))
    text = tmp_path / "text.npy"
    text.write_text("no array")
    source = FeatureRows((1.0, 1.0))
    for path, reason in (
        (not_finite, "features_not_finite"),
        (pickled, "not_an_array"),
        (flat, "not_a_matrix"),
        (text, "not_an_array"),
        (tmp_path / "nowhere.npy", "missing_features"),
    ):
        found = source.rows([*good, str(path)], clips((0.0, 1.0)))
        assert found.values is None
        assert found.failure(0)[0] == reason
        assert str(path) in found.failure(0)[1]
