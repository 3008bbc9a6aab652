"""What a Fréchet distance over few clips is worth: its bias, and how far it may be off.

The plug-in distance is biased upwards by about a constant / n, so that it falls with the number
of clips and cannot be compared across numbers. Chong & Forsyth, "Effectively Unbiased FID and
Inception Score and Where to Find Them" (CVPR 2020), fit it over subsets of growing size and read
the line off at 1/n = 0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap
from tqdm import tqdm

from reworld_agent.video_metrics.frechet import Gaussian, frechet_distance
from reworld_agent.video_metrics.golden import require_golden
from reworld_agent.video_metrics.names import ENOUGH

Array = NDArray[np.float64]
FEWEST = 16  # clips, below which neither line nor interval is drawn
_SIZES = 15  # of subsets, as Chong & Forsyth take
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A Fréchet distance between two sets.

    Attributes:
        value: the plug-in distance over all clips; what papers print.
        unbiased: extrapolated to infinitely many clips; NaN with fewer than 16.
        low, high: 95 % bootstrap interval with most of the bias taken off; NaN likewise.
        real, generated: clips in each set.
        few: fewer than 256 in one of them.
    """

    value: float
    unbiased: float
    low: float
    high: float
    real: int
    generated: int
    few: bool

    def to_dict(self) -> dict[str, float | int | bool]:
        """The attributes by name."""
        return asdict(self)


def distance(real: Array, generated: Array) -> float:
    """Fréchet distance of features [N, D] and [M, D]; ReWorldError where it would be wrong."""
    require_golden()
    return frechet_distance(Gaussian.of(real), Gaussian.of(generated))


def unbiased(real: Array, generated: Array, repeats: int = 4, seed: int = 1) -> float:
    """FVD∞: least-squares line of the distance over 1/n, read at 0.

    Subsets hold equal shares of both sets, from a half to all of them, `repeats` draws a size.
    The line takes off what falls as 1/n. With hardly more clips than features that vary, some
    bias is left: of 512 clips of 400 equally strong features it takes off nine tenths.
    """
    generator = np.random.default_rng(seed)
    shares = np.linspace(0.5, 1.0, _SIZES)
    inverse, found = [], []
    for share in np.repeat(shares, repeats):
        subsets = [_draw(features, share, generator) for features in (real, generated)]
        inverse.append(1.0 / len(subsets[0]))
        found.append(distance(*subsets))
    return float(np.polynomial.Polynomial.fit(inverse, found, 1, domain=[]).convert().coef[0])


def _draw(features: Array, share: float, generator: np.random.Generator) -> Array:
    return features[generator.permutation(len(features))[: round(share * len(features))]]


def interval(
    real: Array, generated: Array, paired: bool, resamples: int, seed: int = 1, label: str = ""
) -> tuple[float, float]:
    """95 % basic bootstrap interval (2 d - q), which takes most of the plug-in distance's bias off.

    It tells what another draw of clips would change; for the size of the bias see `unbiased`.

    Args:
        paired: row i of both sets is one scene, so that they are drawn together.
    """
    rows = (np.arange(len(real)), np.arange(len(generated)))
    # A row that is drawn twice adds no direction: the resampled distance has the bias of the
    # distance once more, and reflecting its quantiles about the distance removes it.
    with tqdm(total=resamples + 1, desc=f"{label} bootstrap", leave=False) as bar:

        def of_rows(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
            bar.update()
            return distance(real[first], generated[second])

        found = bootstrap(
            rows,
            of_rows,
            n_resamples=resamples,
            vectorized=False,
            paired=paired,
            method="basic",
            confidence_level=_CONFIDENCE,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return float(found.low), float(found.high)


def estimate(
    real: Array,
    generated: Array,
    paired: bool = False,
    resamples: int = 200,
    seed: int = 1,
    label: str = "FVD",
) -> Estimate:
    """Distance, its unbiased value and its interval; features [N, D], [M, D].

    Raises:
        DataError: fewer than two clips in a set; NaN.
    """
    value = distance(real, generated)
    clips = min(len(real), len(generated))
    free = low = high = float("nan")
    if clips >= FEWEST:
        free = unbiased(real, generated, seed=seed)
        low, high = interval(real, generated, paired, resamples, seed, label)
    return Estimate(value, free, low, high, len(real), len(generated), clips < ENOUGH)


def mean_interval(values: Array, resamples: int, seed: int = 1) -> tuple[float, float]:
    """95 % BCa bootstrap interval of a mean over clips [N]; NaN with fewer than 16 or infinity."""
    if len(values) < FEWEST or not np.isfinite(values).all():
        return float("nan"), float("nan")
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    generator = np.random.default_rng(seed)
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=max(resamples, 100),
        confidence_level=_CONFIDENCE,
        rng=generator,
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
