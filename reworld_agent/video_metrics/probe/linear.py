"""Linear models in closed or convex form over frozen features, and what they are worth.

Shapes: N samples, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from scipy.stats import rankdata

from reworld_agent.core.errors import DataError

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)  # per sample, of standardised features
FOLDS = 4


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


def _standard(features: Array) -> tuple[Array, Array, Array]:
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-12 * np.abs(centre).max(initial=1.0), scale, 1.0)
    return (features - centre) / scale, centre, scale


def ridge(features: Array, targets: Array, penalty: float) -> Linear:
    """Minimises |X W + b - y|² / N + λ |W|² in closed form; targets [N, K]."""
    x, centre, scale = _standard(features)
    bias = targets.mean(axis=0)
    gram = x.T @ x / len(x) + penalty * np.eye(x.shape[1])
    weight = np.linalg.solve(gram, x.T @ (targets - bias) / len(x))
    return Linear(centre, scale, weight, bias, penalty)


def logistic(features: Array, targets: Array, penalty: float) -> Linear:
    """Multinomial logistic regression, mean cross-entropy + λ/2 |W|², by L-BFGS; one-hot [N, K]."""
    x, centre, scale = _standard(features)
    shape = (x.shape[1] + 1, targets.shape[1])

    def loss(flat: Array) -> tuple[float, Array]:
        both = flat.reshape(shape)
        logits = x @ both[:-1] + both[-1]
        value = (logsumexp(logits, axis=1) - (logits * targets).sum(axis=1)).mean()
        error = (softmax(logits, axis=1) - targets) / len(x)
        slope = np.concatenate([x.T @ error + penalty * both[:-1], error.sum(axis=0)[None]])
        return float(value + penalty / 2 * np.square(both[:-1]).sum()), slope.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape)
    return Linear(centre, scale, found[:-1], found[-1], penalty)


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
    """1 - residual / total variance; 0 for the mean of what is asked about."""
    residual = np.square(targets - outputs).sum()
    total = np.square(targets - targets.mean(axis=0)).sum()
    return float(1 - residual / total) if total > 0 else float("nan")


def area_under_curve(targets: Array, outputs: Array) -> float:
    """Of the receiver operating characteristic, by ranks; one-hot targets [N, 2].

    The chance that a positive scores above a negative; NaN where there are not both.
    """
    positive = targets[:, 1] > 0.5
    count, rest = int(positive.sum()), int((~positive).sum())
    if not count or not rest:
        return float("nan")
    ranks = rankdata(outputs[:, 1] - outputs[:, 0])
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))


def accuracy(targets: Array, outputs: Array) -> float:
    """Share of samples whose greatest output is the label; one-hot targets [N, K]."""
    return float((targets.argmax(axis=1) == outputs.argmax(axis=1)).mean())


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
