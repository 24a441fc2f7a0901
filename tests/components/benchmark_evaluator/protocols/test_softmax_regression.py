import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from components.benchmark_evaluator.protocols.softmax_regression import (
    RegressionConfig,
    SoftmaxRegression,
)


def _groups(num_groups=12, size=40, seed=0):
    """Returns groups of samples of three classes that overlap, on scales far apart."""
    rng = np.random.default_rng(seed)
    groups = []
    for _ in range(num_groups):
        classes = rng.integers(3, size=size)
        centres = np.array([[0.0, 0], [2, 0], [0, 2]])[classes]
        features = (centres + rng.normal(size=[size, 2])) * [100, 0.01] + [7, -3]
        groups.append((features.astype(np.float32), classes))
    return groups


def test_it_is_as_good_as_scikit_learns():
    groups, tests = _groups(), _groups(seed=1)
    regression = SoftmaxRegression(
        groups.__getitem__,
        len(groups),
        3,
        RegressionConfig(epochs=60, batch_size=64, learning_rate=0.1, weight_decay=0.0),
    )
    features, classes = (np.concatenate(part) for part in zip(*groups, strict=True))
    rival = LogisticRegression(C=1e6, max_iter=1000).fit(
        (features - features.mean(0)) / features.std(0), classes
    )
    seen, truth = (np.concatenate(part) for part in zip(*tests, strict=True))
    standardized = (seen - features.mean(0)) / features.std(0)
    expected = rival.decision_function(standardized)
    found = regression.logits(seen)
    # Logits are known up to a constant for each sample.
    found -= found.mean(axis=1, keepdims=True)
    expected -= expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=0.1)
    agreement = np.mean(regression.predict(seen) == rival.predict(standardized))
    assert agreement > 0.98
    assert np.mean(regression.predict(seen) == truth) > 0.7


def test_the_same_seed_gives_the_same_classifier():
    groups = _groups(4)
    first, again = (
        SoftmaxRegression(groups.__getitem__, 4, 3, RegressionConfig(epochs=2, batch_size=32))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.logits(groups[0][0]), again.logits(groups[0][0]))


def test_a_feature_that_never_changes_does_no_harm():
    groups = [(np.array([[1.0, 5], [-1, 5]] * 20, np.float32), np.array([0, 1] * 20))]
    regression = SoftmaxRegression(groups.__getitem__, 1, 2, RegressionConfig(epochs=30))
    assert regression.predict(np.array([[2.0, 5], [-2, 5]], np.float32)).tolist() == [0, 1]


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(ValueError, match="nothing to learn from"):
        SoftmaxRegression(lambda group: None, 0, 2, RegressionConfig())
