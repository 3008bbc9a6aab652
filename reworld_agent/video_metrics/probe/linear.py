"""Linear models over frozen features, by scikit-learn, and what they are worth.

Shapes: N samples, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from reworld_agent.core.errors import DataError

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)  # per sample, of standardised features
FOLDS = 4
_TOLERANCE = 1e-6  # of the mean loss's gradient
_MOST_STEPS = 10_000
_NEVER = -1e6  # a logit


@dataclass(frozen=True)
class Linear:
    """x → ((x - centre) / scale) W + b.

    Attributes:
        centre, scale: [D]; directions that do not vary have scale 1.
        weight: [D, K]; bias: [K].
        penalty: λ that was chosen.
    """

    centre: Array
    scale: Array
    weight: Array
    bias: Array
    penalty: float

    def __call__(self, features: Array) -> Array:
        """[N, D] → [N, K]."""
        outputs: Array = (features - self.centre) / self.scale @ self.weight + self.bias
        return outputs


Fit = Callable[[Array, Array, float], Linear]


def ridge(features: Array, targets: Array, penalty: float) -> Linear:
    """Minimises |X W + b - y|² / N + λ |W|²; targets [N, K]."""
    scaler = StandardScaler().fit(features)
    model = Ridge(penalty * len(features)).fit(scaler.transform(features), targets)
    return Linear(scaler.mean_, scaler.scale_, model.coef_.T, model.intercept_, penalty)


def logistic(features: Array, targets: Array, penalty: float) -> Linear:
    """Multinomial logistic regression, mean cross-entropy + λ/2 |W|²; one-hot [N, K].

    A class without samples has no weight, and a bias with which it is never the answer.
    """
    labels = targets.argmax(axis=1)
    there = np.unique(labels)
    scaler = StandardScaler().fit(features)
    weight = np.zeros((features.shape[1], targets.shape[1]))
    bias = np.where(np.isin(np.arange(targets.shape[1]), there), 0.0, _NEVER)
    if len(there) > 1:
        # of two classes sklearn fits the difference d of their weights, and |W|² = |d|² / 2
        strength = penalty * len(features) / (2 if len(there) == 2 else 1)
        model = LogisticRegression(C=1 / strength, tol=_TOLERANCE, max_iter=_MOST_STEPS)
        model.fit(scaler.transform(features), labels)
        sides = np.array([[-0.5], [0.5]]) if len(there) == 2 else np.eye(len(there))
        weight[:, there] = (sides @ model.coef_).T
        bias[there] = sides @ model.intercept_
    return Linear(scaler.mean_, scaler.scale_, weight, bias, penalty)


def one_hot(labels: Labels, classes: int) -> Array:
    """[N] → [N, classes]."""
    return np.eye(classes)[labels]


def choose(
    fit: Fit,
    score: Callable[[Array, Array], float],
    features: Array,
    targets: Array,
    groups: NDArray[np.str_],
) -> Linear:
    """The fit with the λ that scores best on held-out groups (logs are kept whole).

    Raises:
        DataError: fewer than two groups, or features that are not finite.
    """
    if len(set(groups.tolist())) < 2:
        raise DataError("a probe needs scenes of two logs or more", "take a larger training split")
    if not np.isfinite(features).all():
        raise DataError("the states hold NaN or infinite values", "look at the weights")
    folds = list(_folds(groups))

    def held_out(penalty: float) -> float:
        values = []
        for inside in folds:
            model = fit(features[inside], targets[inside], penalty)
            values.append(score(targets[~inside], model(features[~inside])))
        return float(np.mean(values))

    return fit(features, targets, max(PENALTIES, key=held_out))


def _folds(groups: NDArray[np.str_]) -> Iterator[NDArray[np.bool_]]:
    names = np.array(sorted(set(groups.tolist())))
    np.random.default_rng(0).shuffle(names)
    for part in np.array_split(names, min(FOLDS, len(names))):
        yield ~np.isin(groups, part)


def r_squared(targets: Array, outputs: Array) -> float:
    """1 - residual / total variance over all columns.

    0 for the mean of what is asked about, NaN where nothing varies.
    """
    if not np.ptp(targets, axis=0).any():
        return float("nan")
    return float(r2_score(targets, outputs, multioutput="variance_weighted"))


def area_under_curve(targets: Array, outputs: Array) -> float:
    """Of the receiver operating characteristic; one-hot targets [N, 2].

    The chance that a positive scores above a negative; NaN where there are not both.
    """
    positive = targets[:, 1] > 0.5
    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, outputs[:, 1] - outputs[:, 0]))


def accuracy(targets: Array, outputs: Array) -> float:
    """Share of samples whose greatest output is the label; one-hot targets [N, K]."""
    return float(accuracy_score(targets.argmax(axis=1), outputs.argmax(axis=1)))


def interval(
    score: Callable[[Array, Array], float],
    targets: Array,
    outputs: Array,
    groups: NDArray[np.str_],
    resamples: int = 200,
    seed: int = 1,
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a score, drawing whole groups."""
    rng = np.random.default_rng(seed)
    names, numbers = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(numbers == k) for k in range(len(names))]
    values = []
    for _ in range(resamples):
        drawn = rng.integers(len(names), size=len(names))
        rows = np.concatenate([members[k] for k in drawn])
        values.append(score(targets[rows], outputs[rows]))
    if not np.isfinite(values).any():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
