"""A logistic regression for each class, on the segments that were rated for it."""

from collections.abc import Mapping

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

_MAX_ITERATIONS = 1000


def class_scores(
    train: np.ndarray,
    rated: Mapping[int, Mapping[int, bool]],
    test: np.ndarray,
    regularization: float,
) -> np.ndarray:
    """Returns how well each test segment goes with each class, float64 [N, C].

    Features are brought to mean 0 and deviation 1 over the training segments. A class without a
    rated positive or a rated negative among them has nothing to learn from: all its scores are 0.

    Args:
      train: features of the training segments, float32 [M, D].
      rated: for each class, in the order of the columns, the training segments that were rated for
        it, and whether they show it.
      test: features of the test segments, float32 [N, D].
      regularization: C.
    """
    scaler = StandardScaler().fit(train)
    seen, unseen = scaler.transform(train), scaler.transform(test)
    scores = np.zeros([len(test), len(rated)])
    for column, of_class in enumerate(rated.values()):
        if len(set(of_class.values())) < 2:
            continue
        places = np.array(list(of_class))
        classifier = LogisticRegression(
            C=regularization, max_iter=_MAX_ITERATIONS, class_weight="balanced"
        )
        classifier.fit(seen[places], np.array(list(of_class.values())))
        scores[:, column] = classifier.decision_function(unseen)
    return scores
