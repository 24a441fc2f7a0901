"""Linear probes of frozen features: HMDB-51 and UCF-101."""

import dataclasses

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

# liblinear stops there with a warning, which then says so in the result.
_MAX_ITERATIONS = 10_000


@dataclasses.dataclass(frozen=True)
class ProbeConfig:
    """How a linear classifier is trained on features and how it decides.

    Attributes:
      regularization: C of the SVM; larger fits the training set more closely.
      standardize: whether each feature is brought to mean 0 and deviation 1 first.
    """

    regularization: float = 100.0
    standardize: bool = False


# The classifiers of the published protocols: of the MIL-NCE repository (`eval_hmdb.py`), and of MMV
# with S3D (`linear_mmv_hmdb.py`), whose C differs for the two sets. The "mmv" ones change C and the
# scaler and nothing else: MMV's frames are settings of their own, and its ten training passes of
# random crops and mirror images are not made (facts/protocols.md, section 7).
PROTOCOLS = {
    "mil-nce": ProbeConfig(),
    "mmv-hmdb51": ProbeConfig(3e-4, standardize=True),
    "mmv-ucf101": ProbeConfig(1e-3, standardize=True),
}


@dataclasses.dataclass(frozen=True)
class Probed:
    """What a probe says of the test videos.

    Attributes:
      predictions: int64 [N], the class of each test video.
      converged: whether the SVM's solver came to its end.
    """

    predictions: np.ndarray
    converged: bool


def probe(
    train: list[np.ndarray], labels: np.ndarray, test: list[np.ndarray], config: ProbeConfig
) -> Probed:
    """Trains a linear SVM on the windows of the training videos and classifies the test videos.

    Each window of a training video is a sample of its own. A test video has the class whose
    decision values, added up over its windows, are greatest: the sum of MIL-NCE's protocol and the
    mean of MMV's choose the same.

    Args:
      train: features of each training video, float32 [windows, D].
      labels: int [M], the class of each training video.
      test: features of each test video, float32 [windows, D].
      config: the protocol.

    Raises:
      ValueError: there is no test video, fewer than two classes to learn, or a feature is not
        finite.
    """
    labels = np.asarray(labels)
    if not test or len(np.unique(labels)) < 2:
        raise ValueError(
            f"{len(test)} test videos and {len(np.unique(labels))} classes to learn: a probe needs "
            f"at least one video and two classes"
        )
    samples = np.concatenate(train)
    targets = np.repeat(labels, [len(windows) for windows in train])
    if not all(np.isfinite(windows).all() for windows in (samples, *test)):
        raise ValueError("features are not finite")
    svm = LinearSVC(C=config.regularization, max_iter=_MAX_ITERATIONS, random_state=0)
    classifier = make_pipeline(StandardScaler(), svm) if config.standardize else svm
    classifier.fit(samples, targets)
    decisions = np.stack([_decision(classifier, windows) for windows in test])
    return Probed(svm.classes_[decisions.argmax(axis=1)], bool(np.max(svm.n_iter_) < svm.max_iter))


def _decision(classifier, windows: np.ndarray) -> np.ndarray:
    """Returns the decision value of each class, float64 [C], added up over the windows."""
    values = classifier.decision_function(windows)
    if values.ndim == 1:  # Of two classes liblinear gives one value, that of the second.
        values = np.stack([-values, values], axis=1)
    return values.sum(axis=0)


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of right predictions.

    Args:
      predictions: int [N].
      labels: int [N].

    Raises:
      ValueError: there is nothing to compare, or the shapes differ.
    """
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    if predictions.shape != labels.shape or not predictions.size:
        raise ValueError(
            f"predictions of shape {predictions.shape} and labels of shape {labels.shape}"
        )
    return float(np.mean(predictions == labels))
