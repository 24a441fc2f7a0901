import numpy as np
import pytest

from components.benchmark_evaluator.protocols import linear_probe
from components.benchmark_evaluator.protocols.linear_probe import PROTOCOLS


def _videos(centres, windows=3, spread=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (np.array(centre) + spread * rng.normal(size=[windows, len(centre)])).astype(np.float32)
        for centre in centres
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("num_classes", [2, 3])
def test_classes_that_lie_apart_are_told_apart(protocol, num_classes):
    centres = [[4, 0, 0], [0, 4, 0], [0, 0, 4]][:num_classes]
    labels = np.tile(np.arange(num_classes) + 10, 5)
    train = _videos(centres * 5)
    found = linear_probe.probe(train, labels, _videos(centres, seed=1), PROTOCOLS[protocol])
    assert found.predictions.tolist() == list(range(10, 10 + num_classes))
    assert found.converged


def test_windows_vote_with_their_decision_values():
    train = _videos([[1.0, 0], [-1, 0]] * 4, windows=1, spread=0.01)
    # Two windows lean to the second class, one is far in the first.
    test = [np.array([[-0.5, 0], [-0.5, 0], [4, 0]], np.float32)]
    found = linear_probe.probe(train, np.tile([0, 1], 4), test, PROTOCOLS["mil-nce"])
    assert found.predictions.tolist() == [0]


def test_what_cannot_be_probed_is_refused():
    two = _videos([[1.0, 0], [0, 1]])
    with pytest.raises(ValueError, match="0 test videos and 2 classes"):
        linear_probe.probe(two, np.array([0, 1]), [], PROTOCOLS["mil-nce"])
    with pytest.raises(ValueError, match="1 classes to learn"):
        linear_probe.probe(two, np.array([1, 1]), two, PROTOCOLS["mil-nce"])
    two[1][0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        linear_probe.probe(two, np.array([0, 1]), two, PROTOCOLS["mil-nce"])


def test_accuracy_by_hand():
    assert linear_probe.accuracy(np.array([1, 2, 3, 3]), np.array([1, 2, 2, 3])) == 0.75
    with pytest.raises(ValueError, match=r"shape \(0,\)"):
        linear_probe.accuracy(np.zeros(0), np.zeros(0))
